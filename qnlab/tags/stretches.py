"""Stretches of a stream without a gap: within one, nothing is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qnlab.tags.chunk import TagChunk


@dataclass(frozen=True, slots=True)
class Stretch:
    """The tags of ``begin_ps <= t < end_ps``; it goes on from the one before unless `fresh`."""

    t: npt.NDArray[np.int64]
    ch: npt.NDArray[np.uint8]
    begin_ps: int
    end_ps: int
    fresh: bool


class Stretches:
    """Cuts the chunks of a stream at its gaps; tags inside a gap are left out.

    Chunks that do not join are a gap too. `live_ps` is the time covered so far, less the gaps.
    """

    def __init__(self) -> None:
        self.live_ps = 0
        self._joins_at: int | None = None

    def of(self, chunk: TagChunk) -> Iterator[Stretch]:
        """Yield the stretches of the next chunk, in order of time.

        Raises
        ------
        ValueError
            The chunk begins before the end of the one before it.
        """
        end_before = self._joins_at
        if end_before is not None and chunk.t_begin < end_before:
            raise ValueError(
                f"chunk {chunk.seq} begins at {chunk.t_begin} ps, the one before ended at "
                f"{end_before} ps; chunks must follow each other"
            )
        fresh = chunk.t_begin != end_before
        begin = chunk.t_begin
        for gap in sorted(chunk.gaps, key=lambda gap: gap.begin_ps):
            if gap.begin_ps > begin:
                yield self._stretch(chunk, begin, gap.begin_ps, fresh)
            begin = max(begin, gap.end_ps)
            fresh = True
        if chunk.t_end > begin:
            yield self._stretch(chunk, begin, chunk.t_end, fresh)
            fresh = False
        self._joins_at = None if fresh else chunk.t_end

    def _stretch(self, chunk: TagChunk, begin: int, end: int, fresh: bool) -> Stretch:
        low, high = 0, len(chunk)
        if chunk.gaps:
            low, high = (int(edge) for edge in np.searchsorted(chunk.t, [begin, end]))
        self.live_ps += end - begin
        return Stretch(chunk.t[low:high], chunk.ch[low:high], begin, end, fresh)
