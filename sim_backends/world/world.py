"""What every simulated world is: ports, a clock, random streams named after elements."""

from __future__ import annotations

import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from qnlab.clock import Clock, WallClock

TICK_PS = 20_000_000_000
MOST_BEHIND_PS = 10 * TICK_PS


class World(ABC):
    """Advances to the clock's present whenever somebody looks or turns something.

    Parameters
    ----------
    clock : Clock
        Its time.
    seed : int
        Root of all its randomness: each element has a stream of its own, named after it.

    Attributes
    ----------
    ports : mapping of str to port
        What simulated instruments can see and touch, by the address in a bench file.
    """

    ports: Mapping[str, Any]

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._lock = threading.RLock()
        self._now_ps = 0

    def stream(self, element: str) -> np.random.Generator:
        """Random numbers of one element; other elements do not change them."""
        name = zlib.crc32(element.encode())
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(name,)))

    def key(self, element: str) -> np.uint64:
        """Key of an element whose random numbers are hashed from a counter."""
        return np.uint64(self.stream(element + " choices").integers(0, 2**64, dtype=np.uint64))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let the physics catch up with the clock, then hold it while settings change."""
        with self._lock:
            self.sync()
            yield

    def sync(self) -> None:
        """Advance to the clock's present, with the settings as they are.

        A world that cannot keep up with the wall makes the clock stay behind instead.
        """
        with self._lock:
            target = self._clock.now_ps()
            if isinstance(self._clock, WallClock) and target - self._now_ps > MOST_BEHIND_PS:
                self._clock.fall_back(target - self._now_ps - MOST_BEHIND_PS)
                target = self._now_ps + MOST_BEHIND_PS
            while self._now_ps < target:
                edge = (self._now_ps // TICK_PS + 1) * TICK_PS
                start, self._now_ps = self._now_ps, min(edge, target)
                self._advance(start, self._now_ps)
                if self._now_ps == edge:
                    self._drift(TICK_PS * 1e-12)

    @abstractmethod
    def _advance(self, start_ps: int, stop_ps: int) -> None:
        """Draw what happens from `start_ps` to `stop_ps`, at most one tick."""

    @abstractmethod
    def _drift(self, seconds: float) -> None:
        """Let slow things move for a tick."""
