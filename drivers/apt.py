"""Thorlabs APT: binary messages of six bytes, some followed by data; little-endian, no checksum.

A short message is ``id:u16, param1:u8, param2:u8, destination:u8, source:u8``; a long one
``id:u16, length:u16, destination|0x80:u8, source:u8`` and then the data.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from qnlab.drivers.transports import Channel
from qnlab.errors import ProtocolError

HOST = 0x01
UNIT = 0x50
LONG = 0x80
MOST_DATA = 255
HEADER = 6

HW_REQ_INFO = 0x0005
HW_GET_INFO = 0x0006
HW_STOP_UPDATEMSGS = 0x0012
MOD_SET_CHANENABLESTATE = 0x0210
MOT_MOVE_HOME = 0x0443
MOT_MOVE_HOMED = 0x0444
MOT_MOVE_ABSOLUTE = 0x0453
MOT_MOVE_COMPLETED = 0x0464
MOT_MOVE_STOP = 0x0465
MOT_MOVE_STOPPED = 0x0466
MOT_REQ_USTATUSUPDATE = 0x0490
MOT_GET_USTATUSUPDATE = 0x0491
MOT_ACK_USTATUSUPDATE = 0x0492

FROM_UNIT = {
    HW_GET_INFO,
    MOT_MOVE_HOMED,
    MOT_MOVE_COMPLETED,
    MOT_MOVE_STOPPED,
    MOT_GET_USTATUSUPDATE,
}
"""What a polarization controller may say; anything else means that the link is out of step."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the unit; `data` is empty for a short one."""

    id: int
    param1: int
    param2: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Info:
    """Data of ``HW_GET_INFO``."""

    serial: int
    model: str
    firmware: str

    @classmethod
    def of(cls, data: bytes) -> Info:
        """`struct.error` if the length is not 84."""
        serial, model, _, firmware, _, _, _, _ = struct.unpack("<I8sH4s60sHHH", data)
        numbers = ".".join(str(byte) for byte in reversed(firmware[:3]))
        return cls(serial, model.split(b"\0")[0].decode("latin-1").strip(), numbers)


@dataclass(frozen=True, slots=True)
class Status:
    """Data of ``MOT_GET_USTATUSUPDATE``."""

    channel: int
    position: int
    bits: int

    @classmethod
    def of(cls, data: bytes) -> Status:
        """`struct.error` if the length is not 14."""
        channel, position, _, _, bits = struct.unpack("<HihhI", data)
        return cls(channel, position, bits)


def short(id_: int, param1: int = 0, param2: int = 0) -> bytes:
    """A message without data to the unit."""
    return struct.pack("<HBBBB", id_, param1, param2, UNIT, HOST)


def move_absolute(channel: int, position: int) -> bytes:
    """``MOT_MOVE_ABSOLUTE``."""
    return struct.pack("<HHBBHi", MOT_MOVE_ABSOLUTE, 6, UNIT | LONG, HOST, channel, position)


def receive(channel: Channel, device: str) -> Message:
    """The next message of the unit.

    Raises
    ------
    ProtocolError
        No such message, not for us, or too long.
    """
    header = channel.read_exact(HEADER)
    id_, param1, param2, destination, _ = struct.unpack("<HBBBB", header)
    length = param1 | param2 << 8 if destination & LONG else 0
    if id_ not in FROM_UNIT or destination & ~LONG != HOST or length > MOST_DATA:
        raise ProtocolError(
            device, "no message of a polarization controller", expected="an APT header",
            last=header.hex(" "),
        )  # fmt: skip
    if not destination & LONG:
        return Message(id_, param1, param2, b"")
    return Message(id_, 0, 0, channel.read_exact(length))
