"""Runs: the handle that a procedure works with, and what it leaves on the disk."""

from qnlab.runs.documents import read_documents
from qnlab.runs.run import Run, start_run

__all__ = ["Run", "read_documents", "start_run"]
