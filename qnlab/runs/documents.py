"""Event-model documents of a run: start.json, events.jsonl, stop.json.

The shapes are those of event-model 1.21 and later (bluesky). ``events.jsonl`` holds one
``[name, document]`` pair a line: descriptors, events, stream_resource and stream_datum.
"""

from __future__ import annotations

import json
import math
import os
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qnlab.clock import Clock, VirtualClock
from qnlab.errors import StoreError
from qnlab.runs.disk import append, read_json, storing

START, EVENTS, STOP = "start.json", "events.jsonl", "stop.json"

_UNITS = {
    "_s": "s", "_ms": "ms", "_us": "us", "_ns": "ns", "_ps": "ps", "_hz": "Hz", "_bps": "bit/s",
    "_db": "dB", "_dbm": "dBm", "_ppb": "1e-9", "_ppm": "1e-6", "_bits": "bit", "_deg": "deg",
    "_rad": "rad", "_v": "V", "_a": "A", "_w": "W", "_m": "m", "_nm": "nm", "_km": "km", "_k": "K",
    "_degc": "degC",
}  # fmt: skip


def unit_of(key: str) -> str:
    """Unit that the last part of a name stands for; empty if none."""
    _, mark, suffix = key.rpartition("_")
    return _UNITS.get(mark + suffix.lower(), "")


class EventLog:
    """Appends documents to ``events.jsonl``; safe to use from several threads.

    A write that fails leaves whole lines only, and no later write is taken.
    """

    def __init__(self, folder: Path, run_start: str, clock: Clock) -> None:
        self._folder = folder
        self._run_start = run_start
        self._clock = clock
        self._lock = threading.Lock()
        self._descriptors: dict[str, dict[str, Any]] = {}
        self._counts: dict[str, int] = {}
        self._panels: dict[str, list[dict[str, Any]]] = {}
        self._failure: StoreError | None = None
        self._dirty = False
        self._handle = os.open(folder / EVENTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    @classmethod
    def reopened(
        cls,
        folder: Path,
        run_start: str,
        now: float,
        descriptors: Mapping[str, dict[str, Any]],
        counts: Mapping[str, int],
    ) -> EventLog:
        """Go on with the log of a run that ended or died; new documents bear the time `now`."""
        log = cls(folder, run_start, VirtualClock(now))
        log._descriptors.update(descriptors)
        log._counts.update(counts)
        return log

    def descriptor(self, stream: str) -> str:
        """UID of the descriptor of a stream."""
        return str(self._descriptors[stream]["uid"])

    def panel(self, stream: str, title: str, fields: Sequence[str], *, percent: bool) -> None:
        """Declare, for the descriptor of `stream`, what a report draws of it together."""
        panel = {"title": title, "fields": list(fields), "percent": percent}
        with self._lock:
            if stream in self._descriptors:
                raise ValueError(f"stream {stream!r} has events already; declare its panels first")
            self._panels.setdefault(stream, []).append(panel)

    def event(self, stream: str, data: Mapping[str, object]) -> tuple[int, dict[str, Any]]:
        """Append an event and return its number and data as written.

        The first one of a stream fixes its fields and their kinds.

        Raises
        ------
        ValueError
            Other fields or kinds than those of the first event; names stream and field.
        StoreError
            The disk does not take it.
        """
        values: dict[str, Any] = plain(data, stream)
        for key, value in values.items():
            if isinstance(value, dict):
                raise ValueError(f"stream {stream!r}: field {key!r} is a mapping; record its parts")
        with self._lock:
            now = self._clock.now()
            if stream not in self._descriptors:
                keys = {key: _data_key(stream, key, value) for key, value in values.items()}
                self._check_panels(stream, keys)
                self._describe(stream, keys, now)
            descriptor = self._descriptors[stream]
            _check_fields(stream, descriptor["data_keys"], values)
            number = self._counts[stream] + 1
            self._append(
                "event",
                {
                    "uid": str(uuid.uuid4()),
                    "descriptor": descriptor["uid"],
                    "time": now,
                    "seq_num": number,
                    "data": values,
                    "timestamps": dict.fromkeys(values, now),
                },
            )
            self._counts[stream] = number
        return number, values

    def describe_external(self, stream: str, data_key: Mapping[str, Any]) -> str:
        """Append the descriptor of a stream whose data lie in files of their own; its uid.

        Raises
        ------
        ValueError
            The run has this stream already.
        """
        with self._lock:
            if stream in self._descriptors:
                raise ValueError(f"the run has a stream {stream!r} already; take another name")
            self._describe(stream, {stream: {**data_key, "external": "STREAM:"}}, self._clock.now())
            return str(self._descriptors[stream]["uid"])

    def external(self, stream: str, documents: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Append the stream_resource and stream_datum of one file."""
        with self._lock:
            for name, document in documents:
                self._append(name, document)
                if name == "stream_datum":
                    self._counts[stream] = document["seq_nums"]["stop"] - 1

    def counts(self) -> dict[str, int]:
        """Events of each stream so far."""
        with self._lock:
            return dict(self._counts)

    def sync(self) -> None:
        """Return when all that was appended is on the disk."""
        with self._lock, storing(self._folder):
            if self._dirty:
                os.fsync(self._handle)
                self._dirty = False

    def close(self) -> None:
        """Sync and close."""
        try:
            self.sync()
        finally:
            os.close(self._handle)

    def _check_panels(self, stream: str, keys: Mapping[str, Any]) -> None:
        for panel in self._panels.get(stream, []):
            unknown = sorted(set(panel["fields"]) - keys.keys())
            if unknown:
                raise ValueError(
                    f"stream {stream!r}: panel {panel['title']!r} draws {', '.join(unknown)}; "
                    f"the fields are {', '.join(keys)}"
                )

    def _describe(self, stream: str, keys: Mapping[str, Any], now: float) -> None:
        descriptor: dict[str, Any] = {
            "uid": str(uuid.uuid4()),
            "run_start": self._run_start,
            "time": now,
            "name": stream,
            "data_keys": dict(keys),
        }
        if stream in self._panels:
            descriptor["panels"] = self._panels[stream]
        self._append("descriptor", descriptor)
        self._descriptors[stream] = descriptor
        self._counts[stream] = 0

    def _append(self, name: str, document: Mapping[str, Any]) -> None:
        if self._failure is not None:
            raise StoreError(*self._failure.args)
        line = json.dumps([name, document], separators=(",", ":"), allow_nan=False) + "\n"
        self._dirty = True
        try:
            with storing(self._folder):
                append(self._handle, line.encode())
        except StoreError as error:
            self._failure = error
            raise


def plain(value: object, where: str) -> Any:
    """`value` as JSON knows it; numbers that are not finite become null.

    Raises
    ------
    ValueError
        A kind that documents do not hold; names `where` it is.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_name(key, where): plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{k}]") for k, item in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    raise ValueError(
        f"{where}: a {type(value).__name__} cannot be stored in a document; "
        "numbers, texts, truth values, lists and mappings can"
    )


def _name(key: object, where: str) -> str:
    name = str(key)
    if not name or "." in name or "/" in name:
        raise ValueError(f"{where}: {name!r} cannot name a field of a document: no '.' and no '/'")
    return name


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "number"


def _data_key(stream: str, key: str, value: object) -> dict[str, Any]:
    described: dict[str, Any] = {
        "source": f"run:{stream}.{key}",
        "dtype": _kind(value),
        "shape": list(np.shape(value)) if isinstance(value, list) else [],
    }
    unit = unit_of(key)
    return described | ({"units": unit} if unit else {})


def _check_fields(stream: str, keys: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    if keys.keys() != values.keys():
        raise ValueError(f"stream {stream!r} has the fields {sorted(keys)}, not {sorted(values)}")
    for key, value in values.items():
        if value is not None and _kind(value) != keys[key]["dtype"]:
            raise ValueError(
                f"stream {stream!r}: field {key!r} holds {keys[key]['dtype']} values, "
                f"not {_kind(value)}"
            )


def read_documents(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """All documents of a run in order: start, those of events.jsonl, stop if it has ended.

    A torn last line (crashed writer) is left out.

    Raises
    ------
    StoreError
        A file is missing or garbled; the message names file and line.
    """
    documents = [("start", read_json(folder / START)), *iterate_events(folder)]
    if (folder / STOP).exists():
        documents.append(("stop", read_json(folder / STOP)))
    return documents


def iterate_events(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The whole lines of events.jsonl, one at a time.

    Raises
    ------
    StoreError
        A line, not the torn last one, is no document.
    """
    path = folder / EVENTS
    if not path.exists():
        return
    with storing(folder), path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                name, document = json.loads(line)
                yield str(name), dict(document)
            except (ValueError, TypeError) as error:
                raise StoreError(f"{path}: line {number}: not a document: {error}") from error
