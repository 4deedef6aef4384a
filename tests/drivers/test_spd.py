"""S-Fifteen single-photon detector: its commands, faults, and the contract on the wire."""

import pytest

from qnlab.bench import BenchContext, InstrumentSpec, load_bench, open_bench
from qnlab.clock import VirtualClock
from qnlab.drivers.sfifteen_spd import SfifteenSpd
from qnlab.errors import OutOfRange, ProtocolError, Timeout
from qnlab.instruments import contract
from qnlab.instruments.contract import Context
from qnlab.instruments.roles import SinglePhotonDetector

from .scripted import ScriptedStream

GREETING = [(b"*idn?\r\n", b"SPD 12\r\n"), (b"hvolt?\r\n", b"0.0\r\n")]
NOT_TRIED = {"detector_recovers_from_latching"}


@pytest.fixture
def scripted():
    stream = ScriptedStream(*GREETING)
    spec = InstrumentSpec("spd", "lab", "SinglePhotonDetector", "scripted", "serial:/dev/ttyACM0")
    device = SfifteenSpd(spec, BenchContext(VirtualClock(), 0, None, {}), stream).open()
    stream.finish()
    yield device, stream
    device.close()
    stream.finish()


def test_it_is_biased_only_when_enabled(scripted) -> None:
    device, stream = scripted
    stream.expect((b"hvolt?\r\n", b"0.0\r\n"))
    assert device.apply({"bias": 105.5})["bias"].value == 105.5
    off, on = (b"hvolt?\r\n", b"0.0\r\n"), (b"hvolt?\r\n", b"105.5\r\n")
    stream.expect(off, (b"hvolt 105.50\r\n", b""), on)
    device.enable()
    stream.expect(on, (b"hvolt 99.25\r\n", b""))
    device.apply({"bias": 99.25})
    stream.expect((b"hvolt 0.00\r\n", b""))
    device.safe_state()


def test_without_a_bias_it_cannot_be_enabled(scripted) -> None:
    device, stream = scripted
    stream.expect((b"hvolt?\r\n", b"0.0\r\n"))
    with pytest.raises(OutOfRange, match="spd: no bias to enable it with"):
        device.enable()


def test_it_counts(scripted) -> None:
    device, stream = scripted
    stream.expect((b"time 100\r\n", b""), (b"counts?\r\n", b"5321\r\n"))
    assert device.count_rate(0.1).value == 53_210.0


def test_it_is_cooled(scripted) -> None:
    device, stream = scripted
    before = (b"settemp?\r\n", b"-20.0\r\n")
    stream.expect(before, (b"settemp -25.00\r\n", b""), (b"settemp?\r\n", b"-25.0\r\n"))
    assert device.apply({"temperature_k": 248.15})["temperature_k"].value == 248.15
    stream.expect((b"temp?\r\n", b"-12.5\r\n"), (b"settemp?\r\n", b"-25.0\r\n"))
    assert device.health().problems == ("+12.5 K off its temperature",)


def test_its_efficiency_is_what_the_user_states(scripted) -> None:
    device, _ = scripted
    assert device.capabilities.efficiency == 0.0
    device.apply({"efficiency": 0.23})
    assert device.capabilities.efficiency == 0.23


@pytest.fixture
def bench(tmp_path):
    detector = {
        "instruments.det_h.driver": "sfifteen-spd",
        "instruments.det_h.address": "sim",
        "instruments.det_h.settings.bias": 100.0,
    }
    with open_bench(load_bench("bb84-25km", detector), home=tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    "check", [pytest.param(c, id=c.name) for c in contract.checks_of(SinglePhotonDetector)]
)
def test_it_keeps_the_contract_of_its_role(bench, check) -> None:
    bench.instruments["laser"].enable()
    bench.instruments["attenuator"].apply({"attenuation_db": 80.0, "shutter_closed": False})
    try:
        check(bench.instruments["det_h"], Context(bench.clock))
    except contract.NotApplicable as reason:
        assert check.name in NOT_TRIED, reason  # noqa: PT017


def test_dark_counts_of_the_world(bench) -> None:
    """100 Hz for 10 s: 1000 counts, within six standard deviations."""
    detector = bench.instruments["det_h"]
    detector.enable()
    assert detector.count_rate(10.0).value == pytest.approx(100.0, abs=6 * 100**0.5 / 10**0.5)


def test_below_breakdown_nothing_counts(bench) -> None:
    detector = bench.instruments["det_h"]
    detector.apply({"bias": 60.0})
    detector.enable()
    assert detector.count_rate(1.0).value == 0.0


def test_a_garbled_and_a_lost_reply(bench) -> None:
    detector, wire = bench.instruments["det_h"], bench.wires["det_h"]
    wire.faults.add("garble")
    with pytest.raises(ProtocolError, match=r"det_h: .*hvolt\?"):
        detector.settings()
    wire.faults.add("drop")
    with pytest.raises(Timeout, match="det_h: no complete reply"):
        detector.settings()
    assert detector.settings()["bias"].value == 100.0


def test_no_reconnection_brings_the_bias_back(bench) -> None:
    detector = bench.instruments["det_h"]
    detector.enable()
    bench.wires["det_h"].device.power_cycle()
    detector.reconnect()
    assert detector.settings()["enabled"].value is False
    assert detector.settings()["bias"].value == 100.0
