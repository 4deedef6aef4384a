"""Decoders of raw records.

The decoders return ``(ticks, dtime, ch, marker_ticks, marker_bits, overflows, base, last, bad,
reason)``: ticks (of the sync, in T3 mode) with roll-overs added, start-stop times in T3 mode
(none in T2), channels (as the record numbers them; `SYNC` for the sync input), the markers, the
number of overflow records, the roll-over base and the newest tick to hand to the next call, and
the index and kind of the first record that cannot be (-1 if all are well). Record layouts are
those of PicoQuant's published PTU demonstration programs.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
Decoded = tuple[I64, I64, U8, I64, I64, int, int, int, int, int]

SYNC = 64
WELL, UNKNOWN_RECORD, TIME_GOES_BACK = 0, 1, 2
_TAG, _MARKER, _OVERFLOW, _BAD = 0, 1, 2, 3


@numba.njit(cache=True, nogil=True)
def decode_hydra(records: U32, base: int, last: int, wrap: int, counted: bool, t3: bool) -> Decoded:
    """Decode records of HydraHarp, MultiHarp, PicoHarp 330 and TimeHarp 260.

    Parameters
    ----------
    records : ndarray of uint32, shape (n,)
        Raw records.
    base, last : int
        Roll-over base and newest tick of the records before, ticks.
    wrap : int
        Ticks a roll-over.
    counted : bool
        Whether an overflow record holds a number of roll-overs.
    t3 : bool
        T3 mode (sync count and start-stop time) instead of T2.
    """
    n = len(records)
    ticks, ch = np.empty(n, np.int64), np.empty(n, np.uint8)
    dtime = np.empty(n if t3 else 0, np.int64)
    marker_ticks, marker_bits = np.empty(n, np.int64), np.empty(n, np.int64)
    tags, one = np.uint64(0), np.uint64(1)
    markers = overflows = 0
    bad, reason = -1, WELL
    mask = np.uint32(0x3FF if t3 else 0x1FFFFFF)
    lowest_special = np.uint32((1 << 31) | (0 if t3 else 1 << 25))
    for i in range(n):
        r = records[i]
        time = np.int64(r & mask)
        if r >= lowest_special:
            chan = np.int64((r >> np.uint32(25)) & np.uint32(0x3F))
            if chan == 0x3F:
                base += wrap * (time if counted and time > 0 else 1)
                overflows += 1
                continue
            if 1 <= chan <= 15:
                marker_ticks[markers] = base + time
                marker_bits[markers] = chan
                markers += 1
                continue
            bad, reason = i, UNKNOWN_RECORD
            break
        now = base + time
        if now < last:
            bad, reason = i, TIME_GOES_BACK
            break
        last = now
        ticks[tags] = now
        if t3:
            dtime[tags] = np.int64((r >> np.uint32(10)) & np.uint32(0x7FFF))
        # The sync of T2 mode is special, of channel 0: SYNC is its special bit.
        ch[tags] = r >> np.uint32(25)
        tags += one
    return (
        ticks[:tags],
        dtime[:tags],
        ch[:tags],
        marker_ticks[:markers],
        marker_bits[:markers],
        overflows,
        base,
        last,
        bad,
        reason,
    )


def decode_hydra_reference(
    records: U32, base: int, last: int, wrap: int, counted: bool, t3: bool
) -> Decoded:
    """The same as `decode_hydra`, in NumPy."""
    r = records.astype(np.int64)
    time = r & (0x3FF if t3 else 0x1FFFFFF)
    chan = (r >> 25) & 0x3F
    special = (r >> 31) == 1
    kind = np.full(len(r), _BAD)
    kind[~special] = _TAG
    kind[special & (chan == 0) & (not t3)] = _TAG
    kind[special & (chan >= 1) & (chan <= 15)] = _MARKER
    kind[special & (chan == 0x3F)] = _OVERFLOW
    turns = np.where(time > 0, time, 1) if counted else np.ones_like(time)
    dtime = (r >> 10) & 0x7FFF
    channel = np.where(special, SYNC, chan)
    return _assemble(kind, time, dtime, t3, channel, chan, turns, base, last, wrap)


@numba.njit(cache=True, nogil=True)
def decode_pico(records: U32, base: int, last: int, wrap: int, counted: bool, t3: bool) -> Decoded:
    """Decode records of PicoHarp 300; parameters as `decode_hydra` (`counted` is always false)."""
    n = len(records)
    ticks, ch = np.empty(n, np.int64), np.empty(n, np.uint8)
    dtime = np.empty(n if t3 else 0, np.int64)
    marker_ticks, marker_bits = np.empty(n, np.int64), np.empty(n, np.int64)
    tags = markers = overflows = 0
    bad, reason = -1, WELL
    for i in range(n):
        r = np.int64(records[i])
        chan = r >> 28
        time = r & (0xFFFF if t3 else 0xFFFFFFF)
        start_stop = (r >> 16) & 0xFFF
        if chan == 15:
            bits = (start_stop if t3 else time) & 0xF
            if (start_stop if t3 else bits) == 0:
                base += wrap
                overflows += 1
            else:
                marker_ticks[markers] = base + (time if t3 else time & ~0xF)
                marker_bits[markers] = bits
                markers += 1
            continue
        if chan > 4 or (t3 and chan == 0):
            bad, reason = i, UNKNOWN_RECORD
            break
        now = base + time
        if now < last:
            bad, reason = i, TIME_GOES_BACK
            break
        last = now
        ticks[tags] = now
        if t3:
            dtime[tags] = start_stop
        ch[tags] = chan
        tags += 1
    return (
        ticks[:tags],
        dtime[:tags],
        ch[:tags],
        marker_ticks[:markers],
        marker_bits[:markers],
        overflows,
        base,
        last,
        bad,
        reason,
    )


def decode_pico_reference(
    records: U32, base: int, last: int, wrap: int, counted: bool, t3: bool
) -> Decoded:
    """The same as `decode_pico`, in NumPy."""
    r = records.astype(np.int64)
    chan = r >> 28
    time = r & (0xFFFF if t3 else 0xFFFFFFF)
    dtime = (r >> 16) & 0xFFF
    special = chan == 15
    bits = (dtime if t3 else time) & 0xF
    kind = np.full(len(r), _TAG)
    kind[((chan > 4) & ~special) | ((chan == 0) & t3)] = _BAD
    kind[special] = _MARKER
    kind[special & ((dtime if t3 else bits) == 0)] = _OVERFLOW
    if not t3:
        time = np.where(kind == _MARKER, time & ~0xF, time)
    return _assemble(kind, time, dtime, t3, chan, bits, np.ones_like(r), base, last, wrap)


def _assemble(
    kind: I64,
    time: I64,
    dtime: I64,
    t3: bool,
    channel: I64,
    bits: I64,
    turns: I64,
    base: int,
    last: int,
    wrap: int,
) -> Decoded:
    bases = base + wrap * np.cumsum(np.where(kind == _OVERFLOW, turns, 0))
    now = bases + time
    is_tag = kind == _TAG
    newest = np.maximum.accumulate(np.concatenate(([last], np.where(is_tag, now, last))))
    back = is_tag & (now < newest[:-1])
    wrong = np.flatnonzero((kind == _BAD) | back)
    bad, reason, n = -1, WELL, len(kind)
    if len(wrong):
        bad = n = int(wrong[0])
        reason = TIME_GOES_BACK if back[bad] else UNKNOWN_RECORD
    head = slice(0, n)
    tag, marker = np.flatnonzero(is_tag[head]), np.flatnonzero(kind[head] == _MARKER)
    return (
        now[tag],
        dtime[tag[: len(tag) if t3 else 0]],
        channel[tag].astype(np.uint8),
        now[marker],
        bits[marker],
        int(np.count_nonzero(kind[head] == _OVERFLOW)),
        int(bases[n - 1]) if n else base,
        int(newest[n]),
        bad,
        reason,
    )
