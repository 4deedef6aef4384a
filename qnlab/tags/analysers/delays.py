"""Histograms of the delay from one channel to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qnlab.tags import kernels
from qnlab.tags.analysers.analyser import Counts, Times, check_bins, check_channels, times_of
from qnlab.tags.chunk import TagChunk
from qnlab.tags.stretches import Stretches


@dataclass(frozen=True, slots=True)
class Delays:
    """Counts of delays in bins ``[low_ps + k bin_ps, low_ps + (k+1) bin_ps)``.

    `starts` and `stops` are the tags of the two channels in the live time.
    """

    counts: Counts
    low_ps: int
    bin_ps: int
    starts: int
    stops: int
    live_ps: int


class DelayHistogram:
    """Histogram of the delay ``stop - start`` of every stop to every start.

    Parameters
    ----------
    start, stop : int
        Channels; with one channel for both, a tag is never paired with itself.
    bin_ps : int
        Bin width, ps, at least 1.
    bins : int
        Number of bins, at least 1.
    first_bin : int
        Number of the first bin; it begins at ``first_bin * bin_ps`` and may be negative.

    Raises
    ------
    ValueError
        A channel, the bin width or the number of bins is not as above.
    """

    def __init__(self, start: int, stop: int, bin_ps: int, bins: int, first_bin: int = 0) -> None:
        check_channels(start, stop)
        check_bins(bin_ps, bins)
        self._channels = (start, stop)
        self._bin_ps = bin_ps
        self._low = first_bin * bin_ps
        self._reach = max(abs(self._low), abs(self._low + bins * bin_ps))
        self._counts = np.zeros(bins, np.int64)
        self._before = (np.empty(0, np.int64), np.empty(0, np.int64))
        self._numbers = [0, 0]
        self._stretches = Stretches()

    def feed(self, chunk: TagChunk) -> None:
        """Add the delays of which at least one tag is in the next chunk."""
        start, stop = self._channels
        for stretch in self._stretches.of(chunk):
            starts = times_of(stretch.t, stretch.ch, start)
            stops = starts if stop == start else times_of(stretch.t, stretch.ch, stop)
            if stretch.fresh:
                self._before = (starts[:0], stops[:0])
            old_starts, old_stops = self._before
            self._add(old_starts, stops)
            self._add(starts, old_stops)
            self._add(starts, stops)
            if stop == start and 0 <= -self._low // self._bin_ps < len(self._counts):
                self._counts[-self._low // self._bin_ps] -= len(starts)
            self._numbers[0] += len(starts)
            self._numbers[1] += len(stops)
            oldest = stretch.end_ps - self._reach
            self._before = (
                _since(oldest, old_starts, starts),
                _since(oldest, old_stops, stops),
            )

    def _add(self, starts: Times, stops: Times) -> None:
        if len(starts) and len(stops):
            kernels.add_delays(self._counts, starts, stops, self._low, self._bin_ps)

    def result(self) -> Delays:
        """The histogram so far."""
        starts, stops = self._numbers
        live = self._stretches.live_ps
        return Delays(self._counts.copy(), self._low, self._bin_ps, starts, stops, live)


def _since(oldest: int, before: Times, now: Times) -> Times:
    """The tags of `before` and `now` that are not older than `oldest`."""
    kept = before[int(np.searchsorted(before, oldest)) :]
    return np.concatenate((kept, now[int(np.searchsorted(now, oldest)) :]))


@dataclass(frozen=True, slots=True)
class StartStopCounts:
    """Counts of start-stop times in bins of `bin_ps` from 0, and of those that are longer."""

    counts: Counts
    bin_ps: int
    longer: int
    live_ps: int


class StartStop:
    """Histogram of the time from a start to the first stop after it.

    A further start before the stop takes the place of the first one.

    Parameters
    ----------
    start, stop : int
        Channels; they differ.
    bin_ps : int
        Bin width, ps, at least 1.
    bins : int
        Number of bins, from 0, at least 1.

    Raises
    ------
    ValueError
        A channel, the bin width or the number of bins is not as above.
    """

    def __init__(self, start: int, stop: int, bin_ps: int, bins: int) -> None:
        check_channels(start, stop)
        check_bins(bin_ps, bins)
        if start == stop:
            raise ValueError(f"start and stop must differ, got channel {start} twice")
        self._channels = (start, stop)
        self._bin_ps = bin_ps
        self._counts = np.zeros(bins + 1, np.int64)
        self._armed = kernels.NEVER
        self._stretches = Stretches()

    def feed(self, chunk: TagChunk) -> None:
        """Add the times that end in the next chunk."""
        for stretch in self._stretches.of(chunk):
            armed = kernels.NEVER if stretch.fresh else self._armed
            self._armed = int(
                kernels.add_start_stop(
                    self._counts, stretch.t, stretch.ch, *self._channels, armed, self._bin_ps
                )
            )

    def result(self) -> StartStopCounts:
        """The histogram so far."""
        counts, longer = self._counts[:-1].copy(), int(self._counts[-1])
        return StartStopCounts(counts, self._bin_ps, longer, self._stretches.live_ps)
