"""Analysers against brute force over all tags at once, and whatever the size of the chunks."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnlab.tags import Gap, TagChunk
from qnlab.tags.analysers import (
    Afterpulsing,
    Coincidences,
    Correlation,
    DeadTime,
    DelayHistogram,
    HeraldedG2,
    Rates,
    StartStop,
    SyncHistogram,
    TimeBins,
    TooFewTags,
)
from tests.tags.streams import (
    CHUNK_SIZES,
    assert_same,
    fed,
    in_chunks,
    live_parts,
    same_part,
    stream,
    streams,
)

quick = settings(deadline=None, max_examples=40)
PATTERNS = [(1, 2), (3, 1), (1, 2, 3), (4, 3, 2, 1)]
MAKERS = {
    "rates": Rates,
    "all pairs": lambda: Coincidences(PATTERNS, 20),
    "greedy": lambda: Coincidences(PATTERNS, 20, "greedy"),
    "delays": lambda: DelayHistogram(1, 2, 7, 12, -5),
    "own delays": lambda: DelayHistogram(1, 1, 7, 12, -5),
    "start-stop": lambda: StartStop(1, 2, 5, 6),
    "g2": lambda: Correlation(1, 2, 7, 5),
    "heralded g2": lambda: HeraldedG2(1, 2, 3, 25),
    "sync histogram": lambda: SyncHistogram(1, [3, 2], 9, 5),
    "time bins": lambda: TimeBins(1, [2, 4], [(0, 10), (10, 25), (40, 70)]),
}


def tags_of(whole, channel):
    return [int(t) for t in whole.t[whole.ch == channel]]


@pytest.mark.parametrize("name", MAKERS)
@given(streams(most=120))
@quick
def test_the_size_of_the_chunks_does_not_matter(name, whole):
    expected = fed(MAKERS[name](), [whole])
    for size in CHUNK_SIZES:
        assert_same(fed(MAKERS[name](), in_chunks(whole, size)), expected)


@pytest.mark.parametrize("name", MAKERS)
def test_a_long_stream_in_chunks_of_any_size(name):
    rng = np.random.default_rng(3)
    n, end = 70_000, 300_000
    gaps = (Gap(50_000, 50_100), Gap(200_000, 200_001))
    whole = stream(rng.integers(0, end, n), rng.integers(1, 5, n), gaps, end)
    expected = fed(MAKERS[name](), [whole])
    for size in CHUNK_SIZES[1:]:
        assert_same(fed(MAKERS[name](), in_chunks(whole, size)), expected)


@given(streams())
@quick
def test_rates(whole):
    result = fed(Rates(), [whole])
    assert result.counts == dict(Counter(whole.ch.tolist()))
    assert result.live_ps == whole.live_ps == sum(e - b for b, e in live_parts(whole))
    missed = sum(gap.missed[1] for gap in whole.gaps)
    assert result.missed == ({1: missed} if whole.gaps else {})
    expected = len(tags_of(whole, 2)) / (whole.live_ps * 1e-12)
    assert result.rate_hz(2) == pytest.approx(expected)


@given(streams(), st.integers(0, 60))
@quick
def test_all_pairs_are_all_groups_with_spread_up_to_the_window(whole, window):
    groups = fed(Coincidences(PATTERNS, window), [whole]).groups
    for pattern in PATTERNS:
        combinations = itertools.product(*(tags_of(whole, channel) for channel in pattern))
        assert groups[pattern] == sum(
            max(group) - min(group) <= window and same_part(whole, *group) for group in combinations
        )


def oldest_group(tags, window):
    """The group that is complete first, of the oldest tags of each channel that fit."""
    fitting = [group for group in itertools.product(*tags) if max(group) - min(group) <= window]
    return min(fitting, key=lambda group: (max(group), group), default=None)


@given(streams(most=30), st.integers(0, 60))
@quick
def test_greedy_takes_the_oldest_group_and_each_tag_once(whole, window):
    counted = fed(Coincidences(PATTERNS, window, "greedy"), [whole]).groups
    for pattern in PATTERNS:
        number = 0
        for begin, end in live_parts(whole):
            tags = [[t for t in tags_of(whole, c) if begin <= t < end] for c in pattern]
            while (group := oldest_group(tags, window)) is not None:
                number += 1
                for own, t in zip(tags, group, strict=True):
                    own.remove(t)
        assert counted[pattern] == number


def test_the_two_pairings_differ_where_a_tag_has_two_partners():
    whole = stream([10, 12, 13, 100, 100], [1, 2, 2, 1, 2])
    assert fed(Coincidences([(1, 2)], 5), [whole]).groups == {(1, 2): 3}
    assert fed(Coincidences([(1, 2)], 5, "greedy"), [whole]).groups == {(1, 2): 2}


def test_accidental_pairs_of_two_poisson_streams():
    rng = np.random.default_rng(11)
    n, end, window = 40_000, 10**9, 250
    whole = stream(rng.integers(0, end, 2 * n), np.repeat([1, 2], n), end_ps=end)
    pairs = fed(Coincidences([(1, 2)], window), [whole]).groups[1, 2]
    expected = n * n * (2 * window + 1) / end
    assert abs(pairs - expected) < 5 * np.sqrt(expected)


@pytest.mark.parametrize("stop", [1, 2])
@given(streams(), st.integers(1, 9), st.integers(1, 20), st.integers(-15, 5))
@quick
def test_delays_of_every_stop_to_every_start(stop, whole, width, bins, first):
    result = fed(DelayHistogram(1, stop, width, bins, first), [whole])
    starts, stops = tags_of(whole, 1), tags_of(whole, stop)
    expected = np.zeros(bins, np.int64)
    for (i, start), (j, end) in itertools.product(enumerate(starts), enumerate(stops)):
        k = (end - start) // width - first
        if 0 <= k < bins and same_part(whole, start, end) and (stop != 1 or i != j):
            expected[k] += 1
    np.testing.assert_array_equal(result.counts, expected)
    assert (result.starts, result.stops) == (len(starts), len(stops))


@given(streams())
@quick
def test_start_stop_takes_the_latest_start_and_the_first_stop(whole):
    result = fed(StartStop(1, 2, 10, 3), [whole])
    expected, longer = np.zeros(3, np.int64), 0
    for begin, end in live_parts(whole):
        armed = None
        for t, c in zip(whole.t.tolist(), whole.ch.tolist(), strict=True):
            if not begin <= t < end:
                continue
            if c == 1:
                armed = t
            elif c == 2 and armed is not None:
                if t - armed < 30:
                    expected[(t - armed) // 10] += 1
                else:
                    longer += 1
                armed = None
    np.testing.assert_array_equal(result.counts, expected)
    assert result.longer == longer


@given(streams())
@quick
def test_exposure_of_g2_is_the_number_of_pairs_of_instants(whole):
    width, half = 6, 4
    result = fed(Correlation(1, 2, width, half), [whole])
    parts = live_parts(whole)
    n1, n2, live = len(tags_of(whole, 1)), len(tags_of(whole, 2)), whole.live_ps
    for k in range(-half, half):
        exposure = sum(
            max(e - b - abs(tau), 0) for tau in range(k * width, (k + 1) * width) for b, e in parts
        )
        value = result.g2[k + half]
        if any(e - b <= width * half for b, e in parts):
            continue
        if not (n1 and n2):
            assert np.isnan(value)
        else:
            expected = result.counts[k + half] * live**2 / (n1 * n2 * exposure)
            assert value == pytest.approx(expected)


def test_g2_of_poisson_light_is_one_with_the_stated_error():
    rng = np.random.default_rng(2)
    n, end = 60_000, 10**8
    gaps = (Gap(10**7, 3 * 10**7), Gap(4 * 10**7, 4 * 10**7 + 20_000))
    whole = stream(rng.integers(0, end, 2 * n), np.repeat([1, 2], n), gaps, end)
    result = fed(Correlation(1, 2, 1000, 50), [whole])
    pulls = (result.g2 - 1) / result.error
    assert abs(pulls.mean()) < 5 / np.sqrt(len(pulls))
    assert 0.8 < pulls.std() < 1.2
    assert result.delay_ps[0] == -50_000 + 499.5


def test_g2_of_a_single_emitter_is_zero_at_zero_and_one_far_away():
    rng = np.random.default_rng(4)
    t = np.cumsum(1001 + rng.exponential(4000, 100_000).astype(np.int64))
    whole = stream(t, rng.integers(1, 3, len(t)), end_ps=int(t[-1]) + 1)
    result = fed(Correlation(1, 2, 500, 80), [whole])
    near = np.abs(result.delay_ps) < 900
    assert not result.counts[near].any()
    far = np.abs(result.delay_ps) > 25_000
    assert abs(result.g2[far].mean() - 1) < 5 * np.sqrt((result.error[far] ** 2).sum()) / far.sum()


@given(streams(), st.integers(0, 40))
@quick
def test_heralds_with_their_whole_window_in_one_stretch(whole, window):
    result = fed(HeraldedG2(1, 2, 3, window), [whole])
    heralds = first = second = triples = 0
    for h in tags_of(whole, 1):
        if any(b + window <= h < e - window for b, e in live_parts(whole)):
            a = sum(abs(t - h) <= window for t in tags_of(whole, 2))
            b = sum(abs(t - h) <= window for t in tags_of(whole, 3))
            heralds, first, second, triples = heralds + 1, first + a, second + b, triples + a * b
    assert (result.heralds, result.first, result.second, result.triples) == (
        heralds,
        first,
        second,
        triples,
    )


def test_heralded_g2_is_one_without_and_zero_with_a_single_photon():
    rng = np.random.default_rng(6)
    n, end = 30_000, 10**8
    poisson = stream(rng.integers(0, end, 3 * n), np.repeat([1, 2, 3], n), end_ps=end)
    result = fed(HeraldedG2(1, 2, 3, 2000), [poisson])
    assert abs(result.g2 - 1) < 5 * result.error
    herald = np.arange(0, end, 10_000)
    arm = rng.integers(2, 4, len(herald))
    pairs = stream(np.concatenate((herald, herald + 3)), np.concatenate((herald * 0 + 1, arm)))
    single = fed(HeraldedG2(1, 2, 3, 100), [TagChunk(pairs.t, pairs.ch, 0, end, 0, "test")])
    assert single.triples == 0
    assert single.g2 == 0.0
    assert single.error > 0


@given(streams())
@quick
def test_time_since_the_latest_sync(whole):
    result = fed(SyncHistogram(1, [3, 2], 9, 5), [whole])
    bins = fed(TimeBins(1, [2, 4], [(0, 10), (10, 25), (40, 70)]), [whole])
    counts, later, unsynced = np.zeros((2, 5), np.int64), 0, 0
    sorted_ = np.zeros((2, 3), np.int64)
    for begin, end in live_parts(whole):
        last = None
        for t, c in zip(whole.t.tolist(), whole.ch.tolist(), strict=True):
            if not begin <= t < end:
                continue
            if c == 1:
                last = t
            if c in (2, 3):
                if last is None:
                    unsynced += 1
                elif t - last < 45:
                    counts[[3, 2].index(c), (t - last) // 9] += 1
                else:
                    later += 1
            if c in (2, 4) and last is not None:
                for k, (low, high) in enumerate([(0, 10), (10, 25), (40, 70)]):
                    sorted_[[2, 4].index(c), k] += low <= t - last < high
    np.testing.assert_array_equal(result.counts, counts)
    assert (result.later, result.unsynced) == (later, unsynced)
    assert result.syncs == bins.syncs == len(tags_of(whole, 1))
    np.testing.assert_array_equal(bins.counts, sorted_)


def test_sorted_tags_tell_frame_bin_and_channel():
    whole = stream([5, 100, 103, 131, 150, 200, 226], [2, 1, 2, 3, 2, 1, 3])
    tags = TimeBins(1, [2, 3], [(0, 25), (25, 50)]).feed(whole)
    assert tags.frame.tolist() == [0, 0, 1]
    assert tags.bin.tolist() == [0, 1, 1]
    assert tags.ch.tolist() == [2, 3, 3]


def detector(rng, n, dead_ps, mean_ps, p_after, tau_ps):
    """Tags of a detector with dead time and, a tag, at most one afterpulse."""
    tags, now = [], 0.0
    while len(tags) < n:
        now += rng.exponential(mean_ps)
        tags.append(now)
        while rng.random() < p_after:
            now += dead_ps + rng.exponential(tau_ps)
            tags.append(now)
        now += dead_ps
    return np.array(tags, np.int64)


def test_dead_time_and_afterpulses_of_a_detector():
    t = detector(np.random.default_rng(8), 200_000, 50_000, 2_000_000, 0.03, 80_000)
    whole = stream(t, np.ones(len(t)), end_ps=int(t[-1]) + 1)
    dead = fed(DeadTime(1, 1000, 1000), [whole])
    assert dead.dead_ps == 50_000
    estimate = fed(Afterpulsing(1, 50_000, 1000, 800), [whole])
    assert abs(estimate.probability - 0.03) < 4 * estimate.error
    assert estimate.error < 0.003


def test_a_detector_without_afterpulses_has_none():
    t = detector(np.random.default_rng(9), 100_000, 50_000, 2_000_000, 0.0, 1.0)
    whole = stream(t, np.ones(len(t)), end_ps=int(t[-1]) + 1)
    estimate = fed(Afterpulsing(1, 50_000, 1000, 2000), [whole])
    assert abs(estimate.probability) < 4 * estimate.error


def test_too_few_tags_are_named():
    whole = stream([1, 50, 90], [1, 1, 1])
    with pytest.raises(TooFewTags, match=r"dead time: 0\.\d pairs a bin"):
        fed(DeadTime(1, 1, 100), [whole])
    with pytest.raises(TooFewTags, match="afterpulsing"):
        fed(Afterpulsing(1, 0, 1, 100), [whole])


def test_chunks_that_do_not_join_are_a_gap():
    def chunk(t, ch, begin, end, seq):
        return TagChunk(np.array([t]), np.array([ch], np.uint8), begin, end, seq, "test")

    pairs = Coincidences([(1, 2)], 50)
    pairs.feed(chunk(95, 1, 0, 100, 0))
    pairs.feed(chunk(105, 2, 103, 200, 1))
    assert pairs.result().groups == {(1, 2): 0}
    assert pairs.result().live_ps == 197
    with pytest.raises(ValueError, match="chunk 2 begins at 150 ps, the one before ended at 200"):
        pairs.feed(chunk(160, 1, 150, 300, 2))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Coincidences([], 1), "no pattern"),
        (lambda: Coincidences([(1,)], 1), "two or more different channels"),
        (lambda: Coincidences([(1, 1)], 1), "two or more different channels"),
        (lambda: Coincidences([(1, 2)], -1), "0 ps or more, got -1"),
        (lambda: Coincidences([(1, 300)], 1), "from 0 to 255, got 300"),
        (lambda: Coincidences([(1, 2)], 1, "best"), "got 'best'"),
        (lambda: DelayHistogram(1, 2, 0, 5), "at least 1, got 0 ps and 5"),
        (lambda: Correlation(1, 2, 5, 0), "at least 1, got 5 ps and 0"),
        (lambda: StartStop(1, 1, 1, 1), "channel 1 twice"),
        (lambda: HeraldedG2(1, 2, 2, 5), "three different channels"),
        (lambda: HeraldedG2(1, 2, 3, -5), "0 ps or more, got -5"),
        (lambda: SyncHistogram(1, [1], 1, 1), "none of them the sync 1"),
        (lambda: TimeBins(1, [2], []), "1 to 255 bins"),
        (lambda: TimeBins(1, [2], [(0, 10), (5, 20)]), "not overlap"),
        (lambda: DeadTime(1, 1, 3), "at least 4 bins"),
        (lambda: Afterpulsing(1, 5, 2, 8), "multiple of 2 ps, got 5"),
    ],
)
def test_what_cannot_be_is_refused(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()
