"""Event files of S-Fifteen's timestamp units: a0, a1 and a2, as ``readevents7`` writes them.

An event is 64 bits: the time in its upper 54, in units of 1/256 ns, and in its lower 4 one bit for
each detector that clicked; the bits between belong to the card. a1 is binary, lower byte first, and
with option ``-X`` the upper half first; a2 is hexadecimal text, an event a line; a0 is hexadecimal
text, half an event a line, the lower half first. An event without a detector is a dummy that only
keeps the time. The time rolls over after 2^54 units, 19.5 h.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qnlab.errors import FormatError
from qnlab.tags.files.block import LATEST_PS, Block

TICK_PS = 3.90625
DETECTORS = 4
ROLL_OVER = 1 << 54

_BLOCK = 65_536
_HEAD = 4_096
_SURE = 16
_NIBBLE = np.full(256, 255, np.uint8)
for _value, _digit in enumerate(b"0123456789abcdef"):
    _NIBBLE[_digit] = _NIBBLE[ord(chr(_digit).upper())] = _value
_CHANNEL = np.zeros(1 << DETECTORS, np.uint8)
"""Channel of a pattern of one detector; 0 for the others."""
_CHANNEL[1 << np.arange(DETECTORS)] = 1 + np.arange(DETECTORS)

Events = npt.NDArray[np.uint64]


def to_ps(ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Times in ps of times in units of 1/256 ns, rounded to 1 ps."""
    return 4 * ticks + ((16 - 3 * ticks) >> 5)


def to_ticks(t: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Times in units of 1/256 ns, rounded, of times in ps."""
    return (t * 64 + 125) // 250


class SFifteenFile:
    """A file of S-Fifteen events; detector n of 4 is channel n.

    Parameters
    ----------
    path : Path
    layout : {"a0", "a1", "a1 -X", "a2"}
        As `recognise` found it.

    Raises
    ------
    FormatError
        Truncated.
    """

    resolution_ps = TICK_PS

    def __init__(self, path: Path, layout: str) -> None:
        self.path = path
        self.format = f"S-Fifteen {layout}"
        self._layout = layout
        size = path.stat().st_size
        if layout.startswith("a1") and size % 8:
            raise FormatError(
                path, size - size % 8, f"truncated: {size % 8} bytes of an event of 8"
            )

    def blocks(self) -> Iterator[Block]:
        """Decode the file.

        Raises
        ------
        FormatError
            Garbled text, a time that goes back (but for a roll-over), or half an event.
        """
        text = self._layout != "a1" and self._layout != "a1 -X"
        base = last = 0
        for events, offset, width in self._text() if text else self._binary():
            raw = (events >> np.uint64(10)).astype(np.int64)
            before = np.concatenate(([last if offset else raw[0]], raw[:-1]))
            rolled = before - raw > ROLL_OVER // 2
            back = (raw < before) & ~rolled
            ticks = base + raw + ROLL_OVER * np.cumsum(rolled)
            if back.any():
                bad = int(back.argmax())
                problem = f"time goes back by {int(before[bad] - raw[bad])}/256 ns"
                raise FormatError(self.path, offset + bad * width, problem)
            if len(ticks) and int(ticks[-1]) >= LATEST_PS // 4:
                raise FormatError(self.path, offset, "the roll-overs lead beyond 2^62 ps")
            turns = int(np.count_nonzero(rolled))
            base, last = base + ROLL_OVER * turns, int(raw[-1])
            pattern = events.astype(np.uint8) & np.uint8(15)
            which, channels = _clicks(pattern)
            yield Block(
                t=to_ps(ticks)[which],
                ch=channels,
                watermark=int(to_ps(ticks[-1:])[0]),
                records=len(events),
                overflows=turns,
            )

    def _binary(self) -> Iterator[tuple[Events, int, int]]:
        offset = 0
        with self.path.open("rb") as file:
            while raw := file.read(8 * _BLOCK):
                if len(raw) % 8:
                    raise FormatError(self.path, offset + len(raw), "truncated while it was read")
                yield _binary_events(raw, swapped=self._layout == "a1 -X"), offset, 8
                offset += len(raw)

    def _text(self) -> Iterator[tuple[Events, int, int]]:
        digits = 8 if self._layout == "a0" else 16
        lines = 2 if self._layout == "a0" else 1
        with self.path.open("rb") as file:
            first = file.read(digits + 2)
            width = digits + len(_newline(first[digits:]))
            offset = file.seek(0)
            while raw := file.read(lines * width * _BLOCK):
                values = self._lines(raw, digits, width, offset)
                if len(values) % lines:
                    raise FormatError(self.path, offset + len(raw), "truncated: half an event")
                if lines == 2:
                    values = values[0::2] | (values[1::2] << np.uint64(32))
                yield values, offset, lines * width
                offset += len(raw)

    def _lines(self, raw: bytes, digits: int, width: int, offset: int) -> Events:
        newline = b"\r\n" if width == digits + 2 else b"\n"
        over = len(raw) % width
        if over == digits:
            raw += newline
        elif over > digits and newline.startswith(raw[len(raw) - over + digits :]):
            raw += b"\n"
        elif over:
            raise FormatError(self.path, offset + len(raw) - over, "truncated: part of a line")
        table = np.frombuffer(raw, np.uint8).reshape(-1, width)
        nibbles = _NIBBLE[table[:, :digits]]
        wrong = (nibbles == 255).any(axis=1)
        wrong |= (table[:, digits:] != np.frombuffer(newline, np.uint8)).any(axis=1)
        if wrong.any():
            bad = int(wrong.argmax())
            line = bytes(table[bad])
            problem = f"{line!r} is not a line of {digits} hexadecimal digits"
            raise FormatError(self.path, offset + bad * width, problem)
        shifts = np.arange(4 * (digits - 1), -1, -4).astype(np.uint64)
        values: Events = np.bitwise_or.reduce(nibbles.astype(np.uint64) << shifts, axis=1)
        return values


def _clicks(
    pattern: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.intp] | slice, npt.NDArray[np.uint8]]:
    """Which event each tag comes from, and its channel."""
    channels = _CHANNEL[pattern]
    if channels.all():
        return slice(None), channels
    which, detector = np.nonzero(pattern[:, None] & (1 << np.arange(DETECTORS)))
    return which, (detector + 1).astype(np.uint8)


def _newline(rest: bytes) -> bytes:
    return b"\r\n" if rest.startswith(b"\r\n") else b"\n"


def _binary_events(raw: bytes, *, swapped: bool) -> Events:
    events = np.frombuffer(raw, "<u8").astype(np.uint64)
    half = np.uint64(32)
    return (events << half) | (events >> half) if swapped else events


def recognise(path: Path) -> str | None:
    """The layout of a file by its first events, or None if they are not S-Fifteen's.

    Fewer than 16 events of binary are too few to tell by their content; then the file must have
    "a1" in its name.
    """
    with path.open("rb") as file:
        head = file.read(8 * _HEAD)
    for digits, layout in ((16, "a2"), (8, "a0")):
        if len(head) >= digits and (_NIBBLE[list(head[:digits])] != 255).all():
            rest = head[digits : digits + 2]
            if rest[:1] == b"\n" or rest == b"\r\n"[: len(rest)]:
                return layout
    whole = len(head) // 8
    if whole < _SURE and "a1" not in path.name.lower():
        return None
    for layout in ("a1", "a1 -X"):
        if _plausible(_binary_events(head[: 8 * whole], swapped=layout == "a1 -X")):
            return layout
    return None


def _plausible(events: Events) -> bool:
    if not len(events) or not (events & np.uint64(15)).any():
        return False
    ticks = (events >> np.uint64(10)).astype(np.int64)
    steps = (ticks[1:] - ticks[:-1]) & (ROLL_OVER - 1)
    return float(steps.astype(np.float64).sum()) < ROLL_OVER / 2
