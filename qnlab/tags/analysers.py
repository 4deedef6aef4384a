"""Analysers that take one chunk after another and keep constant memory.

None applies delays; each forgets what lies before a gap.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from qnlab.tags import kernels
from qnlab.tags.chunk import TagChunk

_Tags = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]


class _Carry:
    """The tags that younger ones can still pair with."""

    def __init__(self, channels: tuple[int, int], reach_ps: int) -> None:
        self._channels = channels
        self._reach_ps = reach_ps
        self._t = np.empty(0, np.int64)
        self._ch = np.empty(0, np.uint8)

    def extend(self, chunk: TagChunk) -> Iterator[tuple[_Tags, int]]:
        """Yield each stretch between gaps, with its carried tags before it and their number."""
        begin = 0
        for gap in sorted(chunk.gaps, key=lambda gap: gap.begin_ps):
            end = int(np.searchsorted(chunk.t, gap.begin_ps))
            yield self._join(chunk, begin, end)
            self._t, self._ch = self._t[:0], self._ch[:0]
            begin = int(np.searchsorted(chunk.t, gap.end_ps))
        yield self._join(chunk, begin, len(chunk))

    def _join(self, chunk: TagChunk, begin: int, end: int) -> tuple[_Tags, int]:
        ch = chunk.ch[begin:end]
        ours = (ch == self._channels[0]) | (ch == self._channels[1])
        carried = len(self._t)
        t = np.concatenate((self._t, chunk.t[begin:end][ours]))
        ch = np.concatenate((self._ch, ch[ours]))
        if len(t):
            keep = int(np.searchsorted(t, t[-1] - self._reach_ps, side="right"))
            self._t, self._ch = t[keep:], ch[keep:]
        return (t, ch), carried


class PairCounter:
    """Count all pairs of two channels with ``|dt| < window``: each tag may be in many pairs.

    Parameters
    ----------
    channels : tuple of int
        The two channels; they differ.
    window_ps : int
        Half width, ps, exclusive, at least 1.
    """

    def __init__(self, channels: tuple[int, int], window_ps: int) -> None:
        if channels[0] == channels[1]:
            raise ValueError(f"a pair needs two channels, got {channels[0]} twice")
        if window_ps < 1:
            raise ValueError(f"the window must be at least 1 ps, got {window_ps}")
        self.channels = channels
        self.window_ps = window_ps
        self.pairs = 0
        self._carry = _Carry(channels, window_ps)

    def add(self, chunk: TagChunk) -> None:
        """Count the pairs whose later tag is in `chunk`."""
        for (t, ch), carried in self._carry.extend(chunk):
            self.pairs += int(kernels.count_pairs(t, ch, *self.channels, self.window_ps, carried))


class DelayHistogram:
    """Histogram of the delay of every stop after every start, in half-open integer bins.

    Parameters
    ----------
    start, stop : int
        Channels; with one channel for both, a tag is never paired with itself.
    bin_ps : int
        Bin width, ps, at least 1.
    bins : int
        Number of bins, from delay 0, at least 1.
    """

    def __init__(self, start: int, stop: int, bin_ps: int, bins: int) -> None:
        if bin_ps < 1 or bins < 1:
            raise ValueError(f"bin width and bins must be at least 1, got {bin_ps} and {bins}")
        self.start = start
        self.stop = stop
        self.bin_ps = bin_ps
        self.counts = np.zeros(bins, dtype=np.int64)
        self._carry = _Carry((start, stop), bin_ps * bins)

    def add(self, chunk: TagChunk) -> None:
        """Add the delays whose later tag is in `chunk`."""
        for (t, ch), carried in self._carry.extend(chunk):
            kernels.add_histogram(self.counts, t, ch, self.start, self.stop, self.bin_ps, carried)
