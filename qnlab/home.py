"""Where runs and keys are kept."""

from __future__ import annotations

import os
from pathlib import Path


def home_folder() -> Path:
    """``$QNLAB_HOME``, else ``~/qnlab``."""
    chosen = os.environ.get("QNLAB_HOME")
    return Path(chosen) if chosen else Path.home() / "qnlab"
