"""Delays between two channels: histograms, start-stop, what stands around a herald."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]


@numba.njit(cache=True, nogil=True)
def pick(t: I64, ch: U8, channel: int, out: I64) -> int:
    """Copy the times of one channel to the front of `out`; return their number.

    Parameters
    ----------
    t, ch : ndarray, shape (n,)
        Times in ps and channels.
    out : ndarray of int64, shape (n + 1,)
        What stands behind the times copied is of no meaning.
    """
    found = 0
    for i in range(len(t)):
        out[found] = t[i]
        found += ch[i] == channel
    return found


def pick_reference(t: I64, ch: U8, channel: int, out: I64) -> int:
    """The same as `pick`, in NumPy."""
    own = t[ch == channel]
    out[: len(own)] = own
    return len(own)


@numba.njit(cache=True, nogil=True)
def add_delays(counts: I64, starts: I64, stops: I64, low: int, bin_ps: int) -> None:
    """Add every delay ``stop - start`` to half-open bins ``[low + k bin_ps, low + (k+1) bin_ps)``.

    Parameters
    ----------
    counts : ndarray of int64, shape (bins,)
        Histogram, added to in place.
    starts, stops : ndarray of int64, shapes (n,) and (m,)
        Times in ps, non-decreasing.
    low : int
        Smallest delay, ps; may be negative.
    bin_ps : int
        Bin width, ps.
    """
    span = np.uint64(len(counts) * bin_ps)
    width = np.uint64(bin_ps)
    first = 0
    n = len(stops)
    for i in range(len(starts)):
        origin = starts[i] + low
        while first < n and stops[first] < origin:
            first += 1
        j = first
        while j < n:
            delay = np.uint64(stops[j] - origin)
            if delay >= span:
                break
            counts[np.int64(delay // width)] += 1
            j += 1


def add_delays_reference(counts: I64, starts: I64, stops: I64, low: int, bin_ps: int) -> None:
    """The same as `add_delays`, in NumPy."""
    begin = np.searchsorted(stops, starts + low)
    end = np.searchsorted(stops, starts + low + len(counts) * bin_ps)
    number = end - begin
    offset = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    delay = stops[np.repeat(begin, number) + offset] - np.repeat(starts, number) - low
    counts += np.bincount(delay // bin_ps, minlength=len(counts))


@numba.njit(cache=True, nogil=True)
def add_start_stop(
    counts: I64, t: I64, ch: U8, start: int, stop: int, armed: int, bin_ps: int
) -> int:
    """Add the delay of each first stop after a start; a further start before it takes its place.

    Parameters
    ----------
    counts : ndarray of int64, shape (bins + 1,)
        Histogram from delay 0, added to in place; longer delays go into the last one.
    t, ch : ndarray, shape (n,)
        Times in ps, non-decreasing, and channels.
    start, stop : int
        Channels; they differ.
    armed : int
        The start that waits for a stop, ps, or -2^62 for none.

    Returns
    -------
    int
        `armed` for the next call.
    """
    none = -(1 << 62)
    bins = len(counts) - 1
    for i in range(len(t)):
        if ch[i] == start:
            armed = t[i]
        elif ch[i] == stop and armed != none:
            counts[min((t[i] - armed) // bin_ps, bins)] += 1
            armed = none
    return armed


def add_start_stop_reference(
    counts: I64, t: I64, ch: U8, start: int, stop: int, armed: int, bin_ps: int
) -> int:
    """The same as `add_start_stop`, in NumPy."""
    none = -(1 << 62)
    ours = (ch == start) | (ch == stop)
    times = np.concatenate(([armed] if armed != none else [], t[ours])).astype(np.int64)
    is_start = np.concatenate(([True] if armed != none else [], ch[ours] == start)).astype(np.bool_)
    fires = np.flatnonzero(is_start[:-1] & ~is_start[1:])
    binned = np.minimum((times[fires + 1] - times[fires]) // bin_ps, len(counts) - 1)
    counts += np.bincount(binned, minlength=len(counts))
    return int(times[-1]) if len(times) and is_start[-1] else none


@numba.njit(cache=True, nogil=True)
def count_heralded(heralds: I64, first: I64, second: I64, window: int, totals: I64) -> None:
    """Count what stands within ``|dt| <= window`` of each herald.

    Parameters
    ----------
    heralds, first, second : ndarray of int64
        Times of three channels, ps, non-decreasing.
    window : int
        Half width, ps.
    totals : ndarray of int64, shape (4,)
        Added to in place: heralds, tags of the first channel, of the second, and their products.
    """
    a0 = a1 = b0 = b1 = 0
    n, m = len(first), len(second)
    for i in range(len(heralds)):
        begin, end = heralds[i] - window, heralds[i] + window
        while a0 < n and first[a0] < begin:
            a0 += 1
        while a1 < n and first[a1] <= end:
            a1 += 1
        while b0 < m and second[b0] < begin:
            b0 += 1
        while b1 < m and second[b1] <= end:
            b1 += 1
        totals[0] += 1
        totals[1] += a1 - a0
        totals[2] += b1 - b0
        totals[3] += (a1 - a0) * (b1 - b0)


def count_heralded_reference(
    heralds: I64, first: I64, second: I64, window: int, totals: I64
) -> None:
    """The same as `count_heralded`, in NumPy."""
    of_first, of_second = (
        np.searchsorted(tags, heralds + window, side="right")
        - np.searchsorted(tags, heralds - window)
        for tags in (first, second)
    )
    totals += [len(heralds), of_first.sum(), of_second.sum(), (of_first * of_second).sum()]
