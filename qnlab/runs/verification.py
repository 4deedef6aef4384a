"""Comparing a run with its manifest and its documents: each difference is one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from qnlab.errors import FormatError, StoreError
from qnlab.runs.disk import read_json, sha256
from qnlab.runs.documents import EVENTS, START, STOP, iterate_events
from qnlab.runs.manifest import MANIFEST, read_manifest
from qnlab.runs.ownership import NAME, is_owned

DERIVED = frozenset({MANIFEST, "report.html", "report.png", "report.pdf"})
"""Files beside the manifest's own: it does not hold itself, and reports can be written anew."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Attributes
    ----------
    state : str
        ``whole``, ``damaged``, ``crashed`` (to be recovered) or ``running`` (not looked at).
    files : int
        Files that are as the manifest says.
    problems : tuple of str
        Each begins with the file's name.
    """

    run: str
    folder: str
    state: str
    files: int
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "problems": list(self.problems)}


def verify(folder: Path) -> Verification:
    """Compare every file of a run with its manifest and its documents; nothing is changed.

    The damages that it finds are returned, not raised.
    """
    if is_owned(folder):
        return Verification(folder.name, str(folder), "running", 0, ())
    if not (folder / STOP).exists():
        text = f"{STOP}: missing, the writer died; close the run with 'qnlab runs recover'"
        return Verification(folder.name, str(folder), "crashed", 0, (text,))
    try:
        files = read_manifest(folder)
    except StoreError as error:
        return Verification(folder.name, str(folder), "damaged", 0, (str(error),))
    changed = {name: text for name in files if (text := _changed(folder / name, files[name]))}
    problems = list(changed.values())
    problems += [f"{name}: not in the manifest" for name in _unlisted(folder, files)]
    problems += [
        f"{name}: missing in the manifest" for name in (START, EVENTS, STOP) if name not in files
    ]
    problems += _document_problems(folder, files, changed)
    state = "damaged" if problems else "whole"
    good = len(files) - len(changed)
    return Verification(folder.name, str(folder), state, good, tuple(problems))


def _changed(path: Path, entry: Mapping[str, Any]) -> str:
    """How a file differs from its entry; empty if it does not."""
    try:
        size = path.stat().st_size
        if size != entry["bytes"]:
            return f"{path.name}: has {size} bytes, the manifest says {entry['bytes']}"
        if sha256(path) != entry["sha256"]:
            return f"{path.name}: its SHA-256 is not that of the manifest, its content was changed"
    except FileNotFoundError:
        return f"{path.name}: missing"
    except OSError as error:
        return f"{path.name}: cannot be read: {error}"
    return ""


def _unlisted(folder: Path, files: Mapping[str, object]) -> list[str]:
    names = {path.name for path in folder.iterdir()}
    return sorted(names - files.keys() - DERIVED - {NAME, START, EVENTS, STOP})


def _document_problems(
    folder: Path, files: Mapping[str, Mapping[str, Any]], changed: Mapping[str, str]
) -> Iterator[str]:
    try:
        start, stop = read_json(folder / START), read_json(folder / STOP)
        if start.get("uid") != folder.name:
            yield f"{START}: uid {start.get('uid')!r} is not the name of the folder"
        documents = _Documents(str(start.get("uid")))
        for number, (kind, document) in enumerate(iterate_events(folder), 1):
            yield from (
                f"{EVENTS}: line {number}: {text}" for text in documents.take(kind, document)
            )
    except StoreError as error:
        yield str(error)
        return
    if _is_torn(folder / EVENTS):
        yield f"{EVENTS}: its last line is torn"
    yield from documents.after(stop)
    yield from _segment_problems(folder, files, changed, documents)


def _is_torn(path: Path) -> bool:
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"


@dataclass(frozen=True, slots=True)
class _Resource:
    uid: str
    file: str
    stream: str
    rows: int


@dataclass
class _Documents:
    """Takes documents in order; says what contradicts those before."""

    uid: str
    streams: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    """Name and fields of each stream, by UID of its descriptor."""
    counts: dict[str, int] = field(default_factory=dict)
    resources: dict[str, _Resource] = field(default_factory=dict)
    chunks: dict[str, int] = field(default_factory=dict)

    def take(self, kind: str, document: Mapping[str, Any]) -> Iterator[str]:
        try:
            if kind == "descriptor":
                yield from self._descriptor(document)
            elif kind == "event":
                yield from self._event(document)
            elif kind == "stream_resource":
                self.resources[document["uid"]] = _Resource(
                    document["uid"],
                    str(document["uri"]),
                    document["data_key"],
                    document["parameters"]["rows"],
                )
            elif kind == "stream_datum":
                yield from self._datum(document)
            else:
                yield f"{kind!r} is no document of a run"
        except (KeyError, TypeError, AttributeError) as error:
            yield f"{kind} is incomplete or wrong: {type(error).__name__} {error}"

    def after(self, stop: Mapping[str, Any]) -> Iterator[str]:
        """What the stop document contradicts."""
        if stop.get("run_start") != self.uid:
            yield f"{STOP}: belongs to run {stop.get('run_start')!r}"
        counts = {name: self.counts[uid] for uid, (name, _) in self.streams.items()}
        if stop.get("num_events") != counts:
            yield f"{STOP}: num_events is {stop.get('num_events')}, {EVENTS} holds {counts}"

    def _descriptor(self, document: Mapping[str, Any]) -> Iterator[str]:
        if document["run_start"] != self.uid:
            yield f"descriptor of run {document['run_start']!r}"
        name, uid = document["name"], document["uid"]
        if name in {known for known, _ in self.streams.values()}:
            yield f"a second descriptor of stream {name!r}"
        self.streams[uid] = (name, frozenset(document["data_keys"]))
        self.counts[uid] = 0

    def _event(self, document: Mapping[str, Any]) -> Iterator[str]:
        uid = document["descriptor"]
        if uid not in self.streams:
            yield "event before its descriptor"
            return
        name, fields = self.streams[uid]
        number, expected = document["seq_num"], self.counts[uid] + 1
        if number != expected:
            yield f"event {number} of {name!r}, expected {expected}"
        self.counts[uid] = number
        if document["data"].keys() != fields:
            yield f"event {number} of {name!r} has other fields"

    def _datum(self, document: Mapping[str, Any]) -> Iterator[str]:
        resource = document["stream_resource"]
        uid = document["descriptor"]
        if uid not in self.streams or resource not in self.resources:
            yield "stream_datum before its descriptor or stream_resource"
            return
        begin, end = document["seq_nums"]["start"], document["seq_nums"]["stop"]
        expected = self.counts[uid] + 1
        if begin != expected:
            yield f"chunks of {self.streams[uid][0]!r} from {begin}, expected from {expected}"
        self.counts[uid] = end - 1
        self.chunks[resource] = end - begin


def _segment_problems(
    folder: Path,
    files: Mapping[str, Mapping[str, Any]],
    changed: Mapping[str, str],
    documents: _Documents,
) -> Iterator[str]:
    segments = {name: facts for name, facts in sorted(files.items()) if "stream" in facts}
    by_file = {resource.file: resource for resource in documents.resources.values()}
    yield from (
        f"{name}: in the documents, not in the manifest"
        for name in sorted(by_file.keys() - segments.keys())
    )
    expected: dict[str, int] = {}
    for name, facts in segments.items():
        resource = by_file.get(name)
        if resource is None:
            yield f"{name}: no stream_resource tells of it"
        else:
            yield from _differences(name, facts, resource, documents)
        if name not in changed:
            yield from _content_problems(folder / name, facts, expected)


def _differences(
    name: str, facts: Mapping[str, Any], resource: _Resource, documents: _Documents
) -> Iterator[str]:
    if resource.rows != facts["rows"]:
        yield (
            f"{name}: {resource.rows} rows by its stream_resource, {facts['rows']} by the manifest"
        )
    chunks = documents.chunks.get(resource.uid)
    if chunks != facts["chunks"]:
        yield f"{name}: {chunks} chunks by its stream_datum, {facts['chunks']} by the manifest"
    if resource.stream != facts["stream"]:
        yield f"{name}: of stream {resource.stream!r}, by the manifest {facts['stream']!r}"


def _content_problems(
    path: Path, facts: Mapping[str, Any], expected: dict[str, int]
) -> Iterator[str]:
    """Compare rows and chunks; `expected` is the next chunk of each stream."""
    from qnlab.runs.segments import read_sealed

    rows = chunks = 0
    stream = facts["stream"]
    try:
        for chunk in read_sealed(path):
            if not chunks and chunk.seq != facts["first_seq"]:
                yield f"{path.name}: begins with chunk {chunk.seq}, not {facts['first_seq']}"
            follows = expected.setdefault(stream, chunk.seq)
            if chunk.seq != follows:
                yield f"{path.name}: chunk {chunk.seq} of {stream!r}, expected {follows}"
            expected[stream] = chunk.seq + 1
            rows, chunks = rows + len(chunk), chunks + 1
    except (StoreError, FormatError) as error:
        yield str(error)
        return
    if (rows, chunks) != (facts["rows"], facts["chunks"]):
        yield (
            f"{path.name}: holds {rows} rows in {chunks} chunks, the manifest says "
            f"{facts['rows']} in {facts['chunks']}"
        )
