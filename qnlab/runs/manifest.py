"""``manifest.json``: size and SHA-256 of what a run has finished writing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from qnlab.runs.disk import read_json, sha256, write_json

MANIFEST = "manifest.json"


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
            files = {**self._files, name: entry}
            write_json(self._folder / MANIFEST, {"version": 1, "files": files})
            self._files = files


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Entries by file name; empty before the first file was finished."""
    path = folder / MANIFEST
    return dict(read_json(path)["files"]) if path.exists() else {}
