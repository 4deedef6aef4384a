"""Files made for the tests, byte by byte after the formats' descriptions."""

from __future__ import annotations

import atexit
import struct
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from qnlab.tags import Gap, Marker, TagChunk
from qnlab.tags.files import open_tags

_FOLDER = tempfile.TemporaryDirectory(prefix="tag-files-")
atexit.register(_FOLDER.cleanup)


def placed(data: bytes, name: str) -> Path:
    """A file of that content; the one before of that name is gone."""
    path = Path(_FOLDER.name) / name
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def ptu(record_type: int, words, tick_s: float = 1e-12, step_s: float = 1e-12) -> bytes:
    """A PTU file with the entries that a reader needs, one of them a string."""

    def entry(name: str, kind: int, value: bytes) -> bytes:
        return struct.pack("<32siI8s", name.encode(), -1, kind, value)

    comment = b"made for a test\0"
    words = np.asarray(words, "<u4")
    mode = 3 if record_type & 0x0100 else 2
    integers = {
        "Measurement_Mode": mode,
        "Measurement_SubMode": 0,
        "TTResultFormat_TTTRRecType": record_type,
        "TTResultFormat_BitsPerRecord": 32,
        "TTResult_SyncRate": round(1 / tick_s) if mode == 3 else 0,
        "TTResult_NumberOfRecords": len(words),
    }
    return b"".join(
        [
            b"PQTTTR\0\0" + b"1.0.00\0\0",
            entry("File_Comment", 0x4001FFFF, struct.pack("<q", len(comment))) + comment,
            entry("MeasDesc_GlobalResolution", 0x20000008, struct.pack("<d", tick_s)),
            entry("MeasDesc_Resolution", 0x20000008, struct.pack("<d", step_s)),
            *(entry(n, 0x10000008, struct.pack("<q", v)) for n, v in integers.items()),
            entry("Header_End", 0xFFFF0008, bytes(8)),
            words.tobytes(),
        ]
    )


def qutools(pairs) -> bytes:
    """A quTAG file of (time, channel)."""
    head = b"\x87\xb3\x91\xfa".ljust(40, b"\1")
    return head + b"".join(struct.pack("<QH", time, channel) for time, channel in pairs)


def a1(events, *, swapped: bool = False) -> bytes:
    """An S-Fifteen a1 file of (ticks, pattern)."""
    words = [(ticks << 10) | pattern for ticks, pattern in events]
    if swapped:
        words = [(w << 32 | w >> 32) % 2**64 for w in words]
    return struct.pack(f"<{len(words)}Q", *words)


def a2(events, newline: str = "\n") -> bytes:
    """An S-Fifteen a2 file."""
    return "".join(f"{(t << 10) | p:016x}{newline}" for t, p in events).encode()


def a0(events, newline: str = "\n") -> bytes:
    """An S-Fifteen a0 file: the lower half of each event first."""
    words = [(t << 10) | p for t, p in events]
    halves = [half for w in words for half in (w & 0xFFFFFFFF, w >> 32)]
    return "".join(f"{half:08x}{newline}" for half in halves).encode()


def tags_of(path: Path):
    """All (time, channel) of a file, after checking that its chunks keep their promises."""
    found, end, seq = [], None, 0
    for chunk in open_tags(path).chunks():
        assert chunk.seq == seq
        assert end is None or chunk.t_begin == end
        pairs = list(zip(chunk.t.tolist(), chunk.ch.tolist(), strict=True))
        assert pairs == sorted(pairs)
        assert all(chunk.t_begin <= time < chunk.t_end for time, _ in pairs)
        found += pairs
        end, seq = chunk.t_end, seq + 1
    return found


def chunked(pairs, sizes, *, markers=(), gaps=()) -> list[TagChunk]:
    """Chunks of sorted (time, channel), cut after so many tags each; gaps lie in the first."""
    chunks, begin, low = [], 0, 0
    cuts = [*np.cumsum(sizes).tolist(), len(pairs)]
    for seq, high in enumerate(cuts):
        part = pairs[low : max(low, high)]
        ends = [pairs[max(low, high)][0]] if max(low, high) < len(pairs) else []
        end = max([begin, *(time + 1 for time, _ in part), *ends])
        if ends and part and ends[0] == part[-1][0]:
            continue
        chunks.append(
            TagChunk(
                np.array([time for time, _ in part], np.int64),
                np.array([channel for _, channel in part], np.uint8),
                begin,
                end,
                len(chunks),
                "clock",
                gaps=tuple(gaps) if seq == 0 else (),
                markers=tuple(m for m in markers if begin <= m.time_ps < end),
            )
        )
        begin, low = end, max(low, high)
    return chunks


def sorted_tags(channels, latest: int):
    """Strategy: sorted (time, channel), close together and far apart."""
    step = st.one_of(st.integers(0, 3), st.integers(2**25 - 2, 2**25 + 2), st.integers(0, latest))

    def summed(steps):
        times = np.cumsum([0, *(step for step, _ in steps)]).tolist()[1:]
        pairs = zip(times, (channel for _, channel in steps), strict=True)
        return sorted(pair for pair in pairs if pair[0] <= latest)

    return st.lists(st.tuples(step, channels), max_size=40).map(summed)


SIZES = st.lists(st.integers(0, 5), max_size=5)
GAP, MARKER = Gap(0, 1, {3: 7}), Marker(0, "settings", "threshold")
