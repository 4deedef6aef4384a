"""The header of a PicoQuant PTU file: a list of typed entries up to ``Header_End``.

Layout after PicoQuant's "Unified TTTR file format" description: 8 bytes magic, 8 bytes version,
then entries of 32 bytes name, int32 index, uint32 type and 8 bytes value; strings, arrays and
blobs follow their entry, the value being their length in bytes.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from qnlab.errors import FormatError

MAGIC = b"PQTTTR\0\0"
_ENTRY = struct.Struct("<32siI8s")
_INTEGERS = {0x00000008, 0x10000008, 0x11000008, 0x12000008}
_FLOATS = {0x20000008, 0x21000008}
_EMPTY = 0xFFFF0008
_STRINGS = {0x4001FFFF: "latin-1", 0x4002FFFF: "utf-16-le"}
_BLOBS = {0x2001FFFF, 0xFFFFFFFF}

Value = int | float | str | None


@dataclass(frozen=True, slots=True)
class PtuHeader:
    """Entries of the header, each with the offset it stands at, and the offset of the records."""

    path: Path
    entries: dict[str, tuple[int, Value]]
    data_offset: int

    def integer(self, name: str) -> int:
        """Value of an integer entry; FormatError if missing, of another type or negative."""
        offset, value = self._entry(name)
        if not isinstance(value, int) or value < 0:
            raise FormatError(self.path, offset, f"{name} is {value!r}, not a count")
        return value

    def seconds(self, name: str) -> float:
        """Value of an entry in seconds; FormatError if missing or not above zero."""
        offset, value = self._entry(name)
        if not isinstance(value, float) or not math.isfinite(value) or not 0 < value <= 1:
            raise FormatError(self.path, offset, f"{name} is {value!r}, not a time of 0 to 1 s")
        return value

    def offset(self, name: str) -> int:
        """Where an entry stands in the file."""
        return self._entry(name)[0]

    def _entry(self, name: str) -> tuple[int, Value]:
        if name not in self.entries:
            raise FormatError(self.path, self.data_offset, f"the header has no entry {name}")
        return self.entries[name]


def read_header(path: Path, file: BinaryIO, size: int) -> PtuHeader:
    """Read the header from the start of `file`, which is `size` bytes long.

    Raises
    ------
    FormatError
        Cut off, or an entry of an unknown type or impossible length.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise FormatError(path, 0, f"a PTU file begins with {MAGIC!r}")
    file.seek(16)
    entries: dict[str, tuple[int, Value]] = {}
    while True:
        offset = file.tell()
        raw = file.read(_ENTRY.size)
        if len(raw) < _ENTRY.size:
            raise FormatError(path, min(offset, size), "the header is cut off before Header_End")
        ident, _, kind, value = _ENTRY.unpack(raw)
        try:
            name = ident.rstrip(b"\0").decode("ascii")
        except UnicodeDecodeError as error:
            raise FormatError(path, offset, f"header entry name {ident!r} is garbled") from error
        if name == "Header_End":
            return PtuHeader(path, entries, file.tell())
        entries.setdefault(name, (offset, _value(path, file, size, offset, kind, value)))


def _value(path: Path, file: BinaryIO, size: int, offset: int, kind: int, raw: bytes) -> Value:
    integer = int.from_bytes(raw, "little", signed=True)
    if kind == _EMPTY:
        return None
    if kind in _INTEGERS:
        return integer
    if kind in _FLOATS:
        return float(struct.unpack("<d", raw)[0])
    if kind not in _STRINGS and kind not in _BLOBS:
        raise FormatError(path, offset, f"header entry of unknown type 0x{kind:08X}")
    if not 0 <= integer <= size - file.tell():
        raise FormatError(path, offset, f"header entry of {integer} bytes does not fit the file")
    body = file.read(integer)
    if kind in _BLOBS:
        return None
    return body.decode(_STRINGS[kind], errors="replace").split("\0", 1)[0]
