"""Tags seen from the latest sync: histograms a period long, and time bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qnlab.tags import kernels
from qnlab.tags.analysers.analyser import Channels, Counts, Times, check_bins, check_channels
from qnlab.tags.chunk import TagChunk
from qnlab.tags.stretches import Stretch, Stretches


class _Sync:
    """Follows the latest sync; a gap makes it unknown."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._last = kernels.NEVER
        self.number = 0

    def see(self, stretch: Stretch) -> tuple[Times, Times]:
        """Time since the latest sync, -1 where there is none, and its number, of each tag."""
        since, frame = np.empty_like(stretch.t), np.empty_like(stretch.t)
        last = kernels.NEVER if stretch.fresh else self._last
        self._last, self.number = kernels.since_sync(
            stretch.t, stretch.ch, self._channel, last, self.number, since, frame
        )
        return since, frame


@dataclass(frozen=True, slots=True)
class SyncHistogramResult:
    """Counts, shape (channels, bins); tags later than the last bin; tags without a sync."""

    counts: Counts
    later: int
    unsynced: int
    syncs: int
    live_ps: int


class SyncHistogram:
    """Histogram of the time since the latest sync.

    Parameters
    ----------
    sync : int
        Channel of the sync.
    channels : sequence of int
        Channels to sort into bins; `sync` is none of them.
    bin_ps : int
        Bin width, ps, at least 1.
    bins : int
        Number of bins, from 0, at least 1.

    Raises
    ------
    ValueError
        A channel, the bin width or the number of bins is not as above.
    """

    def __init__(self, sync: int, channels: Sequence[int], bin_ps: int, bins: int) -> None:
        self._row = _rows(sync, channels)
        check_bins(bin_ps, bins)
        self._bin_ps = bin_ps
        self._sync = _Sync(sync)
        self._counts = np.zeros((len(channels), bins), np.int64)
        self._later = self._unsynced = 0
        self._stretches = Stretches()

    def feed(self, chunk: TagChunk) -> None:
        """Take in the next chunk."""
        rows, bins = self._counts.shape
        for stretch in self._stretches.of(chunk):
            since, _ = self._sync.see(stretch)
            row = self._row[stretch.ch]
            ours = row >= 0
            synced = ours & (since >= 0)
            at = since[synced] // self._bin_ps
            inside = at < bins
            flat = row[synced][inside] * bins + at[inside]
            self._counts += np.bincount(flat, minlength=rows * bins).reshape(rows, bins)
            self._later += len(at) - len(flat)
            self._unsynced += int(np.count_nonzero(ours)) - len(at)

    def result(self) -> SyncHistogramResult:
        """The histogram so far."""
        return SyncHistogramResult(
            self._counts.copy(),
            self._later,
            self._unsynced,
            self._sync.number,
            self._stretches.live_ps,
        )


@dataclass(frozen=True, slots=True)
class SortedTags:
    """Tags in time bins: number of the sync before each, its bin, its channel; shape (n,)."""

    frame: Times
    bin: Channels
    ch: Channels


@dataclass(frozen=True, slots=True)
class TimeBinCounts:
    """Counts, shape (channels, bins), and the number of syncs."""

    counts: Counts
    syncs: int
    live_ps: int


class TimeBins:
    """Sort tags into time bins after a sync, such as early and late.

    Parameters
    ----------
    sync : int
        Channel of the sync.
    channels : sequence of int
        Channels to sort; `sync` is none of them.
    bins : sequence of tuple of int
        ``begin <= time since the sync < end`` of each, ps; in order, not overlapping, at most 255.

    Raises
    ------
    ValueError
        A channel or a bin is not as above.
    """

    def __init__(self, sync: int, channels: Sequence[int], bins: Sequence[tuple[int, int]]) -> None:
        self._row = _rows(sync, channels)
        self._edges = np.array([edge for pair in bins for edge in pair], np.int64)
        if not 1 <= len(bins) <= 255 or self._edges[0] < 0:
            raise ValueError(f"1 to 255 bins from 0 ps on are needed, got {list(bins)}")
        if np.any(np.diff(self._edges)[::2] <= 0) or np.any(np.diff(self._edges) < 0):
            raise ValueError(f"bins must be in order and not overlap, got {list(bins)}")
        self._sync = _Sync(sync)
        self._counts = np.zeros((len(channels), len(bins)), np.int64)
        self._stretches = Stretches()

    def feed(self, chunk: TagChunk) -> SortedTags:
        """Sort the tags of the next chunk; those in no bin are left out."""
        parts = [self._sort(stretch) for stretch in self._stretches.of(chunk)]
        empty = SortedTags(np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.uint8))
        parts = parts or [empty]
        return SortedTags(
            np.concatenate([part.frame for part in parts]),
            np.concatenate([part.bin for part in parts]),
            np.concatenate([part.ch for part in parts]),
        )

    def _sort(self, stretch: Stretch) -> SortedTags:
        rows, bins = self._counts.shape
        since, frame = self._sync.see(stretch)
        edge = np.searchsorted(self._edges, since, side="right")
        row = self._row[stretch.ch]
        kept = (edge % 2 == 1) & (row >= 0)
        number = edge[kept] // 2
        flat = row[kept] * bins + number
        self._counts += np.bincount(flat, minlength=rows * bins).reshape(rows, bins)
        return SortedTags(frame[kept], number.astype(np.uint8), stretch.ch[kept])

    def result(self) -> TimeBinCounts:
        """The counts so far."""
        return TimeBinCounts(self._counts.copy(), self._sync.number, self._stretches.live_ps)


def _rows(sync: int, channels: Sequence[int]) -> Counts:
    """Row of each channel in a table of counts, -1 for the others."""
    check_channels(sync, *channels)
    if not channels or sync in channels or len(set(channels)) < len(channels):
        raise ValueError(
            f"one or more channels, all different and none of them the sync {sync}, are needed; "
            f"got {list(channels)}"
        )
    row = np.full(256, -1, np.int64)
    row[list(channels)] = np.arange(len(channels))
    return row
