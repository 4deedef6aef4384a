"""``manifest.json``: size and SHA-256 of what a run has finished writing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from qnlab.errors import StoreError
from qnlab.runs.disk import read_json, sha256, write_json

MANIFEST = "manifest.json"
_VERSION = 1


class Manifest:
    """Replaced whole after each finished file, so that it never speaks of half a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._files: dict[str, dict[str, Any]] = read_manifest(folder)

    def add(self, name: str, **facts: object) -> None:
        """Enter a finished file with its size, its SHA-256 and further `facts`."""
        path = self._folder / name
        entry = {"bytes": path.stat().st_size, "sha256": sha256(path), **facts}
        with self._lock:
            self._replace({**self._files, name: entry})

    def drop(self, name: str) -> None:
        """Take out a file that is about to be changed."""
        with self._lock:
            if name in self._files:
                self._replace({key: e for key, e in self._files.items() if key != name})

    def _replace(self, files: dict[str, dict[str, Any]]) -> None:
        write_json(self._folder / MANIFEST, {"version": _VERSION, "files": files})
        self._files = files


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Entries by file name; empty before the first file was finished.

    Raises
    ------
    StoreError
        The manifest is garbled; the message names it.
    """
    path = folder / MANIFEST
    if not path.exists():
        return {}
    document = read_json(path)
    if document.get("version") != _VERSION:
        raise StoreError(f"{path}: version {document.get('version')!r}, {_VERSION} is known")
    files = document.get("files")
    if not isinstance(files, dict) or not all(_is_entry(entry) for entry in files.values()):
        raise StoreError(f"{path}: needs 'files', each with bytes and sha256, tags with rows too")
    return files


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("bytes"), int)
        and isinstance(entry.get("sha256"), str)
        and ("stream" not in entry or {"rows", "chunks", "first_seq"} <= entry.keys())
    )
