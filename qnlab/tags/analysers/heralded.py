"""The heralded second-order correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qnlab.tags import kernels
from qnlab.tags.analysers.analyser import Times, check_channels, times_of
from qnlab.tags.chunk import TagChunk
from qnlab.tags.stretches import Stretches


@dataclass(frozen=True, slots=True)
class HeraldedG2Result:
    """Heralds, pairs with each arm, triples; not a number where nothing is known."""

    heralds: int
    first: int
    second: int
    triples: int
    live_ps: int

    @property
    def g2(self) -> float:
        """``triples * heralds / (first * second)``: 1 for uncorrelated arms."""
        pairs = self.first * self.second
        return self.triples * self.heralds / pairs if pairs else float("nan")

    @property
    def error(self) -> float:
        """Standard error of `g2` from the Poisson counts, of one triple where there is none."""
        pairs = self.first * self.second
        if not pairs:
            return float("nan")
        triples = max(self.triples, 1)
        relative = np.sqrt(1 / triples + 1 / self.first + 1 / self.second)
        return float(triples * self.heralds / pairs * relative)


class HeraldedG2:
    """g2 of two arms at delay 0, given a herald.

    A tag belongs to a herald if ``|dt| <= window``; all pairs and triples are counted. Only
    heralds whose whole window lies in one stretch without a gap take part.

    Parameters
    ----------
    herald, first, second : int
        Channels; they differ.
    window_ps : int
        Half width, ps, 0 or more.

    Raises
    ------
    ValueError
        The channels or the window are not as above.

    Notes
    -----
    P. Grangier, G. Roger, A. Aspect, Europhys. Lett. 1, 173 (1986).
    """

    def __init__(self, herald: int, first: int, second: int, window_ps: int) -> None:
        check_channels(herald, first, second)
        if len({herald, first, second}) < 3:
            raise ValueError(f"three different channels needed, got {herald}, {first}, {second}")
        if window_ps < 0:
            raise ValueError(f"the window must be 0 ps or more, got {window_ps}")
        self._channels = (herald, first, second)
        self._window = window_ps
        self._totals = np.zeros(4, np.int64)
        self._pending = [np.empty(0, np.int64)] * 3
        self._known_from = 0
        self._stretches = Stretches()

    def feed(self, chunk: TagChunk) -> None:
        """Take in the next chunk."""
        for stretch in self._stretches.of(chunk):
            if stretch.fresh:
                self._pending = [np.empty(0, np.int64)] * 3
                self._known_from = stretch.begin_ps + self._window
            new = [times_of(stretch.t, stretch.ch, channel) for channel in self._channels]
            joined = [np.concatenate(both) for both in zip(self._pending, new, strict=True)]
            self._pending = self._count(*joined, until_ps=stretch.end_ps - self._window)

    def _count(self, heralds: Times, first: Times, second: Times, *, until_ps: int) -> list[Times]:
        """Count the heralds before a time; return what later ones need."""
        low, high = np.searchsorted(heralds, [self._known_from, until_ps])
        kernels.count_heralded(heralds[low:high], first, second, self._window, self._totals)
        oldest = until_ps - self._window
        return [
            heralds[max(low, high) :],
            first[int(np.searchsorted(first, oldest)) :],
            second[int(np.searchsorted(second, oldest)) :],
        ]

    def result(self) -> HeraldedG2Result:
        """The counts so far; heralds whose window is not over yet are not in them."""
        heralds, first, second, triples = (int(total) for total in self._totals)
        return HeraldedG2Result(heralds, first, second, triples, self._stretches.live_ps)
