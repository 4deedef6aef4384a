"""Tags in four bytes each: how a recording holds them until it is sealed.

A word of 32 bits is one tag: the time since the tag before in its upper 27 bits, ps, and a code for
the channel in its lower 5. The codes 0 to 30 stand for the first 31 channels of a chunk, in the
order of their first tag. A tag that does not fit (a longer time, a time that goes back, a further
channel) takes three words: code 31 with the channel in the bits above, then the difference to the
time before as 64 bits, lower half first. Differences wrap around at 64 bits, so every int64 time
can be held.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]

CODES = 31
WORDS_A_TAG = 3
"""Most words that one tag takes."""

_CODE_BITS = 5
_ESCAPE = 31
_LONGEST = 1 << 27
_NO_CODE = 255


@numba.njit(cache=True, nogil=True)
def pack(t: I64, ch: U8, begin: int, words: U32, channels: U8) -> tuple[int, int]:
    """Pack tags into `words`.

    Parameters
    ----------
    t, ch : ndarray, shape (n,)
        Times in ps and channels.
    begin : int
        Time that the first difference counts from, ps.
    words : ndarray of uint32, shape (at least 3 n,)
        Filled from the start.
    channels : ndarray of uint8, shape (31,)
        Filled with the channel of each code.

    Returns
    -------
    used, codes : int
        How many of `words` and of `channels` are filled.
    """
    code_of = np.full(256, _NO_CODE, np.uint8)
    used = codes = 0
    before = np.int64(begin)
    for i in range(len(t)):
        delta = t[i] - before
        before = t[i]
        code = code_of[ch[i]]
        if code == _NO_CODE and codes < CODES:
            code = np.uint8(codes)
            code_of[ch[i]] = code
            channels[codes] = ch[i]
            codes += 1
        if code != _NO_CODE and 0 <= delta < _LONGEST:
            words[used] = np.uint32((delta << _CODE_BITS) | code)
            used += 1
        else:
            words[used] = np.uint32(_ESCAPE | (np.uint32(ch[i]) << _CODE_BITS))
            words[used + 1] = np.uint32(delta & 0xFFFFFFFF)
            words[used + 2] = np.uint32((delta >> 32) & 0xFFFFFFFF)
            used += 3
    return used, codes


def pack_reference(t: I64, ch: U8, begin: int, words: U32, channels: U8) -> tuple[int, int]:
    """The same as `pack`, in NumPy."""
    present, first = np.unique(ch, return_index=True)
    known = present[np.argsort(first)][:CODES]
    channels[: len(known)] = known
    code_of = np.full(256, _NO_CODE, np.int64)
    code_of[known] = np.arange(len(known))
    delta = np.diff(np.concatenate((np.array([begin], np.int64), t)))
    code = code_of[ch]
    short = (code != _NO_CODE) & (delta >= 0) & (delta < _LONGEST)
    width = np.where(short, 1, WORDS_A_TAG)
    at = np.cumsum(width) - width
    words[at[short]] = (delta[short] << _CODE_BITS) | code[short]
    long = at[~short]
    words[long] = _ESCAPE | (ch[~short].astype(np.uint32) << _CODE_BITS)
    words[long + 1] = delta[~short] & 0xFFFFFFFF
    words[long + 2] = (delta[~short] >> 32) & 0xFFFFFFFF
    return int(width.sum()), len(known)


@numba.njit(cache=True, nogil=True)
def unpack(words: U32, channels: U8, begin: int, t: I64, ch: U8) -> int:
    """Unpack `words` into `t` and `ch`.

    Parameters
    ----------
    words : ndarray of uint32
        What `pack` filled.
    channels : ndarray of uint8
        Channel of each code.
    begin : int
        As it was for `pack`.
    t, ch : ndarray
        Filled from the start.

    Returns
    -------
    int
        Number of tags, or -1 if the words are not those of at most ``len(t)`` tags.
    """
    now = np.int64(begin)
    i = tags = 0
    n = len(words)
    while i < n:
        if tags == len(t):
            return -1
        word = np.int64(words[i])
        code = word & _ESCAPE
        if code == _ESCAPE:
            if i + 2 >= n or word >> _CODE_BITS > 255:
                return -1
            now += np.int64(words[i + 1]) | (np.int64(words[i + 2]) << 32)
            ch[tags] = word >> _CODE_BITS
            i += 3
        else:
            if code >= len(channels):
                return -1
            now += word >> _CODE_BITS
            ch[tags] = channels[code]
            i += 1
        t[tags] = now
        tags += 1
    return tags


def unpack_reference(words: U32, channels: U8, begin: int, t: I64, ch: U8) -> int:
    """The same as `unpack`, word by word in Python."""
    now, i, tags = begin, 0, 0
    while i < len(words):
        code, above = int(words[i]) & _ESCAPE, int(words[i]) >> _CODE_BITS
        if tags == len(t):
            return -1
        if code == _ESCAPE:
            if i + 2 >= len(words) or above > 255:
                return -1
            delta, channel, width = int(words[i + 1]) | int(words[i + 2]) << 32, above, 3
        elif code < len(channels):
            delta, channel, width = above, int(channels[code]), 1
        else:
            return -1
        now = (now + delta + 2**63) % 2**64 - 2**63
        t[tags], ch[tags] = now, channel
        tags += 1
        i += width
    return tags


def warm_up() -> None:
    """Compile what a recording needs, so that its first chunk does not wait for it."""
    none = np.empty(0, np.int64), np.empty(0, np.uint8), 0
    pack(*none, np.empty(0, np.uint32), np.empty(CODES, np.uint8))
