"""Runs with known content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from event_model import DocumentNames, schema_validators

from qnlab.clock import VirtualClock
from qnlab.runs import Run, read_documents, read_tags, start_run
from qnlab.runs.recorder import segments
from qnlab.runs.segments import segment_stream
from qnlab.tags import TagChunk
from qnlab.tags.chunk import Gap, Marker
from qnlab.values import Reading

SPAN_PS = 1_000_000


def chunk(k: int, most: int = 40) -> TagChunk:
    """Chunk `k` of the one stream that all tests write; some are empty, some have a gap."""
    rng = np.random.default_rng(k)
    begin = SPAN_PS * k
    t = begin + np.sort(rng.integers(0, SPAN_PS, rng.integers(0, most)))
    gaps = (Gap(begin + 10, begin + 20, {1: 3}),) if k % 3 == 0 else ()
    markers = (Marker(begin + 5, "settings", f"number {k}"),) if k % 4 == 0 else ()
    ch = rng.integers(1, 5, len(t)).astype(np.uint8)
    return TagChunk(t, ch, begin, begin + SPAN_PS, k, "clock", gaps, markers)


def a_run(home: Path, settings: dict[str, Reading] | None = None) -> AbstractContextManager[Run]:
    return start_run(
        home, procedure="p", parameters={"a": 1}, bench="b", seed=5, simulated=True,
        clock=VirtualClock(), settings=settings or {},
    )  # fmt: skip


def same(a: TagChunk, b: TagChunk) -> bool:
    return (
        np.array_equal(a.t, b.t)
        and np.array_equal(a.ch, b.ch)
        and (a.t_begin, a.t_end, a.seq, a.clock_id, a.gaps, a.markers)
        == (b.t_begin, b.t_end, b.seq, b.clock_id, b.gaps, b.markers)
    )


def exact_chunks(folder: Path, most: int = 40) -> int:
    """How many chunks a run holds; each is compared with what was written."""
    count = 0
    for count, read in enumerate(tags_if_any(folder), 1):
        assert same(read, chunk(count - 1, most))
    return count


def tags_if_any(folder: Path) -> Iterator[TagChunk]:
    """Chunks of a run; none if it has no segment that could say whose it is."""
    if any(segment_stream(path) == "tags" for path in segments(folder)):
        yield from read_tags(folder, "tags")


def exact_events(folder: Path) -> int:
    """How many events a run holds; they count up from 0."""
    numbers = [d["data"]["n"] for kind, d in read_documents(folder) if kind == "event"]
    assert numbers == list(range(len(numbers)))
    return len(numbers)


def assert_valid(folder: Path) -> None:
    """Every document fulfils its schema, and the last is the stop document."""
    documents = read_documents(folder)
    for kind, document in documents:
        schema_validators[DocumentNames[kind]].validate(document)
    assert documents[-1][0] == "stop"
