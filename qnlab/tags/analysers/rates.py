"""Counts and rates of single channels, with their live time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qnlab.tags.chunk import TagChunk
from qnlab.tags.stretches import Stretches

_PS_PER_S = 1e12


@dataclass(frozen=True, slots=True)
class RatesResult:
    """Tags of each channel outside of gaps, tags known to be lost in gaps, and the live time."""

    counts: dict[int, int]
    missed: dict[int, int]
    live_ps: int

    def rate_hz(self, channel: int) -> float:
        """Tags a second of live time; not a number before there is any."""
        live_s = self.live_ps / _PS_PER_S
        return self.counts.get(channel, 0) / live_s if live_s else float("nan")

    def error_hz(self, channel: int) -> float:
        """Standard error of the rate of a Poisson process, Hz."""
        live_s = self.live_ps / _PS_PER_S
        return float(np.sqrt(self.counts.get(channel, 0))) / live_s if live_s else float("nan")


class Rates:
    """Count the tags of all channels."""

    def __init__(self) -> None:
        self._counts = np.zeros(256, np.int64)
        self._missed: dict[int, int] = {}
        self._stretches = Stretches()

    def feed(self, chunk: TagChunk) -> None:
        """Take in the next chunk."""
        for stretch in self._stretches.of(chunk):
            self._counts += np.bincount(stretch.ch, minlength=256)
        for gap in chunk.gaps:
            for channel, number in gap.missed.items():
                self._missed[channel] = self._missed.get(channel, 0) + number

    def result(self) -> RatesResult:
        """The counts so far."""
        there = np.flatnonzero(self._counts)
        counts = {int(channel): int(self._counts[channel]) for channel in there}
        return RatesResult(counts, dict(self._missed), self._stretches.live_ps)
