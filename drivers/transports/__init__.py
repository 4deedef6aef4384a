"""Links to instruments: one owner thread each, whole transactions, deadlines, a trace."""

from qnlab.drivers.transports.address import Address, open_stream, parse_address
from qnlab.drivers.transports.link import Channel, Link
from qnlab.drivers.transports.serial_port import SerialStream
from qnlab.drivers.transports.stream import ByteStream
from qnlab.drivers.transports.tcp import TcpStream
from qnlab.drivers.transports.trace import JsonlTrace, Trace

__all__ = [
    "Address",
    "ByteStream",
    "Channel",
    "JsonlTrace",
    "Link",
    "SerialStream",
    "TcpStream",
    "Trace",
    "open_stream",
    "parse_address",
]
