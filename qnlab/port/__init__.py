"""The transport port: how a bench host and its clients talk, in one process or between machines."""

from qnlab.port.bus import Bus
from qnlab.port.message import Message
from qnlab.port.port import Latest, Lossless, Port

__all__ = ["Bus", "Latest", "Lossless", "Message", "Port"]
