"""Who writes a run: a lock that the operating system takes back when its owner dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NAME = "lock"


class Ownership:
    """Held from the opening of a run until its stop document is written.

    Raises
    ------
    BlockingIOError
        Another process, or another part of this one, holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT)
        try:
            _lock(self._handle)
        except OSError as error:
            os.close(self._handle)
            raise BlockingIOError(f"{folder} is being written") from error

    def release(self) -> None:
        """Let go; the lock file disappears."""
        if sys.platform != "win32":
            self._path.unlink(missing_ok=True)
        os.close(self._handle)
        if sys.platform == "win32":
            self._path.unlink(missing_ok=True)


def is_owned(folder: Path) -> bool:
    """Whether a living process writes the run."""
    if not (folder / _NAME).exists():
        return False
    handle = os.open(folder / _NAME, os.O_RDWR)
    try:
        _lock(handle)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
