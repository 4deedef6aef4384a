"""The clock between two taggers: found, followed, lost and found again."""

import numpy as np
import pytest

from qnlab.tags import Gap, TagChunk
from qnlab.tags.two_clocks import ClockModel, LockState, NoCorrelation, TwoClocks, acquire

SECOND = 10**12


def two_streams(pairs, first, second, seconds, clock, seed=1, jitter_ps=100.0):
    """Tags of two taggers, rates in Hz; `clock` turns first times into second ones."""
    rng = np.random.default_rng(seed)

    def uniform(rate):
        return rng.uniform(-0.5, seconds + 0.5, rng.poisson(rate * (seconds + 1))) * SECOND

    common = uniform(pairs)
    both = []
    for rate in (first, second):
        t = np.concatenate((common, uniform(rate - pairs)))
        both.append(np.sort(t + rng.normal(0, jitter_ps, len(t))))
    a, b = np.rint(both[0]).astype(np.int64), np.sort(np.rint(clock(both[1])).astype(np.int64))
    return tuple(t[(t >= 0) & (t < seconds * SECOND)] for t in (a, b))


def steady(offset_ps, drift):
    return lambda t: t + offset_ps + drift * t


def chunks(t, seconds, step_ps=SECOND // 50, gaps=()):
    for seq, begin in enumerate(range(0, int(seconds * SECOND), step_ps)):
        low, high = np.searchsorted(t, [begin, begin + step_ps])
        own = tuple(g for g in gaps if begin <= g.begin_ps < begin + step_ps)
        part = t[low:high]
        for gap in own:
            part = part[(part < gap.begin_ps) | (part >= gap.end_ps)]
        yield TagChunk(
            part, np.zeros(len(part), np.uint8), begin, begin + step_ps, seq, "test", own
        )


def follow(tracker, a, b, seconds, step_ps=SECOND // 50, gaps=()):
    fixes = []
    pairs = zip(chunks(a, seconds, step_ps, gaps), chunks(b, seconds, step_ps), strict=True)
    for one, other in pairs:
        fixes += tracker.feed_first(one)
        fixes += tracker.feed_second(other)
    return fixes


@pytest.mark.parametrize(
    ("pairs", "first", "second", "offset_ps", "drift"),
    [
        (20_000, 200_000, 150_000, 312_000_000_000, 7.3e-6),
        (20_000, 200_000, 150_000, -730_000_123_456, -41e-6),
        (2_000, 100_000, 100_000, 312_000_000_000, 7.3e-6),
        (2_000, 100_000, 100_000, -5_000_000, 0.0),
    ],
)
def test_offset_and_drift_are_found(pairs, first, second, offset_ps, drift):
    a, b = two_streams(pairs, first, second, 3, steady(offset_ps, drift))
    begin = max(0, -offset_ps)
    a = a[(a >= begin) & (a < begin + SECOND)]
    model = acquire(a, b[b < begin + 2.5 * SECOND])
    sigma = 100 * np.sqrt(2 / pairs)
    middle = model.epoch_ps
    assert abs(model.offset_at(middle) - offset_ps - drift * middle) < 5 * sigma
    assert abs(model.drift - drift) < 5 * sigma * np.sqrt(12) / SECOND
    assert 5 * sigma * np.sqrt(12) / SECOND < 1e-9


def test_streams_without_pairs_are_refused():
    a, b = two_streams(0, 50_000, 50_000, 1, steady(0, 0))
    with pytest.raises(NoCorrelation, match=r"best \d\.\d sigma, 6.0 needed"):
        acquire(a, b, reach_ps=SECOND // 10)
    with pytest.raises(NoCorrelation, match="3 and 50"):
        acquire(a[:3], b[:50])


def test_the_model_goes_both_ways():
    model = ClockModel(5 * SECOND, 312_000_000_000.25, 7.3e-6)
    t = np.random.default_rng(1).integers(-(10**15), 10**15, 1000)
    there = model.to_second(t)
    exact = [int(x) + 312_000_000_000 + round(0.25 + 7.3e-6 * (int(x) - 5 * SECOND)) for x in t]
    assert np.abs(there - np.array(exact)).max() <= 1
    assert np.abs(model.to_first(there) - t).max() <= 1
    moved = model.moved_to(9 * SECOND)
    assert moved.offset_at(0) == pytest.approx(model.offset_at(0), abs=1e-3)


def test_a_wandering_clock_is_followed_whatever_the_chunks():
    def clock(t):
        s = t / SECOND
        return t + 20e9 + (3e-6 * s + 1e-10 * s**2 + 2e-11 * np.sin(3 * s)) * SECOND

    a, b = two_streams(10_000, 50_000, 50_000, 5, clock)
    results = []
    for step_ps in (SECOND // 50, SECOND // 7 + 1):
        tracker = TwoClocks(reach_ps=SECOND // 10, slice_ps=SECOND // 2)
        fixes = follow(tracker, a, b, 5, step_ps)
        assert tracker.state is LockState.LOCKED
        assert [lock.took_ps for lock in tracker.locks] == [SECOND // 2 + SECOND // 10]
        results.append(fixes)
    number = min(len(fixes) for fixes in results)
    assert number > 35
    assert results[0][:number] == results[1][:number]
    errors = [
        fix.model.offset_at(fix.time_ps) - (clock(float(fix.time_ps)) - fix.time_ps)
        for fix in results[0]
    ]
    assert np.abs(errors[10:]).max() < 40
    assert abs(results[0][-1].model.drift - 3.001e-6) < 3e-10
    pulls = [fix.innovation_ps / fix.sigma_ps for fix in results[0]]
    assert np.isfinite(pulls).all()


def test_a_steady_clock_has_the_stated_innovations():
    a, b = two_streams(10_000, 50_000, 50_000, 5, steady(1e9, 5e-6), seed=3)
    tracker = TwoClocks(reach_ps=SECOND // 10, slice_ps=SECOND // 2)
    fixes = follow(tracker, a, b, 5)
    pulls = np.array([fix.innovation_ps / fix.sigma_ps for fix in fixes])
    assert 0.7 < pulls.std() < 1.6
    assert abs(np.mean([fix.pairs for fix in fixes]) - 1000) < 20


def test_a_jump_is_noticed_and_the_clock_found_again():
    def clock(t):
        return t + 20e9 + 3e-6 * t + np.where(t > 2 * SECOND, 1e6, 0.0)

    a, b = two_streams(10_000, 50_000, 50_000, 5, clock)
    tracker = TwoClocks(reach_ps=SECOND // 10, slice_ps=SECOND // 2)
    fixes = follow(tracker, a, b, 5)
    assert [fix.state for fix in fixes].count(LockState.LOST) == 1
    lost = next(fix for fix in fixes if fix.state is LockState.LOST)
    assert lost.time_ps == 2 * SECOND + SECOND // 2 - SECOND // 20
    assert np.isnan(lost.innovation_ps)
    assert tracker.state is LockState.LOCKED
    _, again = tracker.locks
    assert again.began_ps == 2 * SECOND
    assert again.took_ps == SECOND // 2 + SECOND // 2 + SECOND // 10
    last = fixes[-1]
    expected = clock(np.float64(last.time_ps)) - last.time_ps
    assert abs(last.model.offset_at(last.time_ps) - expected) < 30


def test_a_gap_is_waited_through():
    a, b = two_streams(10_000, 50_000, 50_000, 4, steady(20e9, 3e-6))
    gap = Gap(2 * SECOND, 2 * SECOND + 7 * SECOND // 10)
    tracker = TwoClocks(reach_ps=SECOND // 10, slice_ps=SECOND // 2)
    fixes = follow(tracker, a, b, 4, step_ps=SECOND, gaps=(gap,))
    assert {fix.state for fix in fixes} == {LockState.LOCKED}
    assert sum(bool(np.isnan(fix.innovation_ps)) for fix in fixes) == 7
    assert len(tracker.locks) == 1


def test_the_search_goes_on_until_there_are_pairs():
    a, b = two_streams(10_000, 30_000, 30_000, 4, steady(20e9, 3e-6))
    rng = np.random.default_rng(5)
    early = b < 2 * SECOND
    b = b.copy()
    b[early] = np.sort(rng.integers(0, 2 * SECOND, early.sum()))
    tracker = TwoClocks(reach_ps=SECOND // 10, slice_ps=SECOND // 2)
    follow(tracker, a, b, 4)
    (lock,) = tracker.locks
    assert lock.attempts == 5
    assert lock.began_ps == 0
    assert lock.took_ps == 5 * SECOND // 2 + SECOND // 10
