"""Runs: the handle that a procedure works with, and what it leaves on the disk."""

from qnlab.runs.documents import read_documents
from qnlab.runs.recorder import TagRecorder, read_tags
from qnlab.runs.run import Run, start_run

__all__ = ["Run", "TagRecorder", "read_documents", "read_tags", "start_run"]
