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


@contextmanager
def abort_on_interrupt(run: Run) -> Iterator[None]:
    """Within the block the first Ctrl-C aborts `run` as ``operator``, the second interrupts it.

    Further ones do nothing, so that the clean-ups of the run are left to finish. The abort is given
    by a thread of its own: the handler may have stopped the main thread inside a lock of the run.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    presses = 0

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        if presses == 1:
            click.echo("stopping at the next checkpoint; Ctrl-C again stops at once", err=True)
            threading.Thread(target=run.abort, args=("operator", "Ctrl-C"), daemon=True).start()
        elif presses == 2:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
