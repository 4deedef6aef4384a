"""The clock between Alice and Bob, found in tags that the test draws itself."""

import numpy as np
import pytest

from qnlab.procedures.qkd.synchronisation import (
    ClockTracker,
    PulseClock,
    SynchronisationError,
    find_period,
    find_pulse_number,
)

NOMINAL_PS = 12_500.0
MEANS = np.array([0.45, 0.12])


def link(rng, *, pulses, per_photon, ppm, offset_ps, dark_hz=0.0, jitter_ps=40.0):
    """Levels of `pulses` pulses, and sorted tags on a clock fast by `ppm` and shifted."""
    levels = (rng.random(pulses) < 0.3).astype(np.uint8)
    click = np.flatnonzero(rng.random(pulses) < 1 - np.exp(-per_photon * MEANS[levels]))
    true = click * NOMINAL_PS
    darks = rng.uniform(0, pulses * NOMINAL_PS, rng.poisson(dark_hz * pulses * NOMINAL_PS * 1e-12))
    t = np.concatenate([true + rng.normal(0, jitter_ps, len(true)), darks])
    return levels, np.sort(np.rint(t * (1 + ppm * 1e-6) + offset_ps)).astype(np.int64)


@pytest.mark.parametrize("ppm", [-49.0, -3.0, 0.0, 7.3, 49.0])
def test_period_is_found_within_a_part_in_1e9(ppm):
    _, t = link(np.random.default_rng(1), pulses=4_000_000, per_photon=0.08, ppm=ppm, offset_ps=7e8)
    clock = find_period(t, NOMINAL_PS)
    assert clock.period_ps == pytest.approx(NOMINAL_PS * (1 + ppm * 1e-6), rel=1e-9)
    phase = (clock.time_ps - 7e8) / clock.period_ps
    assert abs(phase - round(phase)) * NOMINAL_PS < 5.0


@pytest.mark.parametrize(("offset_ps", "dark_hz"), [(0.0, 0.0), (1.7e8, 0.0), (9.9e9, 2e5)])
def test_pulse_numbers_are_found(offset_ps, dark_hz):
    rng = np.random.default_rng(2)
    levels, t = link(
        rng, pulses=1 << 21, per_photon=0.05, ppm=3.0, offset_ps=offset_ps, dark_hz=dark_hz
    )
    window = t[(t > 1.1e10) & (t < 1.6e10)]
    clock = find_period(window, NOMINAL_PS)
    numbered = find_pulse_number(window, clock, levels, MEANS, first=0)
    assert numbered.arrival_ps(1000) == pytest.approx(
        1000 * NOMINAL_PS * 1.000003 + offset_ps, abs=20
    )


def test_darks_alone_give_no_clock():
    t = np.sort(np.random.default_rng(3).integers(0, 10**11, 20_000))
    with pytest.raises(SynchronisationError, match="no pulses of period 12500 ps"):
        find_period(t, NOMINAL_PS)


def test_someone_elses_levels_match_nowhere():
    rng = np.random.default_rng(4)
    _, t = link(rng, pulses=1 << 19, per_photon=0.05, ppm=3.0, offset_ps=0.0)
    others = (rng.random(1 << 20) < 0.3).astype(np.uint8)
    with pytest.raises(SynchronisationError, match="match Alice's levels nowhere"):
        find_pulse_number(t, find_period(t, NOMINAL_PS), others, MEANS, first=0)


def test_tracker_follows_a_drifting_clock():
    tracker = ClockTracker(PulseClock(0, 0.0, NOMINAL_PS))
    step = 1_600_000
    ppm, true_ps, pulse, worst = 0.0, 0.0, 0, 0.0
    for i in range(400):
        ppm += 2e-5
        true_ps += step * NOMINAL_PS * (1 + ppm * 1e-6)
        pulse += step
        error = true_ps - tracker.clock.arrival_ps(pulse)
        if i > 50:
            worst = max(worst, abs(error))
        tracker.update(true_ps, error, 40_000)
    assert worst < 30.0
