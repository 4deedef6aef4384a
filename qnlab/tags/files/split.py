"""Cut decoded blocks of any size into chunks that keep the stream's promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from qnlab.tags.chunk import MAX_SPAN_PS, MAX_TAGS, Marker, TagChunk

Block = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], tuple[Marker, ...], int]


def split(blocks: Iterable[Block], *, clock_id: str) -> Iterator[TagChunk]:
    """Sort, hold back what is not yet final and cut into chunks.

    Parameters
    ----------
    blocks : iterable of (t, ch, markers, watermark)
        Tags in ps in any order inside a block; no later block holds a tag older than `watermark`.
    clock_id : str
        Whose clock the times are read on.

    Yields
    ------
    TagChunk
        Contiguous, starting at 0, of at most ``MAX_TAGS`` tags (more only if all have one time)
        and 20 ms; a longer stretch without tags is one empty chunk.
    """
    t, ch = np.empty(0, np.int64), np.empty(0, np.uint8)
    markers: tuple[Marker, ...] = ()
    begin = seq = 0
    for new_t, new_ch, new_markers, watermark in blocks:
        if len(t):
            new_t, new_ch = np.concatenate((t, new_t)), np.concatenate((ch, new_ch))
        t, ch = _sorted(new_t, new_ch)
        markers += new_markers
        final = int(np.searchsorted(t, watermark))
        for chunk in _cut(t[:final], ch[:final], markers, begin, watermark, seq, clock_id):
            yield chunk
            begin, seq = chunk.t_end, chunk.seq + 1
        t, ch = t[final:], ch[final:]
        markers = tuple(m for m in markers if m.time_ps >= begin)
    newest = max([*(m.time_ps for m in markers), begin - 1, int(t[-1]) if len(t) else -1])
    yield from _cut(t, ch, markers, begin, newest + 1, seq, clock_id)


def _sorted(
    t: npt.NDArray[np.int64], ch: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    from qnlab.tags import kernels

    if kernels.in_order(t, ch):
        return t, ch
    order = np.lexsort((ch, t))
    return t[order], ch[order]


def _cut(
    t: npt.NDArray[np.int64],
    ch: npt.NDArray[np.uint8],
    markers: tuple[Marker, ...],
    begin: int,
    end: int,
    seq: int,
    clock_id: str,
) -> Iterator[TagChunk]:
    low = 0
    while begin < end:
        if low < len(t) and t[low] >= begin + MAX_SPAN_PS:
            high, until = low, int(t[low])
        else:
            until = min(end, begin + MAX_SPAN_PS) if low < len(t) else end
            high = int(np.searchsorted(t, until))
        if high - low > MAX_TAGS:
            high = int(np.searchsorted(t, t[low + MAX_TAGS]))
            if high == low:
                high = int(np.searchsorted(t, t[low], side="right"))
            until = int(t[high]) if high < len(t) else end
        inside = tuple(m for m in markers if begin <= m.time_ps < until)
        yield TagChunk(t[low:high], ch[low:high], begin, until, seq, clock_id, markers=inside)
        low, begin, seq = high, until, seq + 1
