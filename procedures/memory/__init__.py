"""Quantum memories: figures of storage from gated counts, and what a classical device could do."""

from qnlab.procedures.memory.classical import ClassicalLimit, classical_limit
from qnlab.procedures.memory.correlation import cross_correlation, heralded_autocorrelation
from qnlab.procedures.memory.lifetime import Decay, decays
from qnlab.procedures.memory.storage import Gate, GateError, Storage, storage

__all__ = [
    "ClassicalLimit",
    "Decay",
    "Gate",
    "GateError",
    "Storage",
    "classical_limit",
    "cross_correlation",
    "decays",
    "heralded_autocorrelation",
    "storage",
]
