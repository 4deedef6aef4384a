"""Both carriers of the port keep the same promises."""

import socket
import threading
import time

import pytest

from qnlab.errors import OutOfRange, QnlabError, TooLate
from qnlab.port import Bus
from qnlab.port.message import matches
from qnlab.port.network import Gateway, NetworkPort


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


@pytest.fixture(params=["in process", "zenoh"])
def ends(request):
    """A bus and a client's port to it."""
    bus = Bus("host")
    if request.param == "in process":
        yield bus, bus
        bus.close()
        return
    gateway = Gateway(bus, free_address())
    port = NetworkPort(gateway.address)
    until(port.presence)
    yield bus, port
    port.close()
    gateway.close()
    bus.close()


def test_the_last_message_of_a_topic_is_retained(ends):
    bus, port = ends
    for value in range(3):
        bus.publish("rates/tagger", {"value": value})
    until(lambda: (m := port.latest("rates/tagger")) is not None and m.body["value"] == 2)
    assert port.latest("rates/tagger").sequence == 2
    assert port.latest("rates/other") is None
    assert port.latest("rates/tagger").age_s < 5


def test_a_late_subscriber_gets_what_is_retained(ends):
    bus, port = ends
    bus.publish("instrument/laser", {"on": True})
    until(lambda: port.latest("instrument/laser"))
    latest = port.subscribe_latest("instrument/*")
    assert latest.take()["instrument/laser"].body == {"on": True}
    assert latest.take() == {}


def test_latest_conflates_and_never_waits(ends):
    bus, port = ends
    latest = port.subscribe_latest("a/**")
    for value in range(1000):
        bus.publish("a/b/c", {"value": value})
    until(lambda: port.latest("a/b/c").sequence == 999)
    taken = latest.take()
    assert list(taken) == ["a/b/c"]
    assert taken["a/b/c"].body == {"value": 999}


def test_lossless_holds_the_publisher_up_and_loses_nothing(ends):
    bus, port = ends
    lossless = port.subscribe_lossless("log", capacity=10)
    sending = threading.Thread(
        target=lambda: [bus.publish("log", {"value": value}) for value in range(2000)]
    )
    sending.start()
    got = []
    while len(got) < 2000:
        message = lossless.read(5.0)
        assert message is not None
        got.append(message.body["value"])
    sending.join(5)
    assert got == list(range(2000))
    lossless.close()
    bus.publish("log", {"value": -1})


def test_a_call_returns_its_value(ends):
    bus, port = ends
    bus.serve("add", lambda arguments: arguments["a"] + arguments["b"])
    assert port.call("add", {"a": 2, "b": 3}).result(5) == 5


def test_an_error_comes_back_as_one_of_the_tree(ends):
    bus, port = ends

    def refuse(arguments):
        raise OutOfRange("laser", "power out of range", command="power_w", last=arguments["power"])

    bus.serve("set", refuse)
    with pytest.raises(OutOfRange, match="power out of range") as caught:
        port.call("set", {"power": 7}).result(5)
    assert (caught.value.device, caught.value.command, caught.value.last) == ("laser", "power_w", 7)
    with pytest.raises(QnlabError, match="no such service"):
        port.call("nothing").result(5)


def test_a_broken_service_does_not_end_the_host(ends):
    bus, port = ends
    bus.serve("break", lambda arguments: 1 / 0)
    bus.serve("well", lambda arguments: "yes")
    with pytest.raises(QnlabError, match="division by zero"):
        port.call("break").result(5)
    assert port.call("well").result(5) == "yes"


def test_a_late_command_is_refused_and_never_executed(ends):
    bus, port = ends
    begun, going, done = threading.Event(), threading.Event(), []
    bus.serve("slow", lambda arguments: (begun.set(), going.wait(5)), urgent=True)
    bus.serve("late", lambda arguments: done.append(1), urgent=True)
    slow = port.call("slow", deadline_s=5.0)
    begun.wait(5)
    late = port.call("late", deadline_s=0.2)
    time.sleep(0.3)
    going.set()
    with pytest.raises(QnlabError):
        late.result(5)
    slow.result(5)
    port.call("lease.acquire").result(5)
    assert done == []


def test_only_the_last_lease_counts(ends):
    bus, port = ends
    bus.serve("move", lambda arguments: "moved")
    first = port.call("lease.acquire", {"holder": "one"}).result(5)
    assert port.call("move", lease=first).result(5) == "moved"
    second = port.call("lease.acquire", {"holder": "two"}).result(5)
    with pytest.raises(TooLate, match="lease is over"):
        port.call("move", lease=first).result(5)
    assert port.call("move", lease=second).result(5) == "moved"


def test_urgent_services_do_not_wait_for_others(ends):
    bus, port = ends
    going = threading.Event()
    bus.serve("hang", lambda arguments: going.wait(10))
    bus.serve("stop_all", lambda arguments: "stopped", urgent=True)
    hanging = [port.call("hang", deadline_s=10) for _ in range(6)]
    assert port.call("stop_all").result(2) == "stopped"
    going.set()
    for call in hanging:
        call.result(10)


def test_presence(ends):
    _, port = ends
    assert port.presence() == {"host"}


def test_a_host_that_goes_is_missed_within_a_second():
    bus = Bus("host")
    gateway = Gateway(bus, free_address())
    port = NetworkPort(gateway.address)
    until(port.presence)
    gateway.close()
    until(lambda: not port.presence(), 1.0)
    with pytest.raises(QnlabError, match="no bench host"):
        port.call("anything", deadline_s=0.5).result(5)
    port.close()
    bus.close()


def test_nobody_there_is_said_clearly():
    with pytest.raises(QnlabError, match="no bench host at 127"):
        NetworkPort(free_address())


@pytest.mark.parametrize("address", ["0.0.0.0:7447", "192.0.2.1:7447", "example.org:7447"])
def test_other_addresses_need_tls(address):
    bus = Bus("host")
    with pytest.raises(QnlabError, match="TLS"):
        Gateway(bus, address)
    bus.close()


@pytest.mark.parametrize("address", ["7447", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:0"])
def test_malformed_addresses_are_refused(address):
    with pytest.raises(QnlabError, match="HOST:PORT"):
        NetworkPort(address)


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        ("**", "a/b", True), ("a/*", "a/b", True), ("a/*", "a/b/c", False), ("a/**", "a/b/c", True),
        ("a/b", "a/b", True), ("a/b", "a/c", False), ("*/b", "a/b", True), ("a/**", "b/c", False),
    ],
)  # fmt: skip
def test_patterns(pattern, topic, fits):
    assert matches(pattern, topic) == fits
