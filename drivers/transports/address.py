"""Addresses of a bench file: ``tcp:host:port`` and ``serial:path``, with ``#part`` of a device."""

from __future__ import annotations

from dataclasses import dataclass

from qnlab.bench import InstrumentSpec
from qnlab.drivers.transports.serial_port import SerialStream
from qnlab.drivers.transports.stream import ByteStream
from qnlab.drivers.transports.tcp import TcpStream
from qnlab.errors import BenchError


@dataclass(frozen=True, slots=True)
class Address:
    """Where an instrument is.

    Parameters
    ----------
    kind : str
        ``"tcp"`` or ``"serial"``.
    place : str
        Host, or path of the serial port.
    port : int
        Of TCP; 0 for a serial port.
    part : str
        What follows ``#``: the slot, channel or variant that a driver asks for; else empty.
    """

    kind: str
    place: str
    port: int
    part: str


def parse_address(spec: InstrumentSpec, *, tcp_port: int | None = None) -> Address:
    """The address that the bench file gives.

    Parameters
    ----------
    spec : InstrumentSpec
    tcp_port : int, optional
        The instrument's usual port, which the bench file may then leave out.

    Raises
    ------
    BenchError
        It is of another form.
    """
    whole, _, part = spec.address.partition("#")
    kind, _, place = whole.partition(":")
    if kind == "serial" and place:
        return Address(kind, place, 0, part)
    if kind == "tcp" and place:
        host, _, number = place.partition(":")
        if not number and tcp_port is not None:
            return Address(kind, host, tcp_port, part)
        if host and number.isdecimal() and 0 < int(number) < 65_536:
            return Address(kind, host, int(number), part)
    raise BenchError(
        f"instruments.{spec.name}.address: {spec.address!r} is no address of driver "
        f"{spec.driver}; give 'tcp:HOST:PORT', 'serial:PATH', or 'sim' on a simulated bench"
    )


def open_stream(
    device: str, address: Address, baudrate: int, *, rtscts: bool = False
) -> ByteStream:
    """The connection to `address`, not yet open; the rest is for a serial port."""
    if address.kind == "tcp":
        return TcpStream(device, address.place, address.port)
    return SerialStream(device, address.place, baudrate, rtscts=rtscts)
