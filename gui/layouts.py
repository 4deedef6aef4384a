"""Layouts that survive: window and docks, written soon after a change, the last five kept."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QByteArray

KEPT = 5


def save(folder: Path, states: Mapping[str, QByteArray]) -> None:
    """Write the states by name; older files are moved on."""
    text = json.dumps({k: base64.b64encode(v.data()).decode() for k, v in states.items()})
    path = folder / "layout-0.json"
    if path.exists() and path.read_text(encoding="ascii") == text:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(KEPT - 2, -1, -1):
        older = folder / f"layout-{number}.json"
        if older.exists():
            older.replace(folder / f"layout-{number + 1}.json")
    fresh = folder / "layout.new"
    fresh.write_text(text, encoding="ascii")
    fresh.replace(path)


def load(folder: Path) -> dict[str, QByteArray]:
    """The states written last; empty if there are none that can be read."""
    try:
        table = json.loads((folder / "layout-0.json").read_text(encoding="ascii"))
        return {key: QByteArray(base64.b64decode(value)) for key, value in table.items()}
    except (OSError, ValueError, AttributeError, TypeError, binascii.Error):
        return {}
