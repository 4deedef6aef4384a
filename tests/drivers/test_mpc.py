"""The paddles: exact bytes, the contract over the wire, homing, stopping, faults."""

import time

import pytest

from qnlab.bench import BenchContext, InstrumentSpec, load_bench, open_bench
from qnlab.clock import VirtualClock
from qnlab.drivers.thorlabs_mpc import ThorlabsMpc
from qnlab.errors import BenchError, Disconnected, NotHomed, ProtocolError, Timeout
from qnlab.instruments import contract
from qnlab.instruments.contract import Context, NotApplicable
from qnlab.instruments.roles import PolarizationController
from qnlab.values import Alarm

from .scripted import ScriptedStream

PADDLES = {
    "world.controller": "paddles",
    "instruments.epc.driver": "thorlabs-mpc",
}
STATUS_1 = bytes.fromhex("900401005001")
AT_685 = bytes.fromhex("91040e0081500100ad0200000000000000250010")
AT_0 = bytes.fromhex("91040e00815001000000000000000000" + "00250010")
COMPLETED = bytes.fromhex("640401000150")


def info(model: bytes) -> bytes:
    rest = b"\x2c\x00" + b"\x03\x02\x01\x00" + bytes(60) + b"\x01\x00\x01\x00\x03\x00"
    return bytes.fromhex("060054008150") + b"\x01\xd6\x43\x02" + model.ljust(8, b"\0") + rest


def opening(model: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (bytes.fromhex("120000005001"), b""),
        (bytes.fromhex("050000005001"), info(model)),
    ]


def made(stream: ScriptedStream) -> ThorlabsMpc:
    spec = InstrumentSpec("epc", "bob", "PolarizationController", "thorlabs-mpc", "serial:x")
    return ThorlabsMpc(spec, BenchContext(VirtualClock(), 0, None, {}), stream).open()


@pytest.fixture
def scripted():
    stream = ScriptedStream(*opening(b"MPC320"))
    device = made(stream)
    yield device, stream
    device.close()
    stream.finish()


@pytest.fixture
def bench(tmp_path):
    with open_bench(load_bench("bb84-25km-wire", PADDLES), home=tmp_path) as opened:
        yield opened


def test_identity_comes_from_the_hardware_information(scripted) -> None:
    device, _ = scripted
    who = device.identity
    assert (who.vendor, who.model, who.serial, who.firmware) == (
        "Thorlabs", "MPC320", "38000129", "1.2.3",
    )  # fmt: skip


def test_a_move_is_enabled_sent_and_watched(scripted) -> None:
    device, stream = scripted
    stream.expect(
        (STATUS_1, AT_0),
        (STATUS_1, AT_0),
        (bytes.fromhex("100201015001"), b""),
        (bytes.fromhex("53040600d0010100ad020000"), b""),
        (STATUS_1, AT_0),
        (bytes.fromhex("920400005001"), b""),
        (STATUS_1, COMPLETED + AT_685),
        (STATUS_1, AT_685),
    )
    assert device.apply({"position.0": 85.0})["position.0"].value == 85.0


def test_another_model_is_refused() -> None:
    stream = ScriptedStream(*opening(b"KDC101"))
    with pytest.raises(ProtocolError, match=r"another model .*MPC220 or MPC320.*KDC101"):
        made(stream)


def test_two_paddles_of_an_mpc220() -> None:
    device = made(ScriptedStream(*opening(b"MPC220")))
    assert device.capabilities.actuators == 2
    device.close()


@pytest.mark.parametrize("bad", ["ffff00000150", "910400008250", "9104ffff8150"])
def test_bytes_out_of_step_are_no_message(scripted, bad) -> None:
    device, stream = scripted
    stream.expect((STATUS_1, bytes.fromhex(bad)))
    with pytest.raises(ProtocolError, match="epc: no message of a polarization controller"):
        device.positions()


CHECKS = [pytest.param(c, id=c.name) for c in contract.checks_of(PolarizationController)]


@pytest.mark.parametrize("check", CHECKS)
def test_the_paddles_keep_the_contract_of_their_role(bench, check) -> None:
    instrument, context = bench.instruments["epc"], Context(bench.clock)
    if check.name == "context_manager_is_safe":
        with pytest.raises(NotApplicable):
            check(instrument, context)
    else:
        check(instrument, context)


def test_the_paddles_of_the_world_turn(bench) -> None:
    taken = bench.instruments["epc"].move([0.0, 85.0, 170.0])
    assert taken == (0.0, 85.0, 170.0)
    assert bench.wires["epc"].port.commands == (0.0, 85.0, 170.0)


def test_after_a_loss_of_power_it_must_be_homed(bench) -> None:
    device, wire = bench.instruments["epc"], bench.wires["epc"]
    device.move([10.0, 20.0, 30.0])
    wire.device.power_cycle()
    device.reconnect()
    assert device.health().alarm is Alarm.MINOR
    with pytest.raises(NotHomed, match="paddle 1 is not homed"):
        device.move([10.0, 20.0, 30.0])
    device.home()
    assert device.positions() == (0.0, 0.0, 0.0)
    assert device.health().alarm is Alarm.NONE
    assert device.move([85.0, 85.0, 85.0]) == (85.0, 85.0, 85.0)


@pytest.mark.parametrize(("kind", "error"), [("merge", Timeout), ("garble", ProtocolError)])
def test_a_spoilt_reply_never_gives_a_wrong_position(bench, kind, error) -> None:
    device, wire = bench.instruments["epc"], bench.wires["epc"]
    taken = device.move([17.0, 34.0, 51.0])
    wire.faults.add(kind)
    with pytest.raises(error):
        device.positions()
    assert device.positions() == taken


def test_a_reply_in_single_bytes_is_read_whole(bench) -> None:
    device, wire = bench.instruments["epc"], bench.wires["epc"]
    taken = device.move([17.0, 34.0, 51.0])
    wire.faults.add("split")
    assert device.positions() == taken


def test_a_pulled_cable_is_disconnected_and_comes_back(bench) -> None:
    device, wire = bench.instruments["epc"], bench.wires["epc"]
    taken = device.move([17.0, 34.0, 51.0])
    wire.faults.add("disconnect")
    with pytest.raises(Disconnected):
        device.positions()
    begin = time.monotonic()
    device.reconnect()
    assert time.monotonic() - begin < 1.0
    assert device.positions() == taken


def test_squeezers_are_no_paddles(tmp_path) -> None:
    file = load_bench("bb84-25km-wire", {"instruments.epc.driver": "thorlabs-mpc"})
    with pytest.raises(BenchError, match=r"instruments\.epc\.driver: .* set world\.controller"):
        open_bench(file, home=tmp_path)
