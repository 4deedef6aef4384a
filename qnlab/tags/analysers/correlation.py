"""The normalised cross-correlation g2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qnlab.tags.analysers.analyser import Counts, Floats
from qnlab.tags.analysers.delays import DelayHistogram
from qnlab.tags.chunk import TagChunk
from qnlab.tags.stretches import Stretches


@dataclass(frozen=True, slots=True)
class G2:
    """g2 in bins around 0.

    Attributes
    ----------
    delay_ps : ndarray of float, shape (2 half,)
        Centre of each bin, ps: the mean of the integers in it.
    g2, error : ndarray of float, shape (2 half,)
        Value, 1 for uncorrelated light, and standard error; not a number where nothing is known.
    counts : ndarray of int64, shape (2 half,)
        Pairs.
    """

    delay_ps: Floats
    g2: Floats
    error: Floats
    counts: Counts
    live_ps: int


class Correlation:
    """Cross-correlation of two channels, or autocorrelation of one.

    ``g2 = counts / (r1 r2 exposure)`` with the mean rates and, as exposure of a bin, the sum over
    its delays of the time in which both a start and a stop at that delay are inside one stretch
    without a gap: no edge of the data bends it. The error is that of the Poisson counts, of one
    count where there is none.

    Parameters
    ----------
    first, second : int
        Channels; the delay is ``second - first``.
    bin_ps : int
        Bin width, ps, at least 1.
    half : int
        Number of bins on each side of delay 0, at least 1.

    Raises
    ------
    ValueError
        A channel, the bin width or the number of bins is not as above.
    """

    def __init__(self, first: int, second: int, bin_ps: int, half: int) -> None:
        self._histogram = DelayHistogram(first, second, bin_ps, 2 * half, -half)
        self._bin_ps = bin_ps
        self._delay: Floats = np.arange(-half, half, dtype=np.float64) * bin_ps
        self._delay += (bin_ps - 1) / 2
        self._exposure = np.zeros(2 * half)
        self._length = 0
        self._stretches = Stretches()

    def feed(self, chunk: TagChunk) -> None:
        """Take in the next chunk."""
        for stretch in self._stretches.of(chunk):
            if stretch.fresh:
                self._exposure += self._of_stretch()
                self._length = 0
            self._length += stretch.end_ps - stretch.begin_ps
        self._histogram.feed(chunk)

    def _of_stretch(self) -> Floats:
        overlap: Floats = np.maximum(self._length - np.abs(self._delay), 0.0)
        return overlap * self._bin_ps

    def result(self) -> G2:
        """g2 so far."""
        delays = self._histogram.result()
        exposure = self._exposure + self._of_stretch()
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = exposure * delays.starts * delays.stops / float(delays.live_ps) ** 2
            g2: Floats = delays.counts / expected
            error: Floats = np.sqrt(np.maximum(delays.counts, 1.0)) / expected
        unknown = expected == 0
        g2[unknown] = error[unknown] = np.nan
        return G2(self._delay, g2, error, delays.counts, delays.live_ps)
