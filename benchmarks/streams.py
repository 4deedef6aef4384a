"""Streams to measure with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qnlab.tags import TagChunk
from qnlab.tags.chunk import MAX_TAGS

I64 = npt.NDArray[np.int64]

CHANNELS = 4
JITTER_PS = 100.0
SHARED = 0.25


@dataclass(frozen=True)
class Stream:
    """Tags of channels 1 to 4, apart and merged."""

    apart: list[I64]
    t: I64
    ch: npt.NDArray[np.uint8]
    end_ps: int

    def chunks(self, size: int = MAX_TAGS) -> list[TagChunk]:
        """The merged tags in chunks."""
        found = []
        begin = 0
        for seq, low in enumerate(range(0, len(self.t), size)):
            high = min(low + size, len(self.t))
            while high < len(self.t) and self.t[high] == self.t[high - 1]:
                high += 1
            end = int(self.t[high]) if high < len(self.t) else self.end_ps
            inside = slice(int(np.searchsorted(self.t, begin)), high)
            found.append(TagChunk(self.t[inside], self.ch[inside], begin, end, seq, "bench"))
            begin = end
        return found


def four_channels(tags: int, rate_hz: float) -> Stream:
    """A quarter of each channel's tags are of events that all four see, with jitter."""
    rng = np.random.default_rng(1)
    each = tags // CHANNELS
    end = int(each / rate_hz * 1e12)
    common = rng.integers(1000, end - 1000, int(SHARED * each))
    apart = []
    for _ in range(CHANNELS):
        jitter = rng.normal(0, JITTER_PS, len(common)).astype(np.int64)
        own = rng.integers(0, end, each - len(common))
        apart.append(np.sort(np.concatenate((common + jitter, own))))
    t = np.concatenate(apart)
    ch = np.repeat(np.arange(1, CHANNELS + 1), each).astype(np.uint8)
    order = np.argsort(t, kind="stable")
    return Stream(apart, t[order], ch[order], end)


def two_sites(
    pairs_hz: float, first_hz: float, second_hz: float, offset_ps: float, drift: float
) -> tuple[I64, I64]:
    """A second of the first tagger's tags, and two and a half of the second's; jitter 100 ps."""
    rng = np.random.default_rng(2)
    span = 4.0

    def uniform(rate_hz: float) -> npt.NDArray[np.float64]:
        return rng.uniform(-0.5, span, rng.poisson(rate_hz * (span + 0.5))) * 1e12

    common = uniform(pairs_hz)
    sides = []
    for rate_hz in (first_hz, second_hz):
        t = np.concatenate((common, uniform(rate_hz - pairs_hz)))
        sides.append(t + rng.normal(0, JITTER_PS, len(t)))
    first = np.sort(np.rint(sides[0]).astype(np.int64))
    second = np.sort(np.rint(sides[1] * (1 + drift) + offset_ps).astype(np.int64))
    return (
        first[(first >= 0) & (first < 10**12)],
        second[(second >= 0) & (second < 2.5 * 10**12)],
    )
