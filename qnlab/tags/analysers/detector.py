"""Dead time and afterpulsing of one detector, from its own tags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qnlab.tags.analysers.analyser import TooFewTags
from qnlab.tags.analysers.delays import DelayHistogram
from qnlab.tags.chunk import TagChunk

_FEWEST_A_BIN = 10.0


@dataclass(frozen=True, slots=True)
class DeadTimeEstimate:
    """Dead time, known to one bin: it lies in ``[dead_ps, dead_ps + resolution_ps)``."""

    dead_ps: int
    resolution_ps: int


class DeadTime:
    """Where the autocorrelation of a detector rises from nothing.

    The dead time ends in the first bin in which half as many tags follow each other as in a bin
    of the second half of the histogram, where the detector has recovered.

    Parameters
    ----------
    channel : int
        The detector.
    bin_ps : int
        Bin width, ps, at least 1.
    bins : int
        Number of bins, at least 4; twice the dead time or more.

    Raises
    ------
    ValueError
        A channel, the bin width or the number of bins is not as above.
    """

    def __init__(self, channel: int, bin_ps: int, bins: int) -> None:
        _check_bins(bins)
        self._histogram = DelayHistogram(channel, channel, bin_ps, bins)

    def feed(self, chunk: TagChunk) -> None:
        """Take in the next chunk."""
        self._histogram.feed(chunk)

    def result(self) -> DeadTimeEstimate:
        """The estimate so far.

        Raises
        ------
        TooFewTags
            Fewer than ten pairs a bin in the second half.
        """
        delays = self._histogram.result()
        level = float(np.mean(delays.counts[len(delays.counts) // 2 :]))
        _require(level, "dead time")
        first = int(np.flatnonzero(delays.counts >= level / 2)[0])
        return DeadTimeEstimate(first * delays.bin_ps, delays.bin_ps)


@dataclass(frozen=True, slots=True)
class AfterpulseEstimate:
    """Afterpulses a tag, with its standard error."""

    probability: float
    error: float


class Afterpulsing:
    """Pairs of a detector's own tags in excess of the level that they fall to.

    The level is that of the last quarter of the histogram. Afterpulses of afterpulses count too.

    Parameters
    ----------
    channel : int
        The detector.
    dead_ps : int
        Delays from here on are looked at, ps, 0 or more.
    bin_ps : int
        Bin width, ps, at least 1.
    bins : int
        Number of bins from `dead_ps` on, at least 4; in the last quarter there should be no
        afterpulses.

    Raises
    ------
    ValueError
        A parameter is not as above, or `dead_ps` is no multiple of the bin width.
    """

    def __init__(self, channel: int, dead_ps: int, bin_ps: int, bins: int) -> None:
        _check_bins(bins)
        if dead_ps < 0 or dead_ps % max(bin_ps, 1):
            raise ValueError(f"the dead time must be a multiple of {bin_ps} ps, got {dead_ps}")
        self._histogram = DelayHistogram(channel, channel, bin_ps, bins, dead_ps // max(bin_ps, 1))

    def feed(self, chunk: TagChunk) -> None:
        """Take in the next chunk."""
        self._histogram.feed(chunk)

    def result(self) -> AfterpulseEstimate:
        """The estimate so far.

        Raises
        ------
        TooFewTags
            Fewer than ten pairs a bin in the last quarter.
        """
        delays = self._histogram.result()
        early, late = np.split(delays.counts, [3 * len(delays.counts) // 4])
        level = float(np.mean(late))
        _require(level, "afterpulsing")
        excess = float(early.sum()) - len(early) * level
        variance = float(early.sum()) + len(early) ** 2 * level / len(late)
        return AfterpulseEstimate(excess / delays.starts, float(np.sqrt(variance)) / delays.starts)


def _check_bins(bins: int) -> None:
    if bins < 4:
        raise ValueError(f"at least 4 bins are needed, got {bins}")


def _require(level: float, figure: str) -> None:
    if level < _FEWEST_A_BIN:
        raise TooFewTags(
            f"{figure}: {level:.1f} pairs a bin at long delays, at least {_FEWEST_A_BIN:.0f} "
            "needed; record for longer or take wider bins"
        )
