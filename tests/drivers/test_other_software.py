"""Software that is not ours talks to the wire simulators: PyVISA with its pure Python backend."""

import pytest
import pyvisa


@pytest.fixture
def visa():
    manager = pyvisa.ResourceManager("@py")
    yield manager
    manager.close()


def socket_of(wire) -> str:
    _, host, port = wire.address.split(":")
    return f"TCPIP0::{host}::{port}::SOCKET"


def serial_of(wire) -> str:
    return f"ASRL{wire.address.removeprefix('serial:')}::INSTR"


def test_visa_attenuates_the_world(bench, visa) -> None:
    wire = bench.wires["attenuator"]
    with visa.open_resource(
        socket_of(wire), read_termination="\n", write_termination="\n"
    ) as attenuator:
        assert attenuator.query("*IDN?").startswith("Keysight Technologies,N7761A,")
        attenuator.write(":INPut1:ATTenuation 55.5 DB;:OUTPut1:STATe ON")
        assert float(attenuator.query("INP:ATT?")) == 55.5
        attenuator.write(":INP1:ATT 12;:INP1:NONSENSE 1")
        assert attenuator.query("SYST:ERR?") == '-222,"Data out of range"'
        assert attenuator.query("SYST:ERR?") == '+0,"No error"'
    assert (wire.port.attenuation_db, wire.port.shutter_closed) == (55.5, False)
    assert bench.instruments["attenuator"].attenuation().value == 55.5


def test_visa_turns_the_laser_on(bench, visa) -> None:
    wire = bench.wires["laser"]
    with visa.open_resource(
        socket_of(wire), read_termination="\r", write_termination="\r"
    ) as laser:
        laser.write(":POWer 1.25")
        laser.write(":POWer:STATe 1")
        assert float(laser.query(":POWer:ACTual?")) == 1.25
    assert bench.instruments["laser"].power().value == 1.25e-3


def test_visa_reads_squeezers_over_a_serial_line(bench, visa) -> None:
    bench.instruments["epc"].move([1.0, -2.0, 3.0, -4.0])
    wire = bench.wires["epc"]
    bench.instruments["epc"].close()
    with visa.open_resource(
        serial_of(wire), read_termination="\r\n", write_termination="\r\n"
    ) as squeezers:
        assert squeezers.query("V?") == "Voltage(mV): CH1 +1000 CH2 -2000 CH3 +3000 CH4 -4000"
        assert squeezers.read() == "Done"
    bench.instruments["epc"].reconnect()
