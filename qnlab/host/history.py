"""What numbers were, for days: minimum, mean and maximum of each interval."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from qnlab.errors import QnlabError

INTERVALS_S = (1.0, 60.0)
KEPT = (3600, 14 * 24 * 60)
MOST_SERIES = 400

Table = npt.NDArray[np.float64]


class _Ring:
    """Buckets of one length; slots that time skipped hold NaN."""

    def __init__(self, interval_s: float, size: int) -> None:
        self._interval = interval_s
        self._table: Table = np.full((size, 4), np.nan)
        self._number = np.full(size, -1, dtype=np.int64)

    def add(self, time_s: float, value: float) -> None:
        number = int(time_s // self._interval)
        slot = number % len(self._number)
        if self._number[slot] != number:
            self._number[slot] = number
            self._table[slot] = (value, value, value, 1)
            return
        low, total, high, count = self._table[slot]
        self._table[slot] = (min(low, value), total + value, max(high, value), count + 1)

    def read(self, begin_s: float, end_s: float) -> Table:
        """Columns time, minimum, mean, maximum of the buckets that hold something."""
        inside = (self._number >= begin_s // self._interval) & (
            self._number <= end_s // self._interval
        )
        order = np.argsort(self._number[inside])
        numbers = self._number[inside][order]
        low, total, high, count = self._table[inside][order].T
        return np.stack([numbers * self._interval, low, total / count, high], axis=1)


class History:
    """Series of numbers by name, each in buckets of 1 s for an hour and of 60 s for 14 days."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[str, tuple[_Ring, ...]] = {}

    def add(self, name: str, time_s: float, value: object) -> None:
        """Take in a value; anything but a finite number is passed over."""
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not math.isfinite(value)
        ):
            return
        with self._lock:
            if name not in self._series:
                if len(self._series) >= MOST_SERIES:
                    return
                self._series[name] = tuple(
                    _Ring(s, n) for s, n in zip(INTERVALS_S, KEPT, strict=True)
                )
            for ring in self._series[name]:
                ring.add(time_s, float(value))

    def read(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Service ``history.read``: ``names``, ``begin_s``, ``end_s``; coarse beyond an hour.

        Raises
        ------
        QnlabError
            A span that is none.
        """
        begin, end = float(arguments["begin_s"]), float(arguments["end_s"])
        if not begin < end:
            raise QnlabError(f"history: the span {begin}..{end} s is empty")
        which = 0 if end - begin <= KEPT[0] * INTERVALS_S[0] else 1
        with self._lock:
            names = arguments.get("names") or sorted(self._series)
            return {
                "interval_s": INTERVALS_S[which],
                "series": {
                    name: self._series[name][which].read(begin, end).T.tolist()
                    for name in names
                    if name in self._series
                },
            }
