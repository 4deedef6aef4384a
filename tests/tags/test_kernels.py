"""The compiled decoders and counters against their NumPy references and against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnlab.tags import kernels

records = st.lists(st.integers(0, 2**32 - 1), max_size=60).map(
    lambda values: np.array(values, dtype=np.uint32)
)


def assert_same(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


@given(records, st.booleans(), st.booleans())
@settings(deadline=None)
def test_hydra_decoder_is_its_reference(raw, counted, t3):
    wrap = 1024 if t3 else 33554432
    assert_same(
        kernels.decode_hydra(raw, 0, 0, wrap, counted, t3),
        kernels.decode_hydra_reference(raw, 0, 0, wrap, counted, t3),
    )


@given(records, st.booleans())
@settings(deadline=None)
def test_pico_decoder_is_its_reference(raw, t3):
    wrap = 65536 if t3 else 210698240
    assert_same(
        kernels.decode_pico(raw, 0, 0, wrap, False, t3),
        kernels.decode_pico_reference(raw, 0, 0, wrap, False, t3),
    )


def test_hydra_t2_records_by_hand():
    overflow_by_3 = (1 << 31) | (63 << 25) | 3
    sync_at_5 = (1 << 31) | 5
    channel_1_at_7 = (1 << 25) | 7
    raw = np.array([channel_1_at_7, overflow_by_3, sync_at_5], dtype=np.uint32)
    ticks, _, ch, *_, overflows, base, _, bad, _ = kernels.decode_hydra(
        raw, 0, 0, 33554432, True, False
    )
    assert ticks.tolist() == [7, 3 * 33554432 + 5]
    assert ch.tolist() == [1, kernels.SYNC]
    assert (overflows, base, bad) == (1, 3 * 33554432, -1)


def test_unknown_special_record_is_refused_where_it_stands():
    raw = np.array([7, (1 << 31) | (40 << 25)], dtype=np.uint32)
    *_, bad, reason = kernels.decode_hydra(raw, 0, 0, 33554432, True, False)
    assert (bad, reason) == (1, kernels.UNKNOWN_RECORD)


@pytest.mark.parametrize("seed", range(3))
def test_time_going_back_is_refused(seed):
    good = np.sort(np.random.default_rng(seed).integers(0, 10**6, 20)).astype(np.uint32)
    good[10] = good[9] + 1_000_000
    *_, bad, reason = kernels.decode_hydra(good, 0, 0, 33554432, True, False)
    assert (bad, reason) == (11, kernels.TIME_GOES_BACK)


@pytest.mark.parametrize("size", [1, 7, 1024, 65536])
@pytest.mark.parametrize(
    ("decode", "arguments"),
    [
        (kernels.decode_hydra, (33_554_432, True, False)),
        (kernels.decode_hydra, (1024, True, True)),
        (kernels.decode_pico, (210_698_240, False, False)),
    ],
)
def test_roll_overs_are_carried_from_block_to_block(decode, arguments, size):
    rng = np.random.default_rng(size)
    wrap, counted, _ = arguments
    ticks = np.sort(rng.integers(0, 40 * wrap, 3000))
    overflow = 0xFE000001 if counted else 0xF0000000
    raw = []
    turns = 0
    for tick in ticks.tolist():
        raw += [overflow] * (tick // wrap - turns)
        turns = tick // wrap
        raw.append((1 << 28 if decode is kernels.decode_pico else 1 << 25) | tick % wrap)
    records = np.array(raw, np.uint32)
    base = last = 0
    found = []
    for at in range(0, len(records), size):
        got, *_, base, last, bad, _ = decode(records[at : at + size], base, last, *arguments)
        assert bad == -1
        found.append(got)
    np.testing.assert_array_equal(np.concatenate(found), ticks)
