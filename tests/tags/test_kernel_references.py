"""Every compiled kernel does what its NumPy reference does; every kernel has one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnlab.tags import kernels
from tests.tags.streams import streams

quick = settings(deadline=None, max_examples=60)
tags = streams().map(lambda whole: (whole.t, whole.ch))
times = st.lists(st.integers(-300, 300), max_size=40).map(lambda v: np.array(sorted(v), np.int64))
delays = st.lists(st.integers(-50, 50), min_size=4, max_size=4)


def tables(delay, dropped=()):
    target, by = np.full(256, kernels.DROPPED, np.int16), np.zeros(256, np.int64)
    for channel, value in enumerate(delay, 1):
        target[channel] = kernels.DROPPED if channel in dropped else 10 - channel
        by[channel] = value
    return target, by


def both(name, *arguments):
    """Results and, after the call, arguments of a kernel and of its reference."""
    results = []
    for kernel in (getattr(kernels, name), getattr(kernels, f"{name}_reference")):
        own = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        results.append((kernel(*own), own))
    return results


def test_every_kernel_has_a_reference():
    named = {name for name in kernels.__all__ if hasattr(getattr(kernels, name), "py_func")}
    assert len(named) >= 14
    assert {f"{name}_reference" for name in named} <= set(kernels.__all__)


@given(tags, delays, st.sets(st.integers(1, 4), max_size=2))
@quick
def test_insertion(stream, delay, dropped):
    t, ch = stream
    out = np.zeros(len(t) + 3, np.int64), np.zeros(len(t) + 3, np.uint8)
    out[0][:3], out[1][:3] = [100, 100, 380], [1, 9, 6]
    (n, own), (m, reference) = both(
        "insert_delayed", t, ch, *tables(delay, dropped), *out, 3, 10**6
    )
    assert n == m
    for array in (4, 5):
        np.testing.assert_array_equal(own[array][:n], reference[array][:n])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), max_size=6), st.booleans())
@quick
def test_whether_in_order(pairs, ordered):
    pairs = sorted(pairs) if ordered else pairs
    t, ch = np.array(pairs, np.int64).reshape(-1, 2).T
    (own, _), (reference, _) = both("in_order", t.copy(), ch.astype(np.uint8))
    assert own == reference == (pairs == sorted(pairs))


def test_insertion_gives_up_on_what_is_far_from_sorted():
    t, ch = np.arange(1000)[::-1].copy(), np.ones(1000, np.uint8)
    out = np.empty(1000, np.int64), np.empty(1000, np.uint8)
    assert kernels.insert_delayed(t, ch, *tables([0]), *out, 0, 16_000) == kernels.TOO_UNSORTED


@given(tags, tags, delays, st.sets(st.integers(1, 4), max_size=2))
@quick
def test_demultiplexing_and_merging(held, stream, delay, dropped):
    n = len(held[0]) + len(stream[0])
    out = np.zeros(n, np.int64), np.zeros(n, np.uint8)
    ends = np.zeros(512, np.int64)
    (fine, own), (well, reference) = both(
        "demultiplex", *held, *stream, *tables(delay, dropped), *out, ends
    )
    assert fine
    assert well
    assert set(own[-1]) | {0} == set(reference[-1]) | {0}
    filled = own[-1][-1]
    t, ch = own[6][:filled], own[7][:filled]
    np.testing.assert_array_equal(t, reference[6][:filled])
    np.testing.assert_array_equal(ch, reference[7][:filled])
    spare = np.empty_like(t), np.empty_like(ch)
    results = both("merge_runs", t, ch, own[-1], *spare)
    (place, merged), (place_there, sorted_) = results
    got = merged[3:] if place else merged[:2]
    expected = sorted_[3:] if place_there else sorted_[:2]
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


def test_demultiplexing_refuses_a_channel_that_is_not_sorted():
    t, ch = np.array([5, 4]), np.ones(2, np.uint8)
    nothing = np.empty(0, np.int64), np.empty(0, np.uint8)
    out = np.empty(2, np.int64), np.empty(2, np.uint8)
    for fine, _ in both("demultiplex", *nothing, t, ch, *tables([0]), *out, np.zeros(512, int)):
        assert not fine


@given(times, times)
@quick
def test_merging_two(left, right):
    t = np.concatenate((left, right))
    ch = np.repeat(np.array([1, 2], np.uint8), [len(left), len(right)])
    out = np.empty_like(t), np.empty_like(ch)
    (_, own), (_, reference) = both("merge_two", t, ch, 0, len(left), len(t), *out)
    np.testing.assert_array_equal(own[5], reference[5])
    np.testing.assert_array_equal(own[6], reference[6])


@given(tags, st.lists(st.integers(0, 40), min_size=4, max_size=4), st.integers(-50, 50))
@quick
def test_dead_time(stream, dead, last):
    by, latest = np.zeros(256, np.int64), np.full(256, kernels.NEVER)
    by[1:5], latest[1] = dead, last
    (n, own), (m, reference) = both("drop_dead", *stream, by, latest)
    assert n == m
    np.testing.assert_array_equal(own[0][:n], reference[0][:n])
    np.testing.assert_array_equal(own[1][:n], reference[1][:n])
    np.testing.assert_array_equal(own[3], reference[3])


@given(tags, st.sampled_from([kernels.NEVER, -7]))
@quick
def test_time_since_the_sync(stream, last):
    out = np.zeros(len(stream[0]), np.int64)
    (state, own), (expected, reference) = both("since_sync", *stream, 2, last, 5, out, out)
    assert state == expected
    np.testing.assert_array_equal(own[5:], reference[5:])


@given(tags, st.integers(0, 80), st.integers(0, 5), st.integers(4, 12))
@quick
def test_groups(stream, window, fresh, slots):
    slot = np.full(256, kernels.NO_SLOT, np.uint8)
    slot[1:5] = [0, 1, 2, slots - 1]
    members = np.zeros((4, slots), np.uint8)
    members[0, :2] = members[1, :3] = members[2, [2, slots - 1]] = 1
    members[3, [0, 1, 2, slots - 1]] = 1
    counts = np.zeros(4, np.int64)
    (_, own), (_, reference) = both("count_groups", *stream, slot, members, window, fresh, counts)
    np.testing.assert_array_equal(own[-1], reference[-1])


@given(times, times, st.integers(0, 50))
@quick
def test_greedy_pairs(a, b, window):
    (own, _), (reference, _) = both("match_pairs", a, b, window)
    assert own == reference


@given(st.lists(times, min_size=2, max_size=5), st.integers(0, 50))
@quick
def test_greedy_groups(channels, window):
    end = np.cumsum([len(own) for own in channels])
    begin = np.concatenate(([0], end[:-1]))
    out = np.zeros((40, len(channels)), np.int64)
    (n, own), (m, reference) = both(
        "match_groups", np.concatenate(channels), begin, end, window, out
    )
    assert n == m
    np.testing.assert_array_equal(own[-1], reference[-1])


@given(tags)
@quick
def test_picking(stream):
    (n, own), (m, reference) = both("pick", *stream, 2, np.zeros(len(stream[0]) + 1, np.int64))
    assert n == m
    np.testing.assert_array_equal(own[3][:n], reference[3][:n])


@given(times, times, st.integers(-40, 40), st.integers(1, 9), st.integers(1, 30))
@quick
def test_delays(starts, stops, low, width, bins):
    (_, own), (_, reference) = both(
        "add_delays", np.zeros(bins, np.int64), starts, stops, low, width
    )
    np.testing.assert_array_equal(own[0], reference[0])


@given(tags, st.sampled_from([kernels.NEVER, -7]), st.integers(1, 9))
@quick
def test_start_stop(stream, armed, width):
    (own, counts), (reference, expected) = both(
        "add_start_stop", np.zeros(8, np.int64), *stream, 1, 3, armed, width
    )
    assert own == reference
    np.testing.assert_array_equal(counts[0], expected[0])


@given(times, times, times, st.integers(0, 40))
@quick
def test_heralded(heralds, first, second, window):
    (_, own), (_, reference) = both(
        "count_heralded", heralds, first, second, window, np.zeros(4, np.int64)
    )
    np.testing.assert_array_equal(own[4], reference[4])


@given(times, times, st.floats(-60, 60), st.floats(-0.1, 0.1), st.floats(0, 30))
@quick
def test_near_pairs(a, b, offset, drift, half):
    room = np.full(30, np.nan)
    (n, own), (m, reference) = both("near_pairs", a, b, 5, offset, drift, half, room, room)
    assert n == m
    np.testing.assert_array_equal(own[6:], reference[6:])


@given(
    st.lists(st.tuples(st.integers(-99, 99), st.integers(-99, 99)), max_size=30),
    st.integers(1, 9),
    st.integers(1, 40),
)
@quick
def test_lines(pairs, bins, half):
    at, residual = np.array(pairs, np.float64).reshape(-1, 2).T.copy()
    (_, own), (_, reference) = both(
        "add_lines", np.zeros((5, bins), np.int64), at, residual, -0.5, 0.25, float(half)
    )
    np.testing.assert_array_equal(own[0], reference[0])


@pytest.mark.parametrize("writeable", [True, False])
def test_after_warming_up_nothing_is_compiled(writeable):
    kernels.warm_up()
    t, ch = np.arange(10), np.zeros(10, np.uint8)
    t.flags.writeable = ch.flags.writeable = writeable
    slot, members = np.zeros(256, np.uint8), np.ones((1, 1), np.uint8)
    before = len(kernels.count_groups.signatures)
    kernels.count_groups(t, ch, slot, members, 5, 0, np.zeros(1, np.int64))
    assert len(kernels.count_groups.signatures) == before
