"""Who writes a run: a lock that the operating system takes back when its owner dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = "lock"


class Ownership:
    """Held from the opening of a run until its stop document is written.

    Raises
    ------
    BlockingIOError
        Another process, or another part of this one, holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._handle = _locked(self._path)
        while not self._is_current():
            os.close(self._handle)
            self._handle = _locked(self._path)

    def release(self) -> None:
        """Let go; the lock file disappears."""
        if sys.platform != "win32":
            self._path.unlink(missing_ok=True)
        os.close(self._handle)
        if sys.platform == "win32":
            self._path.unlink(missing_ok=True)

    def _is_current(self) -> bool:
        """Whether the file that is locked still has its name: an owner before removes it."""
        try:
            return os.path.samestat(os.fstat(self._handle), self._path.stat())
        except FileNotFoundError:
            return False


def is_owned(folder: Path) -> bool:
    """Whether a living process writes the run."""
    try:
        handle = os.open(folder / NAME, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        _lock(handle, shared=True)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _locked(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        _lock(handle)
    except OSError as error:
        os.close(handle)
        raise BlockingIOError(f"{path.parent} is being written") from error
    return handle


def _lock(handle: int, *, shared: bool = False) -> None:
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
