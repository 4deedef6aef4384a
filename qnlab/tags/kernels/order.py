"""Delays, order in time, and merging: equal times stand in the order of their channels."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
I16 = npt.NDArray[np.int16]
U8 = npt.NDArray[np.uint8]

DROPPED = -1
TOO_UNSORTED = -1


@numba.njit(cache=True, nogil=True)
def insert_delayed(
    t: I64, ch: U8, target: I16, delay: I64, out_t: I64, out_ch: U8, filled: int, moves: int
) -> int:
    """Map and delay tags and insert each where it belongs among those in `out_t`, `out_ch`.

    Parameters
    ----------
    t, ch : ndarray, shape (n,)
        Times in ps, nearly sorted, and channels.
    target : ndarray of int16, shape (256,)
        New channel of each channel, or `DROPPED`.
    delay : ndarray of int64, shape (256,)
        Delay of each channel `ch`, ps.
    out_t, out_ch : ndarray, shape (at least filled + n,)
        The first `filled` tags are sorted; the others follow.
    moves : int
        Give up after this many moves.

    Returns
    -------
    int
        Tags that are there now; `TOO_UNSORTED` after too many moves.
    """
    end = filled
    for i in range(len(t)):
        c = target[ch[i]]
        if c == DROPPED:
            continue
        now = t[i] + delay[ch[i]]
        at = end
        while at > 0 and (
            out_t[at - 1] > now or (out_t[at - 1] == now and np.int16(out_ch[at - 1]) > c)
        ):
            out_t[at] = out_t[at - 1]
            out_ch[at] = out_ch[at - 1]
            at -= 1
        out_t[at] = now
        out_ch[at] = np.uint8(c)
        moves -= end - at
        if moves < 0:
            return TOO_UNSORTED
        end += 1
    return end


def insert_delayed_reference(
    t: I64, ch: U8, target: I16, delay: I64, out_t: I64, out_ch: U8, filled: int, moves: int
) -> int:
    """The same as `insert_delayed`, in NumPy; `moves` is no limit."""
    kept = target[ch] != DROPPED
    all_t = np.concatenate((out_t[:filled], (t + delay[ch])[kept]))
    all_ch = np.concatenate((out_ch[:filled], target[ch[kept]].astype(np.uint8)))
    order = np.lexsort((all_ch, all_t))
    out_t[: len(order)], out_ch[: len(order)] = all_t[order], all_ch[order]
    return len(order)


@numba.njit(cache=True, nogil=True)
def in_order(t: I64, ch: U8) -> bool:
    """Whether times never fall, and of equal times the lower channel comes first."""
    wrong = False
    for i in range(len(t) - 1):
        wrong |= (t[i + 1] < t[i]) | ((t[i + 1] == t[i]) & (ch[i + 1] < ch[i]))
    return not wrong


def in_order_reference(t: I64, ch: U8) -> bool:
    """The same as `in_order`, in NumPy."""
    step = np.diff(t)
    return bool(np.all((step > 0) | ((step == 0) & (ch[1:] >= ch[:-1]))))


@numba.njit(cache=True, nogil=True)
def demultiplex(
    held_t: I64,
    held_ch: U8,
    t: I64,
    ch: U8,
    target: I16,
    delay: I64,
    out_t: I64,
    out_ch: U8,
    ends: I64,
) -> bool:
    """Map and delay tags and write them, and those held back, one run after the other.

    The runs stand in the order of their new channels; of one channel, first what was held back,
    then what comes from each old channel.

    Parameters
    ----------
    held_t, held_ch : ndarray, shape (m,)
        Times in ps, sorted, and new channels of the tags held back.
    t, ch : ndarray, shape (n,)
        Times in ps and old channels.
    target : ndarray of int16, shape (256,)
        New channel of each old one, or `DROPPED`.
    delay : ndarray of int64, shape (256,)
        Delay of each old channel, ps.
    out_t, out_ch : ndarray, shape (at least m + n,)
        Filled from the start.
    ends : ndarray of int64, shape (512,)
        Filled with the end of each run; many are empty.

    Returns
    -------
    bool
        Whether every run is sorted; if not, the rest is of no meaning.
    """
    held_size, size = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for c in held_ch:
        held_size[c] += 1
    for c in ch:
        size[c] += 1
    used = np.flatnonzero(size)
    held_at, at = np.zeros(256, np.int64), np.zeros(256, np.int64)
    runs = end = 0
    for new in range(256):
        held_at[new] = end
        end += held_size[new]
        ends[runs] = end
        runs += 1
        for old in used:
            if target[old] == new:
                at[old] = end
                end += size[old]
                ends[runs] = end
                runs += 1
    ends[runs:] = end
    for i in range(len(held_t)):
        c = held_ch[i]
        out_t[held_at[c]] = held_t[i]
        out_ch[held_at[c]] = c
        held_at[c] += 1
    latest = np.full(256, -(1 << 63), np.int64)
    for i in range(len(t)):
        old = ch[i]
        if target[old] == DROPPED:
            continue
        now = t[i] + delay[old]
        if now < latest[old]:
            return False
        latest[old] = now
        out_t[at[old]] = now
        out_ch[at[old]] = np.uint8(target[old])
        at[old] += 1
    return True


def demultiplex_reference(
    held_t: I64,
    held_ch: U8,
    t: I64,
    ch: U8,
    target: I16,
    delay: I64,
    out_t: I64,
    out_ch: U8,
    ends: I64,
) -> bool:
    """The same as `demultiplex`, in NumPy."""
    runs = end = 0
    for new in range(256):
        parts = [held_t[held_ch == new]]
        parts += [t[ch == old] + delay[old] for old in np.unique(ch) if target[old] == new]
        for part in parts:
            if np.any(part[1:] < part[:-1]):
                return False
            out_t[end : end + len(part)], out_ch[end : end + len(part)] = part, new
            end += len(part)
            ends[runs] = end
            runs += 1
    ends[runs:] = end
    return True


@numba.njit(cache=True, nogil=True)
def merge_two(t: I64, ch: U8, begin: int, middle: int, end: int, out_t: I64, out_ch: U8) -> None:
    """Merge the sorted stretches ``begin:middle`` and ``middle:end`` into the same place of `out`.

    Of equal times, the left stretch comes first. Goes from both ends at once, without branches,
    while neither stretch can run out: two chains of operations that do not wait for each other.

    Parameters
    ----------
    t, ch : ndarray, shape (n,)
        Times in ps and channels.
    out_t, out_ch : ndarray, shape (n,)
        Filled from `begin` to `end`.
    """
    one = np.uint64(1)
    i, j, k = np.uint64(begin), np.uint64(middle), np.uint64(begin)
    i_end, j_end, k_end = np.uint64(middle), np.uint64(end), np.uint64(end)
    while min(i_end - i, j_end - j) > one:
        for _ in range(min(i_end - i, j_end - j) >> one):
            left, right = t[i], t[j]
            left_ch, right_ch = ch[i], ch[j]
            later = right < left
            out_t[k] = min(left, right)
            out_ch[k] = right_ch if later else left_ch
            j += np.uint64(later)
            i += np.uint64(not later)
            k += one
            left, right = t[i_end - one], t[j_end - one]
            left_ch, right_ch = ch[i_end - one], ch[j_end - one]
            later = right >= left
            k_end -= one
            out_t[k_end] = max(left, right)
            out_ch[k_end] = right_ch if later else left_ch
            j_end -= np.uint64(later)
            i_end -= np.uint64(not later)
    while k < k_end:
        later = i == i_end or (j < j_end and t[j] < t[i])
        source = j if later else i
        out_t[k] = t[source]
        out_ch[k] = ch[source]
        j += np.uint64(later)
        i += np.uint64(not later)
        k += one


def merge_two_reference(
    t: I64, ch: U8, begin: int, middle: int, end: int, out_t: I64, out_ch: U8
) -> None:
    """The same as `merge_two`, in NumPy."""
    order = begin + np.argsort(t[begin:end], kind="stable")
    out_t[begin:end], out_ch[begin:end] = t[order], ch[order]


@numba.njit(cache=True, nogil=True)
def merge_runs(t: I64, ch: U8, ends: I64, spare_t: I64, spare_ch: U8) -> bool:
    """Merge sorted runs that stand one after the other, pair by pair; equal times keep their order.

    Parameters
    ----------
    t, ch : ndarray, shape (n,)
        Times in ps and channels; overwritten.
    ends : ndarray of int64, shape (runs,)
        End of each run, increasing; the first begins at 0, the last ends at n.
    spare_t, spare_ch : ndarray, shape (n,)
        Overwritten too.

    Returns
    -------
    bool
        Whether the merged tags are in `spare_t` and `spare_ch` instead of in `t` and `ch`.
    """
    edges = np.empty(len(ends) + 1, np.int64)
    edges[0] = 0
    runs = 0
    for end in ends:
        if end > edges[runs]:
            runs += 1
            edges[runs] = end
    in_spare = False
    while runs > 1:
        left = 0
        for k in range(0, runs, 2):
            middle, end = edges[k + 1], edges[min(k + 2, runs)]
            if in_spare:
                merge_two(spare_t, spare_ch, edges[k], middle, end, t, ch)
            else:
                merge_two(t, ch, edges[k], middle, end, spare_t, spare_ch)
            left += 1
            edges[left] = end
        runs = left
        in_spare = not in_spare
    return in_spare


def merge_runs_reference(t: I64, ch: U8, ends: I64, spare_t: I64, spare_ch: U8) -> bool:
    """The same as `merge_runs`, in NumPy."""
    order = np.argsort(t, kind="stable")
    spare_t[:], spare_ch[:] = t[order], ch[order]
    return True
