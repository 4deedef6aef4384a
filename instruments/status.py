"""`Status`: an action that goes on while its caller does something else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self


class Status:
    """Shaped like ``bluesky.protocols.Status``.

    Parameters
    ----------
    future : Future
        The action itself; its result is what the action returned.
    """

    def __init__(self, future: Future[object]) -> None:
        self._future = future

    @classmethod
    def of(cls, action: Callable[[], object]) -> Self:
        """Start `action` in a thread of its own."""
        worker = ThreadPoolExecutor(1, "status")
        future = worker.submit(action)
        worker.shutdown(wait=False)
        return cls(future)

    @property
    def done(self) -> bool:
        return self._future.done()

    @property
    def success(self) -> bool:
        """True if done without an error."""
        return self._future.done() and self._future.exception() is None

    def exception(self, timeout: float | None = 0.0) -> BaseException | None:
        """The error it ended with, or None; waits up to `timeout` seconds, for ever if None.

        Raises
        ------
        TimeoutError
            It goes on.
        """
        return self._future.exception(timeout)

    def wait(self, timeout: float | None = None) -> object:
        """What the action returned; waits for it, and raises what it raised."""
        return self._future.result(timeout)

    def add_callback(self, callback: Callable[[Status], None]) -> None:
        """Call `callback` with this status when done; at once if it is."""
        self._future.add_done_callback(lambda _: callback(self))
