"""Real drivers over their wires: the world answers, and no fault hangs or confuses them."""

import threading
import time
from pathlib import Path

import pytest

from qnlab.bench import load_bench, open_bench
from qnlab.drivers.transports import Link, SerialStream
from qnlab.errors import BenchError, CommandRejected, Disconnected, ProtocolError, Timeout
from qnlab.instruments import contract
from qnlab.instruments.contract import Context
from qnlab.instruments.roles import Emission, LaserSource

WIRED = ("laser", "attenuator", "power_meter", "epc")
SETTING = {
    "laser": ("power_w", 1.5e-3, 0.5e-3),
    "attenuator": ("attenuation_db", 61.5, 70.25),
    "power_meter": ("averages", 7.0, 9.0),
    "epc": ("position.2", -1.25, 3.5),
}
CHECKED = ("attenuator", "laser", "power_meter")
"""Instruments of which a garbled first byte shows."""


def value(device, name: str):
    return device.settings()[name].value


# --- the world answers ------------------------------------------------------------------------


def test_the_squeezers_of_the_world_turn(bench) -> None:
    port = bench.wires["epc"].port
    taken = bench.instruments["epc"].move([-5.0, 0.0, 2.5, 5.0])
    assert taken == (-5.0, 0.0, 2.5, 5.0)
    assert port.commands == (0.0, 70.0, 105.0, 140.0)


def test_the_meter_sees_what_the_laser_emits(bench) -> None:
    laser, meter = bench.instruments["laser"], bench.instruments["power_meter"]
    assert meter.power().value == 0.0
    laser.apply({"power_w": 1.5e-3})
    laser.enable()
    assert laser.power().value == 1.5e-3
    assert meter.power().value == pytest.approx(1.5e-3, rel=1e-7)
    laser.safe_state()
    assert meter.power().value == 0.0


def test_averaging_takes_time_on_the_clock_of_the_bench(bench) -> None:
    meter = bench.instruments["power_meter"]
    meter.apply({"averages": 250})
    begin = bench.clock.now_ps()
    meter.power()
    assert bench.clock.now_ps() - begin == 250_000_000_000


def test_the_fixed_attenuator_counts(bench) -> None:
    voa = bench.instruments["attenuator"]
    assert voa.capabilities.attenuation_db.low == 40.0
    assert voa.set_attenuation(76.1234) == 76.123
    assert bench.wires["attenuator"].port.attenuation_db == 76.123


def test_tuning_takes_its_time(bench) -> None:
    laser = bench.instruments["laser"]
    laser.apply({"wavelength_m": 1550e-9})
    begin = bench.clock.now()
    assert laser.apply({"wavelength_m": 1560e-9})["wavelength_m"].value == 1560e-9
    assert bench.clock.now() - begin == pytest.approx(0.2, abs=0.03)


LASER_CHECKS = [pytest.param(c, id=c.name) for c in contract.checks_of(LaserSource)]


@pytest.mark.parametrize("check", LASER_CHECKS)
def test_the_laser_keeps_the_contract_of_its_role(bench, check) -> None:
    port = bench.wires["laser"].port
    faults = {
        "open_interlock": lambda: setattr(port, "interlock_open", True),
        "close_interlock": lambda: setattr(port, "interlock_open", False),
    }
    check(bench.instruments["laser"], Context(bench.clock, faults))


# --- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WIRED)
def test_replies_in_single_bytes_are_read_whole(bench, name) -> None:
    device, wire = bench.instruments[name], bench.wires[name]
    setting, wanted, _ = SETTING[name]
    for _ in range(3):
        wire.faults.add("split")
    assert device.apply({setting: wanted})[setting].value == wanted


@pytest.mark.parametrize("name", CHECKED)
def test_a_garbled_number_is_no_number(bench, name) -> None:
    device, wire = bench.instruments[name], bench.wires[name]
    setting, wanted, _ = SETTING[name]
    device.apply({setting: wanted})
    wire.faults.add("garble")
    with pytest.raises(ProtocolError, match=f"^{name}: "):
        device.settings()
    assert value(device, setting) == wanted


@pytest.mark.parametrize("kind", ["drop", "truncate"])
@pytest.mark.parametrize("name", ["attenuator", "epc"])
def test_a_lost_reply_is_a_timeout(bench, name, kind) -> None:
    device, wire = bench.instruments[name], bench.wires[name]
    setting, wanted, _ = SETTING[name]
    device.apply({setting: wanted})
    wire.faults.add(kind)
    begin = time.monotonic()
    with pytest.raises(Timeout, match=f"^{name}: no complete reply in time"):
        device.settings()
    assert time.monotonic() - begin < 2.5
    assert value(device, setting) == wanted


@pytest.mark.parametrize("name", ["attenuator", "epc"])
def test_a_late_reply_is_never_taken_for_another(bench, name) -> None:
    device, wire = bench.instruments[name], bench.wires[name]
    setting, first, second = SETTING[name]
    device.apply({setting: first})
    wire.faults.add("delay", 2.1)
    with pytest.raises(Timeout):
        device.settings()
    device.apply({setting: second})
    assert [value(device, setting) for _ in range(5)] == [second] * 5


@pytest.mark.parametrize("name", WIRED)
def test_a_broken_link_comes_back_with_the_settings(bench, name) -> None:
    device, wire = bench.instruments[name], bench.wires[name]
    setting, wanted, _ = SETTING[name]
    device.apply({setting: wanted})
    wire.faults.add("disconnect")
    with pytest.raises(Disconnected, match=f"^{name}: "):
        device.settings()
    with pytest.raises(Disconnected, match="reconnect first"):
        device.settings()
    begin = time.monotonic()
    device.reconnect()
    assert time.monotonic() - begin < 1.0
    assert value(device, setting) == wanted


@pytest.mark.parametrize("name", WIRED)
def test_settings_lost_with_the_power_are_applied_again(bench, name) -> None:
    device, wire = bench.instruments[name], bench.wires[name]
    setting, wanted, _ = SETTING[name]
    device.apply({setting: wanted})
    wire.device.power_cycle()
    assert value(device, setting) != wanted
    device.reconnect()
    assert value(device, setting) == wanted


def test_no_reconnection_brings_light_back(bench) -> None:
    laser, voa = bench.instruments["laser"], bench.instruments["attenuator"]
    laser.enable()
    voa.apply({"shutter_closed": False})
    for name in ("laser", "attenuator"):
        bench.wires[name].device.power_cycle()
        bench.instruments[name].reconnect()
    assert laser.emission() is Emission.OFF
    assert value(voa, "shutter_closed") is True


def test_a_frozen_device_is_made_safe_when_it_thaws(bench) -> None:
    voa, wire = bench.instruments["attenuator"], bench.wires["attenuator"]
    voa.apply({"shutter_closed": False})
    wire.faults.freeze()
    with pytest.raises(Timeout):
        voa.attenuation()
    wire.faults.thaw()
    begin = time.monotonic()
    voa.safe_state()
    assert time.monotonic() - begin < 1.0
    assert wire.port.shutter_closed is True


def test_what_the_device_refuses_is_an_error_with_its_code(bench) -> None:
    laser, wire = bench.instruments["laser"], bench.wires["laser"]
    wire.port.interlock_open = True
    with pytest.raises(CommandRejected, match="laser: refused with -200: Execution error"):
        laser._scpi.tell(":POW:STAT 1")
    wire.port.interlock_open = False


# --- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("sim:laser", "give 'sim:PORT' with a port of attenuator"),
        ("usb", "'usb' is no address of driver keysight-n77xx"),
        ("tcp:10.0.0.1:x", "is no address of driver keysight-n77xx"),
        ("tcp:10.0.0.1#2", "no slot '2'; slots are 1, 3, 5, 7"),
    ],
)
def test_a_wrong_address_is_named(tmp_path, address, problem) -> None:
    file = load_bench("bb84-25km-wire", {"instruments.attenuator.address": address})
    with pytest.raises(BenchError) as caught, open_bench(file, home=tmp_path):
        pass
    assert "instruments.attenuator.address: " in str(caught.value)
    assert problem in str(caught.value)


def test_nothing_is_left_behind(tmp_path) -> None:
    before = set(threading.enumerate())
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    with open_bench(load_bench("bb84-25km-wire"), home=tmp_path):
        pass
    assert set(threading.enumerate()) <= before
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files


def test_no_serial_port_is_disconnected(tmp_path) -> None:
    link = Link("epc", SerialStream("epc", str(tmp_path / "ttyUSB0"), 9600))
    with pytest.raises(Disconnected, match="epc: no serial port"):
        link.reconnect()
    link.close()
