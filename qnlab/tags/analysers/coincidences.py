"""N-fold coincidences of many patterns in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qnlab.tags import kernels
from qnlab.tags.analysers.analyser import Channels, Times, check_channels, times_of
from qnlab.tags.chunk import TagChunk
from qnlab.tags.stretches import Stretch, Stretches

Pairing = Literal["all-pairs", "greedy"]


@dataclass(frozen=True, slots=True)
class CoincidenceCounts:
    """Groups of each pattern, and the live time they were counted in."""

    groups: dict[tuple[int, ...], int]
    live_ps: int

    def rate_hz(self, pattern: tuple[int, ...]) -> float:
        """Groups a second of live time; not a number before there is any."""
        return self.groups[pattern] / (self.live_ps / 1e12) if self.live_ps else float("nan")


class Coincidences:
    """Count groups of one tag of each channel of a pattern, with spread <= window.

    Parameters
    ----------
    patterns : sequence of tuple of int
        Channels of each pattern, two or more, all different.
    window_ps : int
        Largest time from the first to the last tag of a group, ps; 0 or more.
    pairing : {"all-pairs", "greedy"}
        ``all-pairs`` counts every group there is: a tag may be in many. ``greedy`` uses a tag at
        most once a pattern: it takes the oldest group there is, of the oldest tags there are, and
        goes on with what is left.

    Raises
    ------
    ValueError
        A pattern or the window is not as above.
    """

    def __init__(
        self,
        patterns: Sequence[tuple[int, ...]],
        window_ps: int,
        pairing: Pairing = "all-pairs",
    ) -> None:
        if not patterns:
            raise ValueError("no pattern to count")
        for pattern in patterns:
            check_channels(*pattern)
            if len(pattern) < 2 or len(set(pattern)) < len(pattern):
                raise ValueError(f"a pattern has two or more different channels, got {pattern}")
        if window_ps < 0:
            raise ValueError(f"the window must be 0 ps or more, got {window_ps}")
        self._patterns = list(patterns)
        self._counter: _All | _Greedy
        match pairing:
            case "all-pairs":
                self._counter = _All(self._patterns, window_ps)
            case "greedy":
                self._counter = _Greedy(self._patterns, window_ps)
            case _:
                raise ValueError(f'pairing is "all-pairs" or "greedy", got {pairing!r}')
        self._stretches = Stretches()

    def feed(self, chunk: TagChunk) -> None:
        """Count the groups that the next chunk completes."""
        for stretch in self._stretches.of(chunk):
            self._counter.count(stretch)

    def result(self) -> CoincidenceCounts:
        """The counts so far."""
        groups = (int(number) for number in self._counter.groups)
        return CoincidenceCounts(
            dict(zip(self._patterns, groups, strict=True)), self._stretches.live_ps
        )


class _All:
    """Keeps the tags that younger ones can still be in a group with."""

    def __init__(self, patterns: Sequence[tuple[int, ...]], window_ps: int) -> None:
        channels = sorted({channel for pattern in patterns for channel in pattern})
        self._slot = np.full(256, kernels.NO_SLOT, np.uint8)
        self._slot[channels] = np.arange(len(channels))
        self._members = np.zeros((len(patterns), len(channels)), np.uint8)
        for row, pattern in zip(self._members, patterns, strict=True):
            row[self._slot[list(pattern)]] = 1
        self._window = window_ps
        self._t = np.empty(0, np.int64)
        self._ch = np.empty(0, np.uint8)
        self.groups = np.zeros(len(patterns), np.int64)

    def count(self, stretch: Stretch) -> None:
        t, ch = stretch.t, stretch.ch
        if stretch.fresh:
            self._t, self._ch = self._t[:0], self._ch[:0]
        if not len(t):
            return
        seen = 0
        if len(self._t):
            seen = int(np.searchsorted(t, self._t[-1] + self._window, side="right"))
            joined = np.concatenate((self._t, t[:seen])), np.concatenate((self._ch, ch[:seen]))
            self._add(*joined, len(self._t))
        self._add(t, ch, seen)
        oldest = t[-1] - self._window
        if t[0] < oldest:
            low = int(np.searchsorted(t, oldest))
            self._t, self._ch = t[low:].copy(), ch[low:].copy()
        else:
            low = int(np.searchsorted(self._t, oldest))
            self._t = np.concatenate((self._t[low:], t))
            self._ch = np.concatenate((self._ch[low:], ch))

    def _add(self, t: Times, ch: Channels, fresh: int) -> None:
        kernels.count_groups(t, ch, self._slot, self._members, self._window, fresh, self.groups)


class _Greedy:
    """Keeps, a pattern, the tags that no group has taken."""

    def __init__(self, patterns: Sequence[tuple[int, ...]], window_ps: int) -> None:
        self._patterns = patterns
        self._channels = sorted({channel for pattern in patterns for channel in pattern})
        self._window = window_ps
        self.groups = np.zeros(len(patterns), np.int64)
        self._forget()

    def _forget(self) -> None:
        self._left = [[np.empty(0, np.int64) for _ in pattern] for pattern in self._patterns]

    def count(self, stretch: Stretch) -> None:
        if stretch.fresh:
            self._forget()
        new = {c: times_of(stretch.t, stretch.ch, c) for c in self._channels}
        too_old = stretch.end_ps - self._window
        for number, pattern in enumerate(self._patterns):
            tags = [
                np.concatenate((left, new[channel]))
                for left, channel in zip(self._left[number], pattern, strict=True)
            ]
            groups, used = self._match(tags)
            self.groups[number] += groups
            self._left[number] = [
                own[max(taken, int(np.searchsorted(own, too_old))) :]
                for own, taken in zip(tags, used, strict=True)
            ]

    def _match(self, tags: list[Times]) -> tuple[int, list[int]]:
        if len(tags) == 2:
            pairs, *used = kernels.match_pairs(tags[0], tags[1], self._window)
            return int(pairs), used
        sizes = [len(own) for own in tags]
        end = np.cumsum(sizes)
        begin = end - sizes
        taken = begin.copy()
        out = np.empty((min(sizes), len(tags)), np.int64)
        groups = kernels.match_groups(np.concatenate(tags), taken, end, self._window, out)
        return int(groups), (taken - begin).tolist()
