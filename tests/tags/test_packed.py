"""Packing is lossless for any tags, its kernels are their references, and garbage is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnlab.tags import packed

INT64 = st.integers(-(2**63), 2**63 - 1)
NEAR = st.one_of(INT64, st.integers(0, 10), st.integers(2**27 - 3, 2**27 + 3))
tags = st.lists(st.tuples(NEAR, st.integers(0, 255)), max_size=60)


def arrays(pairs):
    t = np.array([time for time, _ in pairs], np.int64)
    return t, np.array([channel for _, channel in pairs], np.uint8)


def packing(kernel, t, ch, begin):
    words = np.zeros(packed.WORDS_A_TAG * len(t), np.uint32)
    channels = np.zeros(packed.CODES, np.uint8)
    used, codes = kernel(t, ch, begin, words, channels)
    return words[:used], channels[:codes]


def unpacking(kernel, words, channels, begin, room):
    t, ch = np.zeros(room, np.int64), np.zeros(room, np.uint8)
    return kernel(words, channels, begin, t, ch), t, ch


@given(tags, INT64)
@settings(deadline=None)
def test_what_is_packed_comes_back_and_both_kernels_are_their_references(pairs, begin):
    t, ch = arrays(pairs)
    words, channels = packing(packed.pack, t, ch, begin)
    for left, right in zip(
        (words, channels), packing(packed.pack_reference, t, ch, begin), strict=True
    ):
        np.testing.assert_array_equal(left, right)
    for kernel in (packed.unpack, packed.unpack_reference):
        tags, back_t, back_ch = unpacking(kernel, words, channels, begin, len(t))
        assert tags == len(t)
        np.testing.assert_array_equal(back_t, t)
        np.testing.assert_array_equal(back_ch, ch)


@given(
    st.lists(st.integers(0, 2**32 - 1), max_size=20),
    st.lists(st.integers(0, 255), max_size=31),
    st.integers(0, 20),
)
@settings(deadline=None)
def test_any_words_are_unpacked_or_refused_as_the_reference_does(words, channels, room):
    raw, codes = np.array(words, np.uint32), np.array(channels, np.uint8)
    left = unpacking(packed.unpack, raw, codes, 0, room)
    right = unpacking(packed.unpack_reference, raw, codes, 0, room)
    assert left[0] == right[0]
    if left[0] >= 0:
        np.testing.assert_array_equal(left[1], right[1])
        np.testing.assert_array_equal(left[2], right[2])


@pytest.mark.parametrize(
    ("delta", "words"), [(0, 1), (2**27 - 1, 1), (2**27, 3), (-1, 3), (2**62, 3)]
)
def test_a_tag_takes_one_word_up_to_134_us(delta, words):
    t = np.array([1_000, 1_000 + delta], np.int64)
    used, channels = packing(packed.pack, t, np.array([64, 64], np.uint8), 1_000)
    assert len(used) == 1 + words
    assert channels.tolist() == [64]
    assert used[0] == 0


def test_the_32nd_channel_takes_three_words():
    ch = np.arange(200, 200 + 33, dtype=np.uint8)
    words, channels = packing(packed.pack, np.zeros(33, np.int64), ch, 0)
    assert len(words) == 31 + 2 * 3
    assert channels.tolist() == ch[:31].tolist()
