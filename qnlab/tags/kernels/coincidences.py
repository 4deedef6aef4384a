"""Coincidences: groups of one tag of each channel of a pattern, with spread <= window.

All-pairs counting takes every such group: a tag may be in many. Greedy counting goes through time
and uses a tag once: it takes the oldest group there is, and goes on behind it.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

NO_SLOT = 255
_TALLIED = 8
_BLOCK = 4096


@numba.njit(cache=True, nogil=True)
def count_groups(
    t: I64, ch: U8, slot: U8, members: U8, window: int, fresh: int, groups: I64
) -> None:
    """Count all groups of many patterns in one pass.

    First a scan without branches notes the tags that follow another one within the window. Of
    each such tag it is tallied which channels precede it; all patterns are counted from that
    tally. Only where a channel precedes it twice, the groups are counted one pattern at a time.

    Parameters
    ----------
    t, ch : ndarray, shape (n,)
        Times in ps, non-decreasing, and channels.
    slot : ndarray of uint8, shape (256,)
        A number, from 0, of each channel that is in a pattern, else `NO_SLOT`.
    members : ndarray of uint8, shape (patterns, slots)
        1 where the slot belongs to the pattern.
    window : int
        Largest spread of a group, ps.
    fresh : int
        A group counts only if its latest tag has at least this index.
    groups : ndarray of int64, shape (patterns,)
        Counts, added to in place.
    """
    patterns, slots = members.shape
    wide = slots > _TALLIED
    bit = np.zeros(256, np.int64)
    for c in range(256):
        if slot[c] != NO_SLOT and not wide:
            bit[c] = 1 << slot[c]
    tally = np.zeros((256, 1 if wide else 1 << slots), np.int64)
    held = np.zeros(slots, np.int64)
    follows = np.empty(_BLOCK + 1, np.int32)
    for base in range(max(fresh, 1), len(t), _BLOCK):
        found = np.uint64(0)
        for i in range(base, min(base + _BLOCK, len(t))):
            follows[found] = i - base
            found += np.uint64(t[i] - t[i - 1] <= window)
        for k in range(found):
            i = base + follows[k]
            oldest = t[i] - window
            before = bit[ch[i - 1]]
            twice = wide
            j = i - 2
            while j >= 0 and t[j] >= oldest:
                twice |= (before & bit[ch[j]]) != 0
                before |= bit[ch[j]]
                j -= 1
            if not twice:
                tally[ch[i], before] += 1
            elif slot[ch[i]] != NO_SLOT:
                held[:] = 0
                for earlier in range(j + 1, i):
                    if slot[ch[earlier]] != NO_SLOT:
                        held[slot[ch[earlier]]] += 1
                held[slot[ch[i]]] = 1
                for p in range(patterns):
                    if members[p, slot[ch[i]]]:
                        product = 1
                        for s in range(slots):
                            if members[p, s]:
                                product *= held[s]
                        groups[p] += product
    if wide:
        return
    for p in range(patterns):
        need = 0
        for s in range(slots):
            need |= members[p, s] << s
        for c in range(256):
            if bit[c] & need:
                others = need & ~bit[c]
                for before in range(1 << slots):
                    if before & others == others:
                        groups[p] += tally[c, before]


def count_groups_reference(
    t: I64, ch: U8, slot: U8, members: U8, window: int, fresh: int, groups: I64
) -> None:
    """The same as `count_groups`, in NumPy."""
    slots = slot[ch]
    index = np.arange(len(t))
    oldest = np.searchsorted(t, t - window)
    before = np.array(
        [
            np.concatenate(([0], np.cumsum(slots == s)))[np.stack((index, oldest))]
            for s in range(members.shape[1])
        ]
    )
    held = before[:, 0] - before[:, 1]
    for p, own in enumerate(members.astype(np.bool_)):
        for s in np.flatnonzero(own):
            others = own.copy()
            others[s] = False
            latest = (slots == s) & (index >= fresh)
            groups[p] += int(held[others][:, latest].prod(axis=0).sum())


@numba.njit(cache=True, nogil=True)
def match_pairs(a: I64, b: I64, window: int) -> tuple[int, int, int]:
    """Match tags of two channels greedily, each at most once, at most `window` ps apart.

    Parameters
    ----------
    a, b : ndarray of int64, shapes (n,) and (m,)
        Times of the two channels, ps, non-decreasing.
    window : int
        Largest distance, ps.

    Returns
    -------
    pairs, used_a, used_b : int
        Pairs, and how many tags of each channel are matched or too old for any later one.
    """
    i = j = pairs = 0
    n, m = len(a), len(b)
    while i < n and j < m:
        apart = b[j] - a[i]
        late, early = apart > window, apart < -window
        i += not early
        j += not late
        pairs += not (late | early)
    return pairs, i, j


def match_pairs_reference(a: I64, b: I64, window: int) -> tuple[int, int, int]:
    """The same as `match_pairs`: jumps from pair to pair with NumPy's search."""
    i = j = pairs = 0
    while i < len(a) and j < len(b):
        if a[i] < b[j] - window:
            i += int(np.searchsorted(a[i:], b[j] - window))
        elif b[j] < a[i] - window:
            j += int(np.searchsorted(b[j:], a[i] - window))
        else:
            i, j, pairs = i + 1, j + 1, pairs + 1
    return pairs, i, j


@numba.njit(cache=True, nogil=True)
def match_groups(t: I64, begin: I64, end: I64, window: int, groups: I64) -> int:
    """Match tags of many channels greedily: a group has one of each, a tag is in at most one.

    Parameters
    ----------
    t : ndarray of int64, shape (n,)
        Times in ps, channel after channel, each non-decreasing.
    begin, end : ndarray of int64, shape (channels,)
        Where each channel's tags stand in `t`; `begin` is moved behind those that are matched or
        too old for any later group.
    window : int
        Largest spread of a group, ps.
    groups : ndarray of int64, shape (at least the shortest channel's tags, channels)
        Filled with the index in `t` of each group's tags.

    Returns
    -------
    int
        Number of groups.
    """
    channels = len(begin)
    one, found = np.uint64(1), 0
    at, stop = begin.astype(np.uint64), end.astype(np.uint64)
    for c in range(channels):
        if at[c] == stop[c]:
            return 0
    newest = t[at[0]]
    while True:
        # Without branches: each channel goes one tag on if its own is too old for the newest.
        oldest = newest - window
        moved = np.uint64(0)
        for c in range(channels):
            late = np.uint64(t[at[c]] < oldest)
            at[c] += late
            moved += late
            if at[c] == stop[c]:
                begin[:] = at
                return found
            newest = max(newest, t[at[c]])
        if moved == 0 and newest - window == oldest:
            for c in range(channels):
                groups[found, c] = at[c]
                at[c] += one
            found += 1
            begin[:] = at
            for c in range(channels):
                if at[c] == stop[c]:
                    return found
            newest = t[at[0]]


def match_groups_reference(t: I64, begin: I64, end: I64, window: int, groups: I64) -> int:
    """The same as `match_groups`: jumps from group to group with NumPy's search."""
    found = 0
    while np.all(begin < end):
        heads = t[begin]
        oldest = heads.max() - window
        if heads.min() >= oldest:
            groups[found] = begin
            begin += 1
            found += 1
            continue
        for c in range(len(begin)):
            begin[c] += np.searchsorted(t[begin[c] : end[c]], oldest)
    return found
