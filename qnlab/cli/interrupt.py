"""Ctrl-C during a run: once to stop at the next checkpoint, twice to stop at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from qnlab.runs import Run


class Interrupts:
    """What Ctrl-C does, from before a run until its outcome is told.

    Before the run it interrupts as usual. During the run the first one aborts the run as
    ``operator`` and the second interrupts it. Afterwards it does nothing: the clean-ups of the run
    and its last words are left to finish.
    """

    def __init__(self) -> None:
        self._run: Run | None = None
        self._presses = 0
        self._over = False

    @contextmanager
    def aborting(self, run: Run) -> Iterator[None]:
        """Within the block Ctrl-C aborts `run`."""
        self._run = run
        try:
            yield
        finally:
            self._over = True

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Handle one Ctrl-C.

        The abort is given by a thread of its own, for this one may have been stopped inside a lock
        of the run.
        """
        if self._over:
            return
        self._presses += 1
        if self._run is None or self._presses > 1:
            self._over = self._run is not None
            raise KeyboardInterrupt
        click.echo("stopping at the next checkpoint; Ctrl-C again stops at once", err=True)
        threading.Thread(target=self._run.abort, args=("operator", "Ctrl-C"), daemon=True).start()


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Install the handler for the block; only the main thread has signals."""
    handling = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield handling
        return
    before = signal.signal(signal.SIGINT, handling.on_signal)
    try:
        yield handling
    finally:
        signal.signal(signal.SIGINT, before)
