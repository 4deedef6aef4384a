"""Links to instruments: one owner thread each, whole transactions, deadlines, a trace."""

from qnlab.drivers.transports.link import Channel, Link
from qnlab.drivers.transports.stream import ByteStream
from qnlab.drivers.transports.tcp import TcpStream
from qnlab.drivers.transports.trace import JsonlTrace, Trace

__all__ = ["ByteStream", "Channel", "JsonlTrace", "Link", "TcpStream", "Trace"]
