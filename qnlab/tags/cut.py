"""Parts of a chunk: a stretch of its time, some of its channels."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from qnlab.tags.chunk import MAX_SPAN_PS, Gap, TagChunk


def cut(chunk: TagChunk, begin_ps: int, end_ps: int) -> TagChunk:
    """What of `chunk` lies in ``begin_ps <= t < end_ps``.

    Tags missed in a gap stay with the part in which the gap begins.

    Parameters
    ----------
    chunk : TagChunk
    begin_ps, end_ps : int
        They overlap the chunk's stretch, ps.
    """
    begin, end = max(begin_ps, chunk.t_begin), min(end_ps, chunk.t_end)
    if (begin, end) == (chunk.t_begin, chunk.t_end):
        return chunk
    low, high = np.searchsorted(chunk.t, [begin, end])
    gaps = tuple(
        Gap(max(g.begin_ps, begin), min(g.end_ps, end), g.missed if g.begin_ps >= begin else {})
        for g in chunk.gaps
        if g.begin_ps < end and g.end_ps > begin
    )
    return replace(
        chunk,
        t=chunk.t[low:high],
        ch=chunk.ch[low:high],
        t_begin=begin,
        t_end=end,
        gaps=gaps,
        markers=tuple(m for m in chunk.markers if begin <= m.time_ps < end),
    )


def pieces(chunk: TagChunk) -> Iterator[TagChunk]:
    """`chunk` in parts of at most 20 ms; all have its number `seq`."""
    begin = chunk.t_begin
    while begin + MAX_SPAN_PS < chunk.t_end:
        yield cut(chunk, begin, begin + MAX_SPAN_PS)
        begin += MAX_SPAN_PS
    yield cut(chunk, begin, chunk.t_end)


def only(chunk: TagChunk, channels: Collection[int]) -> TagChunk:
    """`chunk` without the tags of other channels; gaps and markers stay."""
    wanted = np.zeros(256, np.bool_)
    wanted[list(channels)] = True
    mine = wanted[chunk.ch]
    gaps = tuple(
        Gap(g.begin_ps, g.end_ps, {c: n for c, n in g.missed.items() if c in channels})
        for g in chunk.gaps
    )
    return replace(chunk, t=chunk.t[mine], ch=chunk.ch[mine], gaps=gaps)
