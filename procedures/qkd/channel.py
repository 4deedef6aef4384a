"""The classical channel: the only thing that Alice's and Bob's halves share."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from qnlab.errors import QnlabError
from qnlab.procedures.qkd.messages import (
    Goodbye,
    Message,
    MessageError,
    TranscriptTag,
    decode,
    encode,
)

M = TypeVar("M", bound=Message)
Direction = str
Tap = Callable[[Direction, bytes], None]


class ChannelClosed(QnlabError):
    """The other half has gone, or did not answer in time."""


class Port(Protocol):
    """One end of a duplex channel of byte strings."""

    def send(self, data: bytes) -> None: ...

    def receive(self) -> bytes:
        """Next byte string; raises `ChannelClosed` when there will be none."""

    def close(self) -> None: ...


class LocalPort:
    """End of a channel inside one process."""

    def __init__(
        self,
        direction: Direction,
        outbox: queue.Queue[bytes | None],
        inbox: queue.Queue[bytes | None],
        timeout_s: float,
        taps: list[Tap],
    ) -> None:
        self._direction = direction
        self._outbox = outbox
        self._inbox = inbox
        self._timeout_s = timeout_s
        self._taps = taps
        self._closed = threading.Event()

    def send(self, data: bytes) -> None:
        if self._closed.is_set():
            raise ChannelClosed(f"{self._direction}: the channel is closed")
        for tap in self._taps:
            tap(self._direction, data)
        self._outbox.put(data)

    def receive(self) -> bytes:
        try:
            data = self._inbox.get(timeout=self._timeout_s)
        except queue.Empty:
            raise ChannelClosed(
                f"{self._direction}: no message within {self._timeout_s:g} s"
            ) from None
        if data is None:
            self._closed.set()
            raise ChannelClosed(f"{self._direction}: the other half closed the channel")
        return data

    def close(self) -> None:
        if not self._closed.is_set():
            self._closed.set()
            self._outbox.put(None)


def local_channel(
    timeout_s: float = 120.0, taps: list[Tap] | None = None
) -> tuple[LocalPort, LocalPort]:
    """Alice's and Bob's end of a channel in this process; every message passes the `taps`."""
    to_bob: queue.Queue[bytes | None] = queue.Queue()
    to_alice: queue.Queue[bytes | None] = queue.Queue()
    shared = taps if taps is not None else []
    alice = LocalPort("alice->bob", to_bob, to_alice, timeout_s, shared)
    bob = LocalPort("bob->alice", to_alice, to_bob, timeout_s, shared)
    return alice, bob


class Conversation:
    """Typed messages over a port.

    Listeners see every byte string sent and received, in order, other than transcript tags: those
    authenticate what was said before them.
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self.on_sent: list[Callable[[bytes], None]] = []
        self.on_received: list[Callable[[bytes], None]] = []

    def send(self, message: Message) -> None:
        data = encode(message)
        if not isinstance(message, TranscriptTag):
            for listener in self.on_sent:
                listener(data)
        self._port.send(data)

    def receive(self) -> Message:
        data = self._port.receive()
        message = decode(data)
        if not isinstance(message, TranscriptTag):
            for listener in self.on_received:
                listener(data)
        return message

    def expect(self, kind: type[M]) -> M:
        """Next message, which must be of `kind`; a `Goodbye` instead raises `ChannelClosed`."""
        message = self.receive()
        if isinstance(message, kind):
            return message
        if isinstance(message, Goodbye):
            raise ChannelClosed(f"the other half left: {message.reason}")
        raise MessageError(f"expected {kind.__name__}, got {type(message).__name__}")

    def ask(self, question: Message, answer: type[M]) -> M:
        """Send `question` and return the answer."""
        self.send(question)
        return self.expect(answer)

    def close(self) -> None:
        self._port.close()
