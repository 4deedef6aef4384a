"""What a run holds, in one mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qnlab.errors import StoreError
from qnlab.runs.catalogue import entry_of
from qnlab.runs.disk import read_json
from qnlab.runs.documents import STOP, iterate_events
from qnlab.runs.manifest import read_manifest


def summarise(folder: Path) -> dict[str, Any]:
    """Facts of a run: how it ended, its streams with events and tags, report and result.

    Raises
    ------
    StoreError
        A document is garbled; the message names file and line.
    """
    stop = read_json(folder / STOP) if (folder / STOP).exists() else {}
    report = folder / "report.html"
    return {
        **entry_of(folder).as_dict(),
        "cause": stop.get("cause", ""),
        "cleanup_errors": stop.get("cleanup_errors", []),
        "report": str(report) if report.exists() else None,
        "streams": _streams(folder),
        "result": stop.get("result", {}),
    }


def _streams(folder: Path) -> list[dict[str, Any]]:
    """Events of each stream; chunks and tags where they are sealed."""
    names: dict[str, str] = {}
    rows: dict[str, dict[str, Any]] = {}
    for number, (kind, document) in enumerate(iterate_events(folder), 1):
        try:
            if kind == "descriptor":
                names[document["uid"]] = document["name"]
                rows[document["name"]] = {"stream": document["name"], "events": 0, "tags": None}
            elif kind == "event":
                rows[names[document["descriptor"]]]["events"] += 1
        except (KeyError, TypeError) as error:
            raise StoreError(f"{folder}: document {number} lacks {error}") from error
    for facts in read_manifest(folder).values():
        row = rows.get(facts.get("stream", ""))
        if row is not None:
            row["events"] += facts["chunks"]
            row["tags"] = (row["tags"] or 0) + facts["rows"]
    return list(rows.values())
