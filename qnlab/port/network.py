"""The port between processes and machines, carried by zenoh.

A host lets clients on its own machine in by TCP on a loopback address. Another address needs
mutual TLS, else it is refused.
"""

from __future__ import annotations

import ipaddress
import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import zenoh

from qnlab.errors import Disconnected, PortClosed, QnlabError, Timeout
from qnlab.port.bus import Bus
from qnlab.port.message import Answer, Call, Message, arguments_of, encoded, matches, value_of
from qnlab.port.port import Latest, Lossless

TOPICS, RETAINED, CALLS, ALIVE = "qnlab/topic", "qnlab/retained", "qnlab/call", "qnlab/alive"
DEFAULT_ADDRESS = "127.0.0.1:7447"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files of mutual TLS (PEM): the authority's certificate, own certificate and private key."""

    authority: Path
    certificate: Path
    key: Path


def _config(address: str, way: str, credentials: Credentials | None) -> zenoh.Config:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise QnlabError(f"address {address!r} should be HOST:PORT, such as {DEFAULT_ADDRESS}")
    if credentials is None and not _is_loopback(host):
        raise QnlabError(
            f"address {address}: only loopback goes without TLS; give authority, certificate and "
            "key for another"
        )
    config = zenoh.Config()
    settings: dict[str, Any] = {
        "mode": "peer" if way == "listen" else "client",
        f"{way}/endpoints": [f"{'tls' if credentials else 'tcp'}/{address}"],
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
    }
    if credentials is not None:
        side = "listen" if way == "listen" else "connect"
        settings |= {
            "transport/link/tls/root_ca_certificate": str(credentials.authority),
            f"transport/link/tls/{side}_certificate": str(credentials.certificate),
            f"transport/link/tls/{side}_private_key": str(credentials.key),
            "transport/link/tls/enable_mtls": True,
        }
    if way == "connect":
        settings["connect/timeout_ms"] = 2000
    for key, value in settings.items():
        config.insert_json5(key, json.dumps(value))
    return config


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Gateway:
    """Lets clients of other processes reach a bus.

    Parameters
    ----------
    bus : Bus
    address : str
        ``HOST:PORT`` to listen on.
    credentials : Credentials, optional
        Needed for any address but loopback.

    Raises
    ------
    QnlabError
        The address cannot be listened on, or is not allowed.
    """

    def __init__(
        self, bus: Bus, address: str = DEFAULT_ADDRESS, credentials: Credentials | None = None
    ) -> None:
        self.address = address
        self._bus = bus
        try:
            self._session = zenoh.open(_config(address, "listen", credentials))
        except zenoh.ZError as error:
            raise QnlabError(f"cannot listen on {address}: {error}") from error
        self._replies = ThreadPoolExecutor(1, thread_name_prefix="replies")
        self._calls = self._session.declare_queryable(f"{CALLS}/**", self._on_call)
        self._retained = self._session.declare_queryable(f"{RETAINED}/**", self._on_retained)
        self._end = bus.listen("**", self._on_message)
        self._token = self._session.liveliness().declare_token(f"{ALIVE}/{bus.name}")

    def _on_message(self, message: Message) -> None:
        self._session.put(
            f"{TOPICS}/{message.topic}",
            encoded(message),
            congestion_control=zenoh.CongestionControl.BLOCK,
        )

    def _on_retained(self, query: zenoh.Query) -> None:
        with query:
            for message in self._bus.retained():
                query.reply(f"{RETAINED}/{message.topic}", encoded(message))

    def _on_call(self, query: zenoh.Query) -> None:
        try:
            call = msgspec.json.decode(bytes(query.payload or b""), type=Call)
        except msgspec.MsgspecError as error:
            answer = Answer(error="QnlabError", text=f"malformed call: {error}")
            with query:
                query.reply(query.key_expr, encoded(answer))
            return

        def finish(answered: Future[Answer]) -> None:
            with query:
                query.reply(query.key_expr, encoded(answered.result()))

        self._bus.answer(call).add_done_callback(finish)

    def close(self) -> None:
        """Let nobody in any more; the bus goes on."""
        self._end()
        self._token.undeclare()
        self._replies.shutdown(wait=False)
        self._session.close()


class NetworkPort:
    """A `Port` to the host that listens on an address.

    Parameters
    ----------
    address : str
        ``HOST:PORT``.
    credentials : Credentials, optional
        Needed for any address but loopback.

    Raises
    ------
    Disconnected
        Nobody answers there.
    """

    def __init__(
        self, address: str = DEFAULT_ADDRESS, credentials: Credentials | None = None
    ) -> None:
        self.address = address
        try:
            self._session = zenoh.open(_config(address, "connect", credentials))
        except zenoh.ZError as error:
            raise Disconnected("host", f"no bench host at {address}") from error
        self._lock = threading.Lock()
        self._retained: dict[str, Message] = {}
        self._subscribers: list[tuple[str, Latest | Lossless]] = []
        self._waiting = ThreadPoolExecutor(8, thread_name_prefix="port")
        self._closed = False
        self._topics = self._session.declare_subscriber(f"{TOPICS}/**", self._on_sample)
        self._alive: set[str] = set()
        self._watch = self._session.liveliness().declare_subscriber(
            f"{ALIVE}/*", self._on_alive, history=True
        )
        for reply in self._session.get(f"{RETAINED}/**", timeout=2.0):
            if reply.ok is not None:
                self._take(msgspec.json.decode(bytes(reply.ok.payload), type=Message))

    def _on_alive(self, sample: zenoh.Sample) -> None:
        name = str(sample.key_expr).rpartition("/")[2]
        with self._lock:
            if sample.kind == zenoh.SampleKind.PUT:
                self._alive.add(name)
            else:
                self._alive.discard(name)

    def _on_sample(self, sample: zenoh.Sample) -> None:
        self._take(msgspec.json.decode(bytes(sample.payload), type=Message))

    def _take(self, message: Message) -> None:
        with self._lock:
            known = self._retained.get(message.topic)
            if known is not None and known.time_s > message.time_s:
                return
            self._retained[message.topic] = message
            fitting = [s for pattern, s in self._subscribers if matches(pattern, message.topic)]
        for subscriber in fitting:
            subscriber.put(message)

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
        try:
            return self._waiting.submit(self._ask, call, deadline_s)
        except RuntimeError as error:
            raise PortClosed(f"the port to {self.address} is closed") from error

    def _ask(self, call: Call, deadline_s: float) -> Any:
        replies = self._session.get(
            f"{CALLS}/{call.service}", payload=encoded(call), timeout=deadline_s
        )
        for reply in replies:
            if reply.ok is not None:
                return value_of(msgspec.json.decode(bytes(reply.ok.payload), type=Answer))
        if not self.presence():
            raise Disconnected("host", f"no bench host at {self.address}", command=call.service)
        raise Timeout("host", f"no answer within {deadline_s:g} s", command=call.service)

    def subscribe_latest(self, pattern: str) -> Latest:
        latest = Latest(lambda: self._drop(latest))
        with self._lock:
            self._subscribers.append((pattern, latest))
            known = [m for m in self._retained.values() if matches(pattern, m.topic)]
        for message in known:
            latest.put(message)
        return latest

    def subscribe_lossless(self, pattern: str, capacity: int = 10_000) -> Lossless:
        lossless = Lossless(capacity, lambda: self._drop(lossless))
        with self._lock:
            self._subscribers.append((pattern, lossless))
        return lossless

    def _drop(self, gone: Latest | Lossless) -> None:
        with self._lock:
            self._subscribers = [(p, s) for p, s in self._subscribers if s is not gone]

    def presence(self) -> frozenset[str]:
        with self._lock:
            return frozenset() if self._closed else frozenset(self._alive)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._waiting.shutdown(wait=False, cancel_futures=True)
            self._session.close()
