"""The port within a process: a bus that keeps the last message of each topic."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from qnlab.errors import NotSupported, PortClosed, QnlabError, TooLate
from qnlab.port.message import Answer, Call, Message, arguments_of, failure, matches, value_of
from qnlab.port.port import Latest, Lossless

Service = Callable[[dict[str, Any]], Any]
Listener = Callable[[Message], None]


class Bus:
    """Publishes topics and serves calls; is itself the `Port` of clients in this process.

    Parameters
    ----------
    name : str
        Whose bus it is, as `presence` tells.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._retained: dict[str, Message] = {}
        self._listeners: dict[int, tuple[str, Listener]] = {}
        self._numbers = itertools.count()
        self._services: dict[str, tuple[Service, ThreadPoolExecutor]] = {}
        self._general = ThreadPoolExecutor(4, thread_name_prefix="service")
        self._urgent = ThreadPoolExecutor(1, thread_name_prefix="urgent")
        self._lease = ""
        self._leases = itertools.count(1)
        self._closed = False
        self.serve("lease.acquire", self._acquire)

    # --- the host's side ----------------------------------------------------------------------

    def publish(self, topic: str, body: Mapping[str, Any]) -> Message:
        """Retain a message and give it to all whose pattern fits."""
        with self._lock:
            last = self._retained.get(topic)
            sequence = last.sequence + 1 if last else 0
            message = Message(topic, sequence, time.time(), dict(body))
            self._retained[topic] = message
            listeners = [listen for pattern, listen in self._listeners.values()
                         if matches(pattern, topic)]  # fmt: skip
        for listen in listeners:
            listen(message)
        return message

    def serve(self, service: str, handler: Service, *, urgent: bool = False) -> None:
        """Answer calls of `service`; urgent ones have a thread of their own."""
        self._services[service] = (handler, self._urgent if urgent else self._general)

    def listen(self, pattern: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each message in the publisher's thread; returns how to end it."""
        with self._lock:
            number = next(self._numbers)
            self._listeners[number] = (pattern, listener)
        return lambda: self._forget(number)

    def _forget(self, number: int) -> None:
        with self._lock:
            self._listeners.pop(number, None)

    def retained(self) -> list[Message]:
        """The last message of every topic."""
        with self._lock:
            return list(self._retained.values())

    def answer(self, call: Call) -> Future[Answer]:
        """Execute a call on a thread of its service, unless it is too late by then."""
        known = self._services.get(call.service)
        if known is None:
            refused: Future[Answer] = Future()
            error = NotSupported(self.name, "no such service", command=call.service)
            refused.set_result(failure(error))
            return refused
        handler, threads = known
        try:
            return threads.submit(self._execute, handler, call)
        except RuntimeError as error:
            raise PortClosed(f"{self.name} is closed") from error

    def _execute(self, handler: Service, call: Call) -> Answer:
        try:
            if time.time() > call.deadline_s:
                late = time.time() - call.deadline_s
                raise TooLate(f"{call.service}: {late:.2f} s after its deadline, not executed")
            if call.lease is not None and call.lease != self._lease:
                raise TooLate(f"{call.service}: its lease is over, not executed")
            return Answer(handler(arguments_of(call.arguments)))
        except QnlabError as error:
            return failure(error)
        except Exception as error:  # noqa: BLE001 - a client learns of it; the host lives on
            return Answer(error="QnlabError", text=f"{call.service}: {error!r}")

    def _acquire(self, arguments: dict[str, Any]) -> str:
        """A lease for the caller; the one given before is over."""
        self._lease = f"{next(self._leases)}:{arguments.get('holder', '')}"
        return self._lease

    # --- a client's side ----------------------------------------------------------------------

    def latest(self, topic: str) -> Message | None:
        with self._lock:
            return self._retained.get(topic)

    def call(
        self,
        service: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        deadline_s: float = 5.0,
        lease: str | None = None,
    ) -> Future[Any]:
        call = Call(service, arguments_of(arguments), time.time() + deadline_s, lease)
        result: Future[Any] = Future()

        def finish(answered: Future[Answer]) -> None:
            try:
                result.set_result(value_of(answered.result()))
            except QnlabError as error:
                result.set_exception(error)

        self.answer(call).add_done_callback(finish)
        return result

    def subscribe_latest(self, pattern: str) -> Latest:
        latest = Latest(lambda: end())
        end = self.listen(pattern, latest.put)
        for message in self.retained():
            if matches(pattern, message.topic):
                latest.put(message)
        return latest

    def subscribe_lossless(self, pattern: str, capacity: int = 10_000) -> Lossless:
        lossless = Lossless(capacity, lambda: end())
        end = self.listen(pattern, lossless.put)
        return lossless

    def presence(self) -> frozenset[str]:
        return frozenset() if self._closed else frozenset({self.name})

    def close(self) -> None:
        self._closed = True
        self._general.shutdown(wait=False, cancel_futures=True)
        self._urgent.shutdown(wait=False, cancel_futures=True)
