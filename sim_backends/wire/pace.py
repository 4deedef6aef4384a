"""Simulators that talk unasked: they act whenever the bench's clock has moved."""

from __future__ import annotations

import threading
from collections.abc import Callable

from qnlab.clock import Clock, VirtualClock
from qnlab.sim_backends.world import World

WALL_STEP_S = 0.01
TICK_S = 0.02


def pace(clock: Clock, step: Callable[[], None]) -> Callable[[], None]:
    """Call `step` again and again as time passes; returns what ends it.

    On a virtual clock that is each time somebody has slept on it, in that thread: what a device
    sends in that time is on its way when the sleeper goes on. On the wall clock a thread of its own
    does it every 10 ms.
    """
    if isinstance(clock, VirtualClock):
        return clock.follow(step)
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(WALL_STEP_S):
            step()

    thread = threading.Thread(target=work, name="wire pace", daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join()

    return end


def elapse(clock: Clock, world: World, seconds: float) -> None:
    """Let `seconds` pass with the world at their heels: at their end it has little to catch up."""
    end = clock.now() + seconds
    while (left := end - clock.now()) > 1e-9:
        clock.sleep(min(left, TICK_S))
        world.sync()
