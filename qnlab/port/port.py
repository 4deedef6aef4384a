"""A client's end of the port, whatever carries it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from qnlab.port.message import Message


class Latest:
    """The newest message of each topic since the last `take`; never holds the publisher up."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._new: dict[str, Message] = {}
        self._end = end

    def put(self, message: Message) -> None:
        """Keep `message` in place of an older one of its topic."""
        with self._lock:
            self._new[message.topic] = message

    def take(self) -> dict[str, Message]:
        """What is new, by topic."""
        with self._lock:
            new, self._new = self._new, {}
            return new

    def close(self) -> None:
        """Get no more."""
        self._end()


class Lossless:
    """Every message, in order; a full queue holds the publisher up."""

    def __init__(self, capacity: int, end: Callable[[], None]) -> None:
        self._waiting: deque[Message] = deque()
        self._capacity = capacity
        self._changed = threading.Condition()
        self._end = end
        self._closed = False

    def put(self, message: Message) -> None:
        """Append `message`, waiting for room."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._capacity or self._closed)
            self._waiting.append(message)
            self._changed.notify_all()

    def read(self, timeout_s: float = 1.0) -> Message | None:
        """The oldest message not read yet; None if there is none within `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._closed, timeout_s)
            if not self._waiting:
                return None
            message = self._waiting.popleft()
            self._changed.notify_all()
            return message

    def close(self) -> None:
        """Get no more; a publisher that waits goes on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._end()


class Port(Protocol):
    """A client's end; every method may be called from any thread."""

    def latest(self, topic: str) -> Message | None:
        """The last message of a topic; None if there was none."""

    def call(
        self,
        service: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        deadline_s: float = 5.0,
        lease: str | None = None,
    ) -> Future[Any]:
        """Ask for a service; the future holds its value, or raises an error of the tree.

        Parameters
        ----------
        deadline_s : float
            The service refuses a call that reaches it later than this after it was made.
        lease : str, optional
            From ``lease.acquire``; a call with a lease that is over is refused.
        """

    def subscribe_latest(self, pattern: str) -> Latest:
        """Newest messages of the topics that fit; what is retained comes first."""

    def subscribe_lossless(self, pattern: str, capacity: int = 10_000) -> Lossless:
        """All messages of the topics that fit, from now on."""

    def presence(self) -> frozenset[str]:
        """Who is there."""

    def close(self) -> None:
        """End it. Idempotent."""
