"""Quantum memories: figures of storage from gated counts, and what a classical device could do."""

from qnlab.procedures.memory.classical import ClassicalLimit, classical_limit
from qnlab.procedures.memory.storage import Gate, GateError, Storage, storage

__all__ = ["ClassicalLimit", "Gate", "GateError", "Storage", "classical_limit", "storage"]
