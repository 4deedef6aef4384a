"""Each command of each driver against the bytes that the manuals and public clients give."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.clock import VirtualClock
from qnlab.drivers.keysight_n77xx import KeysightN77xx
from qnlab.drivers.oz_epc400 import OzEpc400
from qnlab.drivers.santec_tsl import SantecTsl
from qnlab.drivers.scpi import Dialect
from qnlab.drivers.thorlabs_pm import ThorlabsPm
from qnlab.errors import CommandRejected, InterlockOpen, OutOfRange, ProtocolError
from qnlab.instruments.roles import Emission
from qnlab.values import Alarm

from .scripted import ScriptedStream

Make = Callable[..., tuple[Any, ScriptedStream]]
DONE = b"Done\r\n"
OK = b'+0,"No error"\n'
CLEAN = b'0,"No error"\r'


@pytest.fixture
def scripted() -> Iterator[Make]:
    made: list[tuple[Any, ScriptedStream]] = []

    def make(driver: Any, opening: list[tuple[bytes, bytes]], *extra: Any) -> Any:
        stream = ScriptedStream(*opening)
        spec = InstrumentSpec("dut", "lab", driver.role, "scripted", "serial:/dev/ttyUSB0")
        context = BenchContext(VirtualClock(), 0, None, {})
        device = driver(spec, context, stream, *extra).open()
        made.append((device, stream))
        stream.finish()
        return device, stream

    yield make
    for device, stream in made:
        device.close()
        stream.finish()


# --- OZ Optics EPC-400 ------------------------------------------------------------------------

SHOWN = b"Voltage(mV): CH1 +2200 CH2 +5000 CH3 -1000 CH4 -4000\r\n"


@pytest.fixture
def epc(scripted: Make) -> Any:
    return scripted(OzEpc400, [(b"MDC\r\n", DONE)])


def test_epc_reads_its_voltages(epc) -> None:
    device, stream = epc
    stream.expect((b"V?\r\n", SHOWN + DONE))
    assert device.positions() == (2.2, 5.0, -1.0, -4.0)


def test_epc_passes_over_an_echo(epc) -> None:
    device, stream = epc
    stream.expect((b"V?\r\n", b"V?\r\n" + SHOWN + DONE))
    assert device.positions() == (2.2, 5.0, -1.0, -4.0)


def test_epc_moves(epc) -> None:
    device, stream = epc
    reads = [(b"V?\r\n", SHOWN + DONE)]
    drives = [
        (b"V1,2200\r\n", DONE),
        (b"V2,5000\r\n", DONE),
        (b"V3,-1000\r\n", DONE),
        (b"V4,-4000\r\n", DONE),
    ]
    stream.expect(*reads * 4, *drives, *reads * 5)
    assert device.move([2.2, 5.0, -1.0, -4.0]) == (2.2, 5.0, -1.0, -4.0)


def test_epc_sends_nothing_out_of_range(epc) -> None:
    device, stream = epc
    stream.expect((b"V?\r\n", SHOWN + DONE))
    with pytest.raises(OutOfRange):
        device.apply({"position.0": 5.001})


def test_epc_refuses_in_its_own_words(epc) -> None:
    device, stream = epc
    stream.expect((b"V?\r\n", b"Error!\r\n"))
    with pytest.raises(CommandRejected, match=r"dut: refused with Error!: .*'V\?'"):
        device.positions()


def test_epc_with_three_voltages_breaks_the_protocol(epc) -> None:
    device, stream = epc
    stream.expect((b"V?\r\n", b"Voltage(mV): CH1 +2200 CH2 +5000 CH3 -1000\r\n" + DONE))
    with pytest.raises(ProtocolError, match="dut: not four voltages"):
        device.positions()


def test_epc_stops_any_modulation(epc) -> None:
    device, stream = epc
    stream.expect((b"MDC\r\n", DONE))
    device.safe_state()


# --- Keysight N77xx ---------------------------------------------------------------------------


@pytest.fixture
def voa(scripted: Make) -> Any:
    opening = [
        (b"*CLS\n", b""),
        (b"*IDN?\n", b"Agilent Technologies,N7764A,DE49400123,1.26\n"),
        (b":INP3:OFFS?\n", b"+2.00000000E+001\n"),
        (b":INP3:WAV? MIN\n", b"+1.26000000E-006\n"),
        (b":INP3:WAV? MAX\n", b"+1.64000000E-006\n"),
    ]
    return scripted(KeysightN77xx, opening, "3")


def test_voa_tells_who_it_is_and_what_it_can(voa) -> None:
    device, _ = voa
    assert device.identity.model == "N7764A"
    assert device.identity.serial == "DE49400123"
    assert not device.identity.simulated
    limits = device.capabilities.attenuation_db
    assert (limits.low, limits.high) == (20.0, 65.0)


def test_voa_attenuates(voa) -> None:
    device, stream = voa
    stream.expect(
        (b":INP3:ATT?\n", b"+2.00000000E+001\n"),
        (b":INP3:ATT 32.346dB\n", b""),
        (b":SYST:ERR?\n", OK),
        (b":INP3:ATT?\n", b"+3.23460000E+001\n"),
    )
    assert device.set_attenuation(32.3456) == 32.346


def test_voa_sets_the_wavelength_in_nanometres_and_reads_metres(voa) -> None:
    device, stream = voa
    stream.expect(
        (b":INP3:WAV?\n", b"+1.55000000E-006\n"),
        (b":INP3:WAV 1550.120NM\n", b""),
        (b":SYST:ERR?\n", OK),
        (b":INP3:WAV?\n", b"+1.55012000E-006\n"),
    )
    assert device.apply({"wavelength_m": 1550.12e-9})["wavelength_m"].value == 1.55012e-6


def test_voa_closes_its_shutter_to_be_safe(voa) -> None:
    device, stream = voa
    stream.expect((b":OUTP3 0\n", b""), (b":SYST:ERR?\n", OK))
    device.safe_state()


def test_voa_reads_all_errors_and_raises_the_first(voa) -> None:
    device, stream = voa
    stream.expect(
        (b":INP3:ATT?\n", b"+2.00000000E+001\n"),
        (b":INP3:ATT 60.000dB\n", b""),
        (b":SYST:ERR?\n", b'-222,"Data out of range"\n'),
        (b":SYST:ERR?\n", b'-113,"Undefined header"\n'),
        (b":SYST:ERR?\n", OK),
    )
    with pytest.raises(CommandRejected, match=r"refused with -222: Data out of range .*60\.000dB"):
        device.set_attenuation(60.0)


# --- Thorlabs PM101 ---------------------------------------------------------------------------


@pytest.fixture
def meter(scripted: Make) -> Any:
    opening = [
        (b"*CLS\n", b""),
        (b"*IDN?\n", b"THORLABS,PM101,M00912345,1.2.0\n"),
        (b"SENS:CORR:WAV? MIN\n", b"800.00\n"),
        (b"SENS:CORR:WAV? MAX\n", b"1700.00\n"),
        (b"SENS:POW:RANG? MAX\n", b"2.000000E-02\n"),
        (b"SENS:POW:UNIT W\n", b""),
        (b"SENS:POW:RANG:AUTO 1\n", b""),
        (b"SYST:ERR?\n", b'0,"No error"\n'),
    ]
    return scripted(ThorlabsPm, opening)


def test_meter_measures_watts(meter) -> None:
    device, stream = meter
    stream.expect((b"MEAS:POW?\n", b"1.23456000E-06\n"))
    reading = device.power()
    assert (reading.value, reading.unit, reading.alarm) == (1.23456e-6, "W", Alarm.NONE)


def test_meter_beyond_its_range_is_no_number(meter) -> None:
    device, stream = meter
    stream.expect((b"MEAS:POW?\n", b"9.91000000E+37\n"))
    assert device.power().alarm is Alarm.INVALID


def test_meter_sets_the_wavelength_in_nanometres(meter) -> None:
    device, stream = meter
    stream.expect(
        (b"SENS:CORR:WAV?\n", b"1550.00\n"),
        (b"SENS:CORR:WAV 1550.12\n", b""),
        (b"SYST:ERR?\n", b'0,"No error"\n'),
        (b"SENS:CORR:WAV?\n", b"1550.12\n"),
    )
    assert device.apply({"wavelength_m": 1550.12e-9})["wavelength_m"].value == 1550.12e-9


def test_meter_that_answers_words_breaks_the_protocol(meter) -> None:
    device, stream = meter
    stream.expect((b"MEAS:POW?\n", b"MEAS:POW?\n"))
    with pytest.raises(ProtocolError, match=r"dut: the reply makes no sense .*'MEAS:POW\?'"):
        device.power()


# --- Santec TSL-570 ---------------------------------------------------------------------------

QUIET = (b":SYST:ALER?\r", b"No alerts.\r")


def _tsl_opening(code: bytes, low: bytes, high: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"*CLS\r", b""),
        (b"*IDN?\r", b"SANTEC,TSL-570,21020001,0001.0005\r"),
        (b":SYST:COMM:CODE?\r", code + b"\r"),
        (b":POW:UNIT 1\r", b""),
        (b":WAV:UNIT 0\r", b""),
        (b":SYST:ERR?\r", CLEAN),
        (b":WAV:MIN?\r", low + b"\r"),
        (b":WAV:MAX?\r", high + b"\r"),
    ]


@pytest.fixture
def tsl(scripted: Make) -> Any:
    opening = _tsl_opening(b"0", b"+1500.0000", b"+1600.0000")
    return scripted(SantecTsl, opening, Dialect(b"\r", b"\r"))


def test_tsl_turns_emission_on(tsl) -> None:
    device, stream = tsl
    stream.expect(
        QUIET, (b":POW:STAT 1\r", b""), (b":SYST:ERR?\r", CLEAN), QUIET, (b":POW:STAT?\r", b"1\r")
    )
    device.enable()


def test_tsl_turns_emission_off_to_be_safe(tsl) -> None:
    device, stream = tsl
    stream.expect((b":POW:STAT 0\r", b""), (b":SYST:ERR?\r", CLEAN))
    device.safe_state()


def test_tsl_says_that_the_interlock_is_open(tsl) -> None:
    device, stream = tsl
    alert = (b":SYST:ALER?\r", b"No07.Inter lock detection\r")
    stream.expect(alert, QUIET)
    assert device.emission() is Emission.INTERLOCK
    stream.expect(alert, QUIET)
    with pytest.raises(InterlockOpen):
        device.enable()
    stream.expect(alert, QUIET)
    health = device.health()
    assert health.alarm is Alarm.MAJOR
    assert health.problems == ("alert 07: Inter lock detection",)


def test_tsl_tunes_and_waits(tsl) -> None:
    device, stream = tsl
    stream.expect(
        (b":WAV?\r", b"+1550.0000\r"),
        (b":WAV 1550.1200\r", b""),
        (b":SYST:ERR?\r", CLEAN),
        (b"*OPC?\r", b"0\r"),
        (b"*OPC?\r", b"1\r"),
        (b":WAV?\r", b"+1550.1200\r"),
    )
    assert device.apply({"wavelength_m": 1550.12e-9})["wavelength_m"].value == 1550.12e-9


def test_tsl_with_the_other_command_code_takes_metres(scripted: Make) -> None:
    opening = _tsl_opening(b"1", b"+1.500000000E-006", b"+1.600000000E-006")
    device, stream = scripted(SantecTsl, opening, Dialect(b"\r", b"\r"))
    stream.expect(
        (b":WAV?\r", b"+1.550000000E-006\r"),
        (b":WAV 1.550120000E-06\r", b""),
        (b":SYST:ERR?\r", CLEAN),
        (b"*OPC?\r", b"1\r"),
        (b":WAV?\r", b"+1.550120000E-006\r"),
    )
    assert device.apply({"wavelength_m": 1550.12e-9})["wavelength_m"].value == 1550.12e-9


def test_tsl_sets_milliwatts(tsl) -> None:
    device, stream = tsl
    stream.expect(
        (b":POW?\r", b"+1.0000\r"),
        (b":POW 2.5000\r", b""),
        (b":SYST:ERR?\r", CLEAN),
        (b":POW?\r", b"+2.5000\r"),
    )
    assert device.apply({"power_w": 2.5e-3})["power_w"].value == 2.5e-3
