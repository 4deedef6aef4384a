"""The classical channel: the only thing that Alice's and Bob's halves share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
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
Tap = Callable[[str, bytes], None]


class ChannelClosed(QnlabError):
    """The other half has gone, or did not answer in time."""


class Port(Protocol):
    """One end of a duplex channel of byte strings."""

    def send(self, data: bytes) -> None: ...

    def receive(self) -> bytes:
        """Next byte string; raises `ChannelClosed` when there will be none."""

    def close(self) -> None: ...


class DirectPort:
    """Port to a half in this process that answers every byte string at once.

    Parameters
    ----------
    answer : callable
        Byte string to the byte strings that answer it.
    names : tuple of str
        This half and the other one; they name the direction to the taps.
    taps : sequence of callable
        ``tap(direction, data)``: sees every byte string.
    """

    def __init__(
        self,
        answer: Callable[[bytes], Iterable[bytes]],
        names: tuple[str, str] = ("bob", "alice"),
        taps: Sequence[Tap] = (),
    ) -> None:
        self._answer = answer
        self._there, self._back = "->".join(names), "->".join(reversed(names))
        self._taps = taps
        self._inbox: deque[bytes] = deque()
        self._closed = False

    def send(self, data: bytes) -> None:
        if self._closed:
            raise ChannelClosed(f"{self._there}: the channel is closed")
        self._tap(self._there, data)
        for answer in self._answer(data):
            self._tap(self._back, answer)
            self._inbox.append(answer)

    def receive(self) -> bytes:
        if not self._inbox:
            raise ChannelClosed(f"{self._back}: no answer")
        return self._inbox.popleft()

    def close(self) -> None:
        self._closed = True

    def _tap(self, direction: str, data: bytes) -> None:
        for tap in self._taps:
            tap(direction, data)


Listener = Callable[[bytes], None]


class Answering:
    """The half that only answers, as bytes in and bytes out; listeners as in `Conversation`."""

    def __init__(
        self,
        answer: Callable[[Message], Iterable[Message]],
        on_sent: Listener,
        on_received: Listener,
    ) -> None:
        self._answer = answer
        self._on_sent = on_sent
        self._on_received = on_received

    def __call__(self, data: bytes) -> Iterator[bytes]:
        message = decode(data)
        if not isinstance(message, TranscriptTag):
            self._on_received(data)
        for answer in self._answer(message):
            out = encode(answer)
            if not isinstance(answer, TranscriptTag):
                self._on_sent(out)
            yield out


class Conversation:
    """Typed messages over a port.

    Listeners see every byte string sent and received, in order, other than transcript tags: those
    authenticate what was said before them.
    """

    def __init__(self, port: Port, on_sent: Listener, on_received: Listener) -> None:
        self._port = port
        self._on_sent = on_sent
        self._on_received = on_received

    def send(self, message: Message) -> None:
        data = encode(message)
        if not isinstance(message, TranscriptTag):
            self._on_sent(data)
        self._port.send(data)

    def receive(self) -> Message:
        data = self._port.receive()
        message = decode(data)
        if not isinstance(message, TranscriptTag):
            self._on_received(data)
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
