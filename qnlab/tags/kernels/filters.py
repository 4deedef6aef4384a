"""Dead time, and the time since the latest sync."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

NEVER = -(1 << 62)
"""The time of what has not happened yet, ps."""


@numba.njit(cache=True, nogil=True)
def drop_dead(t: I64, ch: U8, dead: I64, last: I64) -> int:
    """Drop tags within the dead time after the latest kept tag of their channel, in place.

    Parameters
    ----------
    t, ch : ndarray, shape (n,)
        Times in ps, non-decreasing, and channels; the kept ones are moved to the front.
    dead : ndarray of int64, shape (256,)
        Dead time of each channel, ps; a tag is kept from that delay on.
    last : ndarray of int64, shape (256,)
        Latest kept tag of each channel, ps, or `NEVER`; updated.

    Returns
    -------
    int
        Tags kept.
    """
    kept = 0
    for i in range(len(t)):
        c, now = ch[i], t[i]
        if now - last[c] >= dead[c]:
            last[c] = now
            t[kept] = now
            ch[kept] = c
            kept += 1
    return kept


def drop_dead_reference(t: I64, ch: U8, dead: I64, last: I64) -> int:
    """The same as `drop_dead`, in NumPy."""
    kept = np.zeros(len(t), np.bool_)
    for c in np.unique(ch):
        own = np.flatnonzero(ch == c)
        times = t[own]
        at = int(np.searchsorted(times, last[c] + dead[c]))
        while at < len(own):
            kept[own[at]] = True
            last[c] = times[at]
            at = max(at + 1, int(np.searchsorted(times, last[c] + dead[c])))
    n = int(np.count_nonzero(kept))
    t[:n], ch[:n] = t[kept], ch[kept]
    return n


@numba.njit(cache=True, nogil=True)
def since_sync(
    t: I64, ch: U8, sync: int, last: int, number: int, delay: I64, frame: I64
) -> tuple[int, int]:
    """Time of each tag since the latest sync tag before it in the stream.

    Parameters
    ----------
    t, ch : ndarray, shape (n,)
        Times in ps, non-decreasing, and channels.
    sync : int
        Channel of the sync.
    last, number : int
        Latest sync before, ps, or `NEVER`, and how many there were.
    delay, frame : ndarray of int64, shape (n,)
        Filled with the time since the sync, ps (-1 where there is none), and the sync's number,
        from 0. A sync itself has delay 0.

    Returns
    -------
    last, number : int
        For the next call.
    """
    for i in range(len(t)):
        if ch[i] == sync:
            last = t[i]
            number += 1
        delay[i] = t[i] - last if last != NEVER else -1
        frame[i] = number - 1
    return last, number


def since_sync_reference(
    t: I64, ch: U8, sync: int, last: int, number: int, delay: I64, frame: I64
) -> tuple[int, int]:
    """The same as `since_sync`, in NumPy."""
    seen = np.cumsum(ch == sync)
    latest = np.concatenate(([last], t[ch == sync]))
    delay[:] = np.where(latest[seen] != NEVER, t - latest[seen], -1)
    frame[:] = number - 1 + seen
    return int(latest[-1]), number + len(latest) - 1
