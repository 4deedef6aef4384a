"""Event-model documents of a run, appended to ``documents.jsonl``."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qnlab.clock import Clock

_UNITS = {
    "_s": "s", "_ps": "ps", "_hz": "Hz", "_bps": "bit/s", "_db": "dB", "_ppb": "1e-9",
    "_bits": "bit", "_deg": "deg", "_v": "V",
}  # fmt: skip


class DocumentWriter:
    """Writes ``(name, document)`` lines; `sync` makes them survive a power cut."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._clock = clock
        self._descriptors: dict[str, dict[str, Any]] = {}
        self._counts: dict[str, int] = {}

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Append one document and hand it to the operating system."""
        self._file.write(json.dumps([name, document], separators=(",", ":")) + "\n")
        self._file.flush()

    def event(self, run_start: str, stream: str, data: Mapping[str, Any]) -> None:
        """Append an event, and its descriptor first if the stream is new."""
        now = self._clock.now()
        if stream not in self._descriptors:
            self._descriptors[stream] = {
                "uid": str(uuid.uuid4()),
                "run_start": run_start,
                "time": now,
                "name": stream,
                "data_keys": {key: _data_key(stream, key, value) for key, value in data.items()},
            }
            self._counts[stream] = 0
            self.write("descriptor", self._descriptors[stream])
        known = self._descriptors[stream]["data_keys"]
        if known.keys() != data.keys():
            raise ValueError(
                f"stream {stream!r} has the fields {sorted(known)}, not {sorted(data)}"
            )
        self._counts[stream] += 1
        self.write(
            "event",
            {
                "uid": str(uuid.uuid4()),
                "descriptor": self._descriptors[stream]["uid"],
                "time": now,
                "seq_num": self._counts[stream],
                "data": dict(data),
                "timestamps": dict.fromkeys(data, now),
            },
        )

    def counts(self) -> dict[str, int]:
        """Events a stream."""
        return dict(self._counts)

    def sync(self) -> None:
        """Return when all that was written is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self.sync()
        self._file.close()


def _data_key(stream: str, key: str, value: Any) -> dict[str, Any]:
    first = value[0] if isinstance(value, (list, tuple)) and value else value
    kind = {bool: "boolean", int: "integer", float: "number", str: "string"}.get(
        type(first), "number"
    )
    array = isinstance(value, (list, tuple))
    described: dict[str, Any] = {
        "source": f"qnlab:{stream}",
        "dtype": "array" if array else kind,
        "shape": [len(value)] if array else [],
    }
    unit = next((unit for suffix, unit in _UNITS.items() if key.endswith(suffix)), None)
    return described | ({"units": unit} if unit else {})


def read_documents(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """All whole documents of a file; a torn last line is left out."""
    documents = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        name, document = json.loads(line)
        documents.append((name, document))
    return documents
