"""The injected clock: a simulated hour passes in seconds, a live bench follows the wall."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """What instruments and procedures know of time."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def now_ps(self) -> int:
        """Picoseconds since this clock was made (exact, monotonic)."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass; on a virtual clock this returns at once."""


class VirtualClock:
    """A clock that only moves when somebody sleeps on it.

    Parameters
    ----------
    start_s : float
        Time of its first moment, seconds since the epoch (2026-01-01 UTC by default, so that
        two runs with one seed are the same run).
    """

    def __init__(self, start_s: float = 1_767_225_600.0) -> None:
        self._start_s = start_s
        self._elapsed_ps = 0
        self._lock = threading.Lock()
        self._followers: tuple[Callable[[], None], ...] = ()

    def now(self) -> float:
        return self._start_s + self._elapsed_ps * 1e-12

    def now_ps(self) -> int:
        return self._elapsed_ps

    def sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"cannot sleep a negative time, got {seconds} s")
        with self._lock:
            self._elapsed_ps += round(seconds * 1e12)
        for follower in self._followers:
            follower()

    def follow(self, follower: Callable[[], None]) -> Callable[[], None]:
        """Call `follower` each time the clock has moved, in the thread that slept on it.

        Returns
        -------
        callable
            Ends it.
        """
        with self._lock:
            self._followers = (*self._followers, follower)
        return lambda: self._forget(follower)

    def _forget(self, follower: Callable[[], None]) -> None:
        with self._lock:
            self._followers = tuple(f for f in self._followers if f is not follower)


class WallClock:
    """The computer's clock."""

    def __init__(self) -> None:
        self._origin_ns = time.monotonic_ns()
        self._behind_ns = 0

    def now(self) -> float:
        return time.time() - self._behind_ns * 1e-9

    def now_ps(self) -> int:
        return (time.monotonic_ns() - self._origin_ns - self._behind_ns) * 1000

    def fall_back(self, ps: int) -> None:
        """Stay behind by so much more: for a simulated world that cannot keep up with the wall."""
        self._behind_ns += ps // 1000

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
