"""Writing PicoQuant PTU files in T2 mode, at 1 ps, with counted overflow records."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from qnlab.tags.chunk import TagChunk
from qnlab.tags.files.ptu_header import MAGIC
from qnlab.tags.files.unfit import UnfitForFormat

GENERIC_T2 = 0x00010207
HYDRAHARP_2_T2 = 0x01010204

_SYNC = 64
_WRAP = 1 << 25
_MOST_TURNS = _WRAP - 1
_FEW_TURNS = 127
"""Roll-overs a record, where others' readers that count ticks in 32 bits must not overflow."""
_MANY = 1 << 24
_SPECIAL = 1 << 31
_OVERFLOW = _SPECIAL | 63 << 25
_INTEGER, _FLOAT, _EMPTY = 0x10000008, 0x20000008, 0xFFFF0008
_RECORDS = "TTResult_NumberOfRecords"

Words = npt.NDArray[np.uint32]


def write_ptu(file: BinaryIO, chunks: Iterable[TagChunk], record_type: int) -> tuple[int, int, int]:
    """Write a PTU file.

    Channels 0 to 63 keep their number and 64 is the sync input, as `PtuFile` reads them. Markers
    of kind "marker" with a detail of 1 to 15 are kept; other markers and gaps have no record.

    Parameters
    ----------
    file : binary file
        Empty, open for writing and seekable.
    chunks : iterable of TagChunk
    record_type : {GENERIC_T2, HYDRAHARP_2_T2}

    Returns
    -------
    tags, dropped_gaps, dropped_markers : int

    Raises
    ------
    UnfitForFormat
        A channel above 64 or a time below 0.
    """
    entries: dict[str, int | float] = {
        "Measurement_Mode": 2,
        "Measurement_SubMode": 0,
        "MeasDesc_GlobalResolution": 1e-12,
        "MeasDesc_Resolution": 1e-12,
        "TTResult_SyncRate": 0,
        "TTResultFormat_TTTRRecType": record_type,
        "TTResultFormat_BitsPerRecord": 32,
    }
    file.write(MAGIC + b"1.0.00\0\0")
    file.write(b"".join(_entry(name, value) for name, value in entries.items()))
    counted_at = file.tell()
    file.write(_entry(_RECORDS, 0) + _entry("Header_End", None))
    turns = tags = records = gaps = dropped = 0
    for chunk in chunks:
        t, code, lost = _events(chunk)
        words, turns = _words(t, code, turns)
        file.write(words.astype("<u4").tobytes())
        tags += len(chunk)
        records += len(words)
        gaps += len(chunk.gaps)
        dropped += lost
    file.seek(counted_at)
    file.write(_entry(_RECORDS, records))
    return tags, gaps, dropped


def _entry(name: str, value: float | None) -> bytes:
    kind = _EMPTY if value is None else _FLOAT if isinstance(value, float) else _INTEGER
    layout = "<32siId" if kind == _FLOAT else "<32siIq"
    return struct.pack(layout, name.encode(), -1, kind, value or 0)


def _events(chunk: TagChunk) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Times and upper bits of all records but overflows, in time order; and markers left out."""
    if len(chunk) and (int(chunk.ch.max()) > _SYNC or chunk.t[0] < 0):
        channel, time = int(chunk.ch.max()), int(chunk.t[0])
        raise UnfitForFormat(
            f"PTU holds channels 0 to {_SYNC} and times from 0 on; the tags from {time} ps on "
            f"have channels up to {channel}"
        )
    code = np.where(chunk.ch == _SYNC, _SPECIAL, chunk.ch.astype(np.int64) << 25)
    kept = [
        (marker.time_ps, _SPECIAL | int(marker.detail) << 25)
        for marker in chunk.markers
        if marker.kind == "marker" and marker.detail in _MARKER_DETAILS
    ]
    if not kept:
        return chunk.t, code, len(chunk.markers)
    times, codes = np.array(kept, np.int64).T
    t, code = np.concatenate((times, chunk.t)), np.concatenate((codes, code))
    order = np.argsort(t, kind="stable")
    return t[order], code[order], len(chunk.markers) - len(kept)


_MARKER_DETAILS = {str(bits) for bits in range(1, 16)}


def _words(t: npt.NDArray[np.int64], code: npt.NDArray[np.int64], turns: int) -> tuple[Words, int]:
    """Records with the overflows between them, given the roll-overs before; and those after."""
    if not len(t):
        return np.empty(0, np.uint32), turns
    turn = t // _WRAP
    step = np.diff(np.concatenate(([turns], turn)))
    most = _FEW_TURNS if int(step.max()) < _MANY else _MOST_TURNS
    overflows = -(-step // most)
    at = np.cumsum(1 + overflows) - 1
    words = np.full(int(at[-1]) + 1, _OVERFLOW | most, np.int64)
    words[at] = code | t % _WRAP
    rolled = np.flatnonzero(overflows)
    rest = step[rolled] - (overflows[rolled] - 1) * most
    words[at[rolled] - 1] = _OVERFLOW | rest
    return words.astype(np.uint32), int(turn[-1])
