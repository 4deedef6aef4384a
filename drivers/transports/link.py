"""`Link`: the one thread that owns a connection, and the queue of transactions before it."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from qnlab.drivers.transports.stream import ByteStream
from qnlab.drivers.transports.trace import Event, Trace
from qnlab.errors import Busy, CommandRejected, Disconnected, ProtocolError, Timeout

T = TypeVar("T")

SLICE_S = 0.2
LONGEST_WRITE_S = 10.0
MOST_BYTES = 1 << 26


@dataclass(order=True, slots=True)
class _Job:
    rank: int
    number: int
    command: str = field(compare=False)
    deadline: float = field(compare=False)
    action: Callable[[Channel], Any] = field(compare=False)
    future: Future[Any] = field(compare=False)


class Channel:
    """The connection within one transaction; every call keeps the transaction's deadline."""

    def __init__(self, link: Link, job: _Job) -> None:
        self._link = link
        self._job = job

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        self._link.trace_note("write", data)
        self._link.stream.write(data, min(self.remaining(), LONGEST_WRITE_S))

    def read_until(self, end: bytes) -> bytes:
        """Bytes up to and with `end`."""
        searched = 0
        received = self._link.received
        while (at := received.find(end, searched)) < 0:
            searched = max(len(received) - len(end) + 1, 0)
            self._receive()
        return self._take(at + len(end))

    def read_exact(self, n: int) -> bytes:
        """Exactly `n` bytes."""
        while len(self._link.received) < n:
            self._receive()
        return self._take(n)

    def read_some(self, wait_s: float) -> bytes:
        """What has arrived, waiting for at most `wait_s`; may be empty."""
        if not self._link.received:
            self._receive(wait_s)
        return self._take(len(self._link.received))

    def drain(self, quiet_s: float) -> None:
        """Drop what arrives until nothing has come for `quiet_s`."""
        while data := self._link.stream.read(min(self.remaining(), quiet_s)):
            self._link.trace_note("read", data)
        self._link.received.clear()

    def _take(self, n: int) -> bytes:
        taken = bytes(self._link.received[:n])
        del self._link.received[:n]
        return taken

    def _receive(self, wait_s: float = SLICE_S) -> None:
        if len(self._link.received) > MOST_BYTES:
            raise ProtocolError(
                self._link.device, "the reply has no end", command=self._job.command,
                expected=f"at most {MOST_BYTES} bytes",
            )  # fmt: skip
        data = self._link.stream.read(min(self.remaining(), wait_s))
        if data:
            self._link.trace_note("read", data)
            self._link.received += data

    def remaining(self) -> float:
        """Seconds to the deadline.

        Raises
        ------
        Timeout
            It has passed.
        Busy
            The device is to be made safe: this transaction is given up.
        """
        left = self._job.deadline - time.monotonic()
        if left <= 0:
            raise Timeout(
                self._link.device, "no complete reply in time", command=self._job.command,
                last=bytes(self._link.received[-40:]) or None,
            )  # fmt: skip
        if self._job.rank > 0 and self._link.is_urgent():
            raise Busy(
                self._link.device, "given up for a command to make the device safe",
                command=self._job.command,
            )  # fmt: skip
        return left


class Link:
    """Runs transactions one after the other in a thread of its own.

    A transaction that ends in a time-out, is given up, or breaks the protocol leaves bytes behind
    that belong to nobody, and a device may send what nobody asked for: the link then connects anew
    before the next transaction, so that no byte is taken for the answer to another query.
    A link that was lost stays lost until `reconnect`, which is also how it begins: the device may
    have forgotten its settings.

    Parameters
    ----------
    device : str
        Name of the instrument, for errors.
    stream : ByteStream
        The connection; nobody else may use it.
    greet : callable, optional
        First transaction on every new connection.
    trace : Trace, optional
    """

    def __init__(
        self,
        device: str,
        stream: ByteStream,
        *,
        greet: Callable[[Channel], object] | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.device = device
        self.stream = stream
        self.received = bytearray()
        self._greet = greet
        self._trace = trace
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._urgent = 0
        self._connected = False
        self._unclear = False
        self._closed = False
        self._start()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._work, name=f"link {self.device}", daemon=True)
        self._thread.start()

    def submit(
        self,
        action: Callable[[Channel], T],
        *,
        command: str,
        timeout_s: float,
        urgent: bool = False,
    ) -> Future[T]:
        """Queue a transaction.

        Parameters
        ----------
        action : callable
            Writes and reads on the channel it is given; what it returns is the result.
        command : str
            Name for errors.
        timeout_s : float
            From now to the end; a transaction that is still queued then is never begun.
        urgent : bool
            Makes the device safe: goes before all others, and the one under way is given up.
        """
        future: Future[T] = Future()
        deadline = time.monotonic() + timeout_s
        with self._lock:
            if self._closed:
                raise Disconnected(self.device, "the link is closed", command=command)
            self._urgent += urgent
            rank = 0 if urgent else 1
            self._jobs.put(_Job(rank, next(self._numbers), command, deadline, action, future))
        return future

    def run(
        self,
        action: Callable[[Channel], T],
        *,
        command: str,
        timeout_s: float = 2.0,
        urgent: bool = False,
    ) -> T:
        """`submit` and wait.

        Raises
        ------
        Timeout, Disconnected, ProtocolError
            Of the link.
        Busy
            Given up for an urgent transaction.
        """
        return self.submit(action, command=command, timeout_s=timeout_s, urgent=urgent).result()

    def query(self, data: bytes, end: bytes, *, timeout_s: float = 2.0) -> bytes:
        """Send `data` and return the reply without its `end`."""

        def ask(channel: Channel) -> bytes:
            channel.write(data)
            return channel.read_until(end).removesuffix(end)

        return self.run(ask, command=data.decode("latin-1").strip(), timeout_s=timeout_s)

    def reconnect(self, timeout_s: float = 2.0) -> None:
        """Connect, or connect anew; also after `close`."""
        with self._lock:
            if self._closed:
                self._closed = False
                self._start()
        self.run(self._connect, command="reconnect", timeout_s=timeout_s)

    def close(self) -> None:
        """Finish what is queued, hang up and end the thread. Idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                done: Future[Any] = Future()
                last = _Job(2, next(self._numbers), "close", float("inf"), lambda _: None, done)
                self._jobs.put(last)
        self._thread.join()

    def is_urgent(self) -> bool:
        """True if an urgent transaction waits."""
        return self._urgent > 0

    def trace_note(self, event: Event, data: bytes = b"", text: str = "") -> None:
        """Tell the trace, if there is one."""
        if self._trace is not None:
            self._trace.note(event, data, text)

    def _work(self) -> None:
        while (job := self._jobs.get()).rank < 2:
            if job.rank == 0:
                with self._lock:
                    self._urgent -= 1
            if job.future.set_running_or_notify_cancel():
                self._perform(job)
        self.stream.close()
        self._connected = False
        self.trace_note("close")
        job.future.set_result(None)

    def _perform(self, job: _Job) -> None:
        try:
            result = self._transact(job)
        except BaseException as error:  # noqa: BLE001 - whoever asked gets it
            self._connected = self._connected and not isinstance(error, Disconnected)
            self._unclear = self._unclear or not isinstance(error, CommandRejected)
            self.trace_note("error", text=f"{type(error).__name__}: {error}")
            job.future.set_exception(error)
        else:
            job.future.set_result(result)
        self._unclear = self._unclear or bool(self.received)

    def _transact(self, job: _Job) -> Any:
        if time.monotonic() >= job.deadline:
            raise Timeout(
                self.device, "its turn came too late, nothing was sent", command=job.command
            )
        channel = Channel(self, job)
        if job.action != self._connect:
            if not self._connected:
                raise Disconnected(
                    self.device, "not connected: reconnect first", command=job.command
                )
            if self._unclear or self.stream.read(0.0):
                self._connect(channel)
        return job.action(channel)

    def _connect(self, channel: Channel) -> None:
        self._connected = False
        self.received.clear()
        self.stream.open(channel.remaining())
        self.trace_note("open")
        self._connected, self._unclear = True, False
        if self._greet is not None:
            self._greet(channel)
