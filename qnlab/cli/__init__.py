"""The command line: ``qnlab``."""

from qnlab.cli.main import main

__all__ = ["main"]
