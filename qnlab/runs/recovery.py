"""Closing a run whose process died: everything that was whole is kept, nothing is made up.

Each step leaves a folder that the next attempt goes on from, so that a recovery may itself die.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qnlab.errors import StoreError
from qnlab.runs.disk import read_json, storing, sync_folder, write_json
from qnlab.runs.documents import EVENTS, START, STOP, EventLog, iterate_events
from qnlab.runs.manifest import Manifest, read_manifest
from qnlab.runs.ownership import NAME, Ownership
from qnlab.runs.recorder import external_documents, tag_data_key
from qnlab.runs.run import RESERVE

CRASHED = "crashed"
"""Reason in the stop document of a run that was closed by recovery."""

TORN = ".torn"
"""Ending of the files that keep what could not be read at the end of a live segment."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What `recover` did.

    Attributes
    ----------
    changed : bool
        False if the run was whole already.
    sealed : int
        Live segments that were sealed.
    torn_bytes : int
        Bytes after the last whole line and after the last whole chunks: never acknowledged.
    num_events : dict of str to int
        Events, or chunks of tags, of each stream.
    """

    run: str
    folder: str
    changed: bool
    exit_status: str
    reason: str
    sealed: int
    torn_bytes: int
    num_events: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def recover(folder: Path) -> Recovery:
    """Close a run that has no end, and seal what is left unsealed.

    Parameters
    ----------
    folder : Path
        The run's folder. A run that has ended in order is left as it is.

    Raises
    ------
    StoreError
        A living process writes the run, a document is garbled, or the disk does not take it.
    FormatError
        A chunk between others has a wrong checksum; the file is left as it is.
    """
    start = read_json(folder / START)
    if (folder / STOP).exists() and _is_whole(folder):
        stop = read_json(folder / STOP)
        return _told(folder, start, stop, changed=False, sealed=0, torn=0)
    with _owning(folder), storing(folder):
        ended_before = read_json(folder / STOP) if (folder / STOP).exists() else None
        for part in folder.glob("*.part"):
            part.unlink()
        (folder / RESERVE).unlink(missing_ok=True)
        manifest = Manifest(folder)
        torn = _cut_torn_line(folder, manifest)
        sealed, torn_tags = _seal_all(folder, manifest)
        counts, last = _complete_documents(folder, start, manifest)
        ended = _ending(str(start["uid"]), ended_before, counts, last)
        if ended != ended_before:
            manifest.drop(STOP)
            write_json(folder / STOP, ended)
        known = read_manifest(folder)
        for name in (START, EVENTS, STOP):
            if name not in known:
                manifest.add(name)
    return _told(folder, start, ended, changed=True, sealed=sealed, torn=torn + torn_tags)


def _is_whole(folder: Path) -> bool:
    """Whether nothing is left to do; what is damaged is for `verify` to say."""
    left = ("*.part", "tags-*.arrows", RESERVE, NAME)
    return {START, EVENTS, STOP} <= read_manifest(folder).keys() and not any(
        any(folder.glob(pattern)) for pattern in left
    )


@contextmanager
def _owning(folder: Path) -> Iterator[None]:
    try:
        owner = Ownership(folder)
    except BlockingIOError as error:
        raise StoreError(f"{folder}: a living process writes this run; end it first") from error
    except OSError as error:
        raise StoreError(f"{folder}: cannot be recovered: {error}") from error
    try:
        yield
    finally:
        owner.release()


def _cut_torn_line(folder: Path, manifest: Manifest) -> int:
    """Cut what follows the last line end of events.jsonl; bytes cut off."""
    path = folder / EVENTS
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - 65536)
            file.seek(begin)
            position = file.read(end - begin).rfind(b"\n")
            if position >= 0:
                end = begin + position + 1
                break
            end = begin
        if end < size:
            manifest.drop(EVENTS)
            file.truncate(end)
            os.fsync(file.fileno())
    return size - end


def _seal_all(folder: Path, manifest: Manifest) -> tuple[int, int]:
    """Seal live segments; how many, and the bytes at their ends that could not be read."""
    from qnlab.runs.segments import LIVE, SEALED, Tail, read_live, seal, segment_number
    from qnlab.runs.segments import segment_stream as stream_of

    sealed = torn_bytes = 0
    for live in sorted(folder.glob(f"tags-*{LIVE}"), key=segment_number):
        name = live.with_suffix(SEALED).name
        facts: dict[str, Any] | None = read_manifest(folder).get(name)
        stream = stream_of(live)
        if facts is None and stream is not None and not isinstance(next(read_live(live)), Tail):
            _, facts = seal(live, stream)
            sync_folder(folder)
            manifest.add(name, **facts)
            sealed += 1
        torn = _unread(live) if facts is None else facts.get("torn_bytes", 0)
        if torn:
            _keep_tail(live, torn)
            manifest.add(live.with_suffix(TORN).name)
        live.unlink()
        torn_bytes += torn
    sync_folder(folder)
    return sealed, torn_bytes


def _unread(live: Path) -> int:
    """Bytes of a segment without a whole chunk, none if it is merely empty."""
    from qnlab.runs.segments import Tail, read_live

    return sum(item.torn_bytes for item in read_live(live) if isinstance(item, Tail))


def _keep_tail(live: Path, size: int) -> None:
    """Copy the last `size` bytes of a segment into a file of their own."""
    torn = live.with_suffix(TORN)
    part = torn.with_name(torn.name + ".part")
    with live.open("rb") as source, part.open("wb") as file:
        source.seek(-size, os.SEEK_END)
        shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(torn)


def _complete_documents(
    folder: Path, start: Mapping[str, Any], manifest: Manifest
) -> tuple[dict[str, int], float]:
    """Append the documents that sealed segments lack; counts of all streams, last time."""
    state = _Written.read(folder, float(start["time"]))
    lacking = _lacking(read_manifest(folder), state)
    if lacking or not (folder / EVENTS).exists():
        manifest.drop(EVENTS)
        log = EventLog.reopened(
            folder, str(start["uid"]), state.last, state.descriptors, state.counts
        )
        try:
            for stream, name, facts, first, resource in lacking:
                if stream not in log.counts():
                    log.describe_external(stream, tag_data_key(stream))
                descriptor = log.descriptor(stream)
                documents = external_documents(name, facts, descriptor, first, resource)
                log.external(stream, documents if resource is None else documents[1:])
        finally:
            log.close()
        state = _Written.read(folder, state.last)
    return state.counts, state.last


@dataclass
class _Written:
    """What events.jsonl holds."""

    descriptors: dict[str, dict[str, Any]]
    counts: dict[str, int]
    resources: dict[str, str]
    with_datum: set[str]
    last: float

    @classmethod
    def read(cls, folder: Path, begin: float) -> _Written:
        found = cls({}, {}, {}, set(), begin)
        names: dict[str, str] = {}
        try:
            found._take_all(folder, names)
        except (KeyError, TypeError) as error:
            raise StoreError(f"{folder / EVENTS}: a document lacks {error}") from error
        return found

    def _take_all(self, folder: Path, names: dict[str, str]) -> None:
        for kind, document in iterate_events(folder):
            if kind == "descriptor":
                names[document["uid"]] = document["name"]
                self.descriptors[document["name"]] = document
                self.counts[document["name"]] = 0
            elif kind == "event":
                self.counts[names[document["descriptor"]]] = document["seq_num"]
            elif kind == "stream_resource":
                self.resources[document["uri"]] = document["uid"]
            elif kind == "stream_datum":
                self.with_datum.add(document["stream_resource"])
                self.counts[names[document["descriptor"]]] = document["seq_nums"]["stop"] - 1
            self.last = document.get("time", self.last)


_Lacking = tuple[str, str, Mapping[str, Any], int, str | None]


def _lacking(files: Mapping[str, Mapping[str, Any]], state: _Written) -> list[_Lacking]:
    """Stream, file, facts, number of the first chunk, resource of segments without a datum."""
    first: dict[str, int] = {}
    lacking: list[_Lacking] = []
    for name, facts in sorted(files.items()):
        if "stream" not in facts:
            continue
        stream = facts["stream"]
        begin = first.setdefault(stream, 1)
        first[stream] += facts["chunks"]
        resource = state.resources.get(name)
        if resource is None or resource not in state.with_datum:
            lacking.append((stream, name, facts, begin, resource))
    return lacking


def _ending(
    run_start: str, stop: Mapping[str, Any] | None, counts: dict[str, int], last: float
) -> dict[str, Any]:
    if stop is not None:
        return {**stop, "num_events": counts}
    return {
        "uid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run_start}/{STOP}")),
        "run_start": run_start,
        "time": last,
        "exit_status": "fail",
        "reason": CRASHED,
        "num_events": counts,
        "cause": "the process that wrote the run died; closed by recovery at the last document",
        "cleanup_errors": [],
        "result": {},
    }


def _told(
    folder: Path,
    start: Mapping[str, Any],
    stop: Mapping[str, Any],
    *,
    changed: bool,
    sealed: int,
    torn: int,
) -> Recovery:
    return Recovery(
        run=str(start["uid"]),
        folder=str(folder),
        changed=changed,
        exit_status=stop["exit_status"],
        reason=stop["reason"],
        sealed=sealed,
        torn_bytes=torn,
        num_events=dict(stop["num_events"]),
    )
