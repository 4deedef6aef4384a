"""Writing so that it is still there after a crash, and errors that say what to do."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qnlab.errors import StoreError

_BLOCK = 1 << 20


@contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into a `StoreError` that names the run folder."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder}: {_words(error)}") from error


def _words(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; what was stored before can be read, free some space and run again"
    return f"the run cannot be stored: {error}"


def sync_folder(folder: Path) -> None:
    """Make names of new and renamed files survive a power cut (Windows does so by itself)."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def append(handle: int, data: bytes | memoryview) -> None:
    """Write all of `data` at the end of a file, or nothing of it."""
    end = os.lseek(handle, 0, os.SEEK_END)
    written = 0
    try:
        with memoryview(data) as whole:
            while written < len(whole):
                with whole[written:] as left:
                    written += os.write(handle, left)
    except OSError:
        os.ftruncate(handle, end)
        raise


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all, and return when it is on the disk."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object.

    Raises
    ------
    StoreError
        The file is missing or garbled; the message names it.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise StoreError(f"{path}: holds {type(document).__name__}, a JSON object is needed")
    return document


def sha256(path: Path) -> str:
    """SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
