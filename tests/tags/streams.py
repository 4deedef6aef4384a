"""Streams to test with: small times, so that tags coincide, equal times among them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

from qnlab.tags import Gap, TagChunk
from qnlab.tags.cut import cut

CHUNK_SIZES = (1, 7, 1024, 65536)
END_PS = 400


def stream(t, ch, gaps=(), end_ps=END_PS) -> TagChunk:
    """One chunk of the tags, sorted by time, then channel, without those in a gap."""
    t, ch = np.asarray(t, np.int64), np.asarray(ch, np.uint8)
    order = np.lexsort((ch, t))
    t, ch = t[order], ch[order]
    live = np.ones(len(t), np.bool_)
    for gap in gaps:
        live &= (t < gap.begin_ps) | (t >= gap.end_ps)
    return TagChunk(t[live], ch[live], 0, end_ps, 0, "test", tuple(gaps))


def in_chunks(whole: TagChunk, size: int) -> Iterator[TagChunk]:
    """The stream in chunks of `size` tags, or more where tags have one time."""
    begin = whole.t_begin
    seq = 0
    for at in range(size, len(whole), size):
        end = int(whole.t[at])
        if end > begin:
            yield _numbered(cut(whole, begin, end), seq)
            begin, seq = end, seq + 1
    yield _numbered(cut(whole, begin, whole.t_end), seq)


def _numbered(chunk: TagChunk, seq: int) -> TagChunk:
    return TagChunk(
        chunk.t, chunk.ch, chunk.t_begin, chunk.t_end, seq, "test", chunk.gaps, chunk.markers
    )


def fed(analyser, chunks):
    """The result after all chunks."""
    for chunk in chunks:
        analyser.feed(chunk)
    return analyser.result()


def assert_same(left, right) -> None:
    """Two results are equal, arrays and not-a-numbers included."""
    for name in left.__slots__:
        np.testing.assert_equal(getattr(left, name), getattr(right, name), err_msg=name)


def live_parts(whole: TagChunk) -> list[tuple[int, int]]:
    """Stretches between the gaps."""
    begin, parts = whole.t_begin, []
    for gap in sorted(whole.gaps, key=lambda g: g.begin_ps):
        if gap.begin_ps > begin:
            parts.append((begin, gap.begin_ps))
        begin = max(begin, gap.end_ps)
    if whole.t_end > begin:
        parts.append((begin, whole.t_end))
    return parts


def same_part(whole: TagChunk, *times: int) -> bool:
    """Whether the times lie in one stretch."""
    return any(all(b <= t < e for t in times) for b, e in live_parts(whole))


@st.composite
def gap_lists(draw):
    begins = sorted(draw(st.lists(st.integers(0, END_PS - 1), max_size=3, unique=True)))
    gaps = []
    for begin, latest in itertools.pairwise([*begins, END_PS]):
        end = min(begin + draw(st.integers(1, 30)), latest)
        gaps.append(Gap(begin, end, {1: draw(st.integers(0, 3))}))
    return tuple(gaps)


@st.composite
def streams(draw, channels=4, most=60):
    n = draw(st.integers(0, most))
    t = draw(st.lists(st.integers(0, END_PS - 1), min_size=n, max_size=n))
    ch = draw(st.lists(st.integers(1, channels), min_size=n, max_size=n))
    return stream(t, ch, draw(gap_lists()))
