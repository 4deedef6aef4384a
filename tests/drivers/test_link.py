"""A link over real sockets: split, late, frozen and broken peers; deadlines; safe state first."""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qnlab.drivers.transports import JsonlTrace, Link, TcpStream
from qnlab.errors import Busy, CommandRejected, Disconnected, Timeout

Answer = Callable[[socket.socket, bytes, int], None]
"""Called with the connection, one line received, and the number of the connection."""


class Peer:
    """A device that answers lines as told."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.lines: list[bytes] = []
        self.connections = 0
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(
                target=self._serve, args=(connection, self.connections), daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            with connection, connection.makefile("rb") as reader:
                for line in reader:
                    self.lines.append(line)
                    self._answer(connection, line, number)
        except OSError:
            return

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._open:
            connection.close()
        self._accepting.join(5)
        for thread in self._threads:
            thread.join(5)


@contextmanager
def linked(answer: Answer, **options):
    peer = Peer(answer)
    link = Link("laser", TcpStream("laser", "127.0.0.1", peer.port), **options)
    try:
        link.reconnect()
        yield link, peer
    finally:
        link.close()
        peer.close()


def echo(connection: socket.socket, line: bytes, number: int) -> None:
    connection.sendall(b"re " + line)


def test_queries_are_answered_in_order_from_many_threads() -> None:
    replies: dict[int, bytes] = {}
    with linked(echo) as (link, _):

        def ask(k: int) -> None:
            replies[k] = link.query(b"q%d\n" % k, b"\n")

        threads = [threading.Thread(target=ask, args=(k,)) for k in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
    assert replies == {k: b"re q%d" % k for k in range(20)}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    replies=st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), max_size=5),
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=20),
)
def test_replies_cut_anywhere_are_read_whole(replies, cuts) -> None:
    def answer(connection: socket.socket, line: bytes, number: int) -> None:
        data = b"".join(reply + b"\n" for reply in replies) + b"end\n"
        for size in cuts:
            connection.sendall(data[:size])
            data = data[size:]
        connection.sendall(data)

    with linked(answer) as (link, _):

        def ask(channel):
            channel.write(b"go\n")
            got = [channel.read_until(b"\n") for _ in replies]
            return got, channel.read_exact(4)

        got, end = link.run(ask, command="go")
    assert got == [reply + b"\n" for reply in replies]
    assert end == b"end\n"


def test_a_late_reply_is_never_taken_for_the_next_one() -> None:
    release = threading.Event()

    def answer(connection: socket.socket, line: bytes, number: int) -> None:
        if line == b"slow\n":
            release.wait(5)
        connection.sendall(b"re " + line)

    with linked(answer) as (link, peer):
        with pytest.raises(Timeout, match=r"laser: no complete reply in time .*'slow'"):
            link.query(b"slow\n", b"\n", timeout_s=0.1)
        release.set()
        assert link.query(b"fast\n", b"\n") == b"re fast"
        assert peer.connections == 2


def test_a_frozen_device_costs_no_more_than_the_deadline() -> None:
    with linked(lambda *_: None) as (link, _):
        begin = time.monotonic()
        with pytest.raises(Timeout):
            link.query(b"hello\n", b"\n", timeout_s=0.3)
        assert 0.29 < time.monotonic() - begin < 0.6


def test_a_transaction_whose_turn_comes_too_late_is_never_sent() -> None:
    with linked(lambda *_: None) as (link, peer):
        first = link.submit(lambda c: c.read_exact(1), command="wait", timeout_s=0.3)
        late = link.submit(lambda c: c.write(b"late\n"), command="late", timeout_s=0.1)
        with pytest.raises(Timeout):
            first.result(5)
        with pytest.raises(Timeout, match=r"turn came too late, nothing was sent .*'late'"):
            late.result(5)
    assert peer.lines == []


def test_the_safe_state_goes_first_and_ends_what_is_under_way() -> None:
    begun = threading.Event()

    def answer(connection: socket.socket, line: bytes, number: int) -> None:
        if line == b"off\n":
            connection.sendall(b"ok\n")

    def endless(channel) -> None:
        begun.set()
        channel.read_exact(1)

    def off(channel) -> bytes:
        channel.write(b"off\n")
        return channel.read_until(b"\n")

    with linked(answer) as (link, peer):
        scan = link.submit(endless, command="scan", timeout_s=30)
        queued = link.submit(lambda c: c.write(b"on\n"), command="on", timeout_s=30)
        assert begun.wait(5)
        begin = time.monotonic()
        assert link.run(off, command="off", timeout_s=1, urgent=True) == b"ok\n"
        assert time.monotonic() - begin < 0.5
        with pytest.raises(Busy, match=r"given up .*'scan'"):
            scan.result(5)
        queued.result(5)
    assert peer.lines[0] == b"off\n"


def test_a_lost_link_stays_lost_until_it_is_made_anew() -> None:
    def answer(connection: socket.socket, line: bytes, number: int) -> None:
        if number == 1:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(b"re " + line)

    greeted: list[bytes] = []

    def greet(channel) -> None:
        greeted.append(b"hello")

    with linked(answer, greet=greet) as (link, _):
        begin = time.monotonic()
        with pytest.raises(Disconnected):
            link.query(b"a\n", b"\n", timeout_s=5)
        assert time.monotonic() - begin < 1
        with pytest.raises(Disconnected, match="reconnect first"):
            link.query(b"b\n", b"\n")
        link.reconnect()
        assert link.query(b"c\n", b"\n") == b"re c"
    assert greeted == [b"hello", b"hello"]


def test_nobody_there_is_disconnected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    link = Link("laser", TcpStream("laser", "127.0.0.1", port))
    with pytest.raises(Disconnected, match=f"laser: no connection to 127.0.0.1:{port}"):
        link.reconnect()
    link.close()
    link.close()
    with pytest.raises(Disconnected, match="the link is closed"):
        link.query(b"a\n", b"\n")


def test_leftover_bytes_do_not_reach_the_next_query() -> None:
    def answer(connection: socket.socket, line: bytes, number: int) -> None:
        connection.sendall(b"re " + line + b"more\n" * (number == 1))

    with linked(answer) as (link, peer):
        assert link.query(b"a\n", b"\n") == b"re a"
        assert link.query(b"b\n", b"\n") == b"re b"
        assert peer.connections == 2


def test_what_nobody_asked_for_is_not_taken_for_an_answer() -> None:
    spoken = threading.Event()

    def answer(connection: socket.socket, line: bytes, number: int) -> None:
        connection.sendall(b"re " + line)
        if line == b"a\n":
            threading.Timer(0.05, lambda: (connection.sendall(b"alarm\n"), spoken.set())).start()

    with linked(answer) as (link, _):
        assert link.query(b"a\n", b"\n") == b"re a"
        assert spoken.wait(5)
        assert link.query(b"b\n", b"\n") == b"re b"


def test_the_median_query_takes_less_than_two_milliseconds() -> None:
    with linked(echo) as (link, _):
        took = []
        for _ in range(200):
            begin = time.perf_counter()
            link.query(b"a\n", b"\n")
            took.append(time.perf_counter() - begin)
    assert sorted(took)[100] < 2e-3


def test_a_refusal_by_the_device_leaves_the_link_as_it_is() -> None:
    def refused(channel) -> None:
        channel.write(b"a\n")
        channel.read_until(b"\n")
        raise CommandRejected("laser", -222, "Data out of range", command="a")

    with linked(echo) as (link, peer):
        with pytest.raises(CommandRejected):
            link.run(refused, command="a")
        assert link.query(b"b\n", b"\n") == b"re b"
        assert peer.connections == 1


def test_the_trace_tells_what_went_over_the_link(tmp_path) -> None:
    path = tmp_path / "trace.jsonl"
    with JsonlTrace(path) as trace, linked(echo, trace=trace) as (link, _):
        link.query(b"a\n", b"\n")
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["event"] for event in events] == ["open", "write", "read", "close"]
    assert bytes.fromhex(events[1]["hex"]) == b"a\n"
    assert bytes.fromhex(events[2]["hex"]) == b"re a\n"
    times = [event["t"] for event in events]
    assert times == sorted(times)
