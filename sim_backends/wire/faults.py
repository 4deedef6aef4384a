"""What can go wrong on a wire, put on the replies one by one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Literal

Kind = Literal["delay", "drop", "truncate", "garble", "split", "merge", "disconnect"]

SPLIT_PAUSE_S = 0.002


class Faults:
    """A queue of faults; each reply takes the next one."""

    def __init__(self) -> None:
        self._queue: deque[tuple[Kind, float]] = deque()
        self._held = b""
        self._thawed = threading.Event()
        self._thawed.set()
        self._ended = threading.Event()

    def add(self, kind: Kind, seconds: float = 0.0) -> None:
        """Let the next reply without a fault suffer this one.

        Parameters
        ----------
        kind : str
            ``delay`` by `seconds` (a late reply, if the other side gives up before), ``drop``,
            ``truncate`` to the first half, ``garble`` one byte, ``split`` into single bytes,
            ``merge`` with the following reply, ``disconnect`` instead of a reply.
        """
        self._queue.append((kind, seconds))

    @property
    def frozen(self) -> bool:
        """True if the device takes all and does nothing."""
        return not self._thawed.is_set()

    def freeze(self) -> None:
        """From now on take all and do nothing."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Work again."""
        self._thawed.set()

    def send(
        self, reply: bytes, write: Callable[[bytes], None], hang_up: Callable[[], None]
    ) -> None:
        """Send `reply` as the next fault has it."""
        kind, seconds = self._queue.popleft() if self._queue else (None, 0.0)
        if kind == "merge":
            self._held += reply
            return
        reply, self._held = self._held + reply, b""
        if kind == "disconnect":
            hang_up()
        elif kind == "split":
            for i in range(len(reply)):
                write(reply[i : i + 1])
                self._ended.wait(SPLIT_PAUSE_S)
        elif kind != "drop":
            if kind == "delay":
                self._ended.wait(seconds)
            write(_spoilt(reply, kind))

    def end(self) -> None:
        """Let no delay keep the server from closing."""
        self._ended.set()


def _spoilt(reply: bytes, kind: Kind | None) -> bytes:
    if kind == "truncate":
        return reply[: len(reply) // 2]
    if kind == "garble":
        return b"\xa5" + reply[1:]
    return reply
