"""The world against closed forms, within three standard errors, at fixed seeds."""

import itertools
import math

import numpy as np
import pytest

from qnlab.clock import VirtualClock
from qnlab.sim_backends.world import create, optics
from qnlab.sim_backends.world.truth import truth


def light_up(table, *, mu=0.45, decoy=0.12, seed=3):
    """A world whose source shines and whose controller undoes the fibre's rotation."""
    clock = VirtualClock()
    world = create(table, clock=clock, seed=seed, where="test")
    world.fibre = world.controller.rotation().T
    world.intensity.configure((1.0, decoy / mu), (0.75, 0.25))
    world.laser.emitting = True
    world.attenuator.shutter_closed = False
    world.attenuator.attenuation_db = 10 * math.log10(world.laser.photons_per_pulse / mu)
    for detector in world.detectors:
        detector.enabled = True
    return clock, world


def take(clock, world, seconds):
    """Tags and channels of the next `seconds`."""
    queue = world.tagger.subscribe(frozenset((1, 2, 3, 4)))
    clock.sleep(seconds)
    world.sync()
    world.tagger.unsubscribe(queue)
    t = np.concatenate([chunk.t for chunk in queue.chunks])
    ch = np.concatenate([chunk.ch for chunk in queue.chunks])
    return t, ch, list(queue.chunks)


STILL = {"polarization_coherence_s": 1e12, "prep_error_deg": 0.0, "dark_rate_hz": 0.0}


@pytest.mark.parametrize("km", [0.0, 25.0, 60.0])
def test_gain_is_that_of_a_poissonian_pulse(km):
    table = {**STILL, "fibre_km": km, "detector_dead_time_ns": 0.0}
    clock, world = light_up(table)
    t, _, _ = take(clock, world, 0.05)
    eta = 10 ** (-(0.2 * km + 2.5) / 10) * 0.3
    pulses = 80e6 * 0.05
    contrast = 1 - 2 * 10**-2.5
    shares = [(1 + contrast) / 4, (1 - contrast) / 4, 0.25, 0.25]
    expected = pulses * sum(
        p * (1 - math.exp(-mu * eta * share))
        for mu, p in ((0.45, 0.75), (0.12, 0.25))
        for share in shares
    )
    assert abs(len(t) - expected) < 3 * math.sqrt(expected) + expected * 6e-4


def test_dark_counts_are_poissonian():
    clock, world = light_up({**STILL, "dark_rate_hz": 5000.0})
    world.laser.emitting = False
    _, ch, _ = take(clock, world, 2.0)
    for channel in range(1, 5):
        assert abs(int((ch == channel).sum()) - 10_000) < 3 * 100


def test_dead_time_is_non_paralysable():
    dead = 1e-6
    clock, world = light_up({**STILL, "dark_rate_hz": 1e6, "detector_dead_time_ns": 1000.0})
    world.laser.emitting = False
    _, ch, _ = take(clock, world, 0.2)
    expected = 1e6 / (1 + 1e6 * dead) * 0.2
    for channel in range(1, 5):
        assert abs(int((ch == channel).sum()) - expected) < 3 * math.sqrt(expected)


def test_afterpulses_add_a_geometric_series():
    table = {
        **STILL,
        "dark_rate_hz": 10_000.0,
        "afterpulse_probability": 0.1,
        "afterpulse_tau_us": 0.5,
        "detector_dead_time_ns": 10.0,
    }
    clock, world = light_up(table)
    world.laser.emitting = False
    t, _, _ = take(clock, world, 2.0)
    expected = 4 * 10_000 * 2.0 / (1 - 0.1)
    assert abs(len(t) - expected) < 4 * math.sqrt(expected)


def test_jitter_is_the_sum_of_pulse_detector_and_tagger():
    table = {**STILL, "clock_ppm": 0.0, "clock_walk_ppb_per_sqrt_s": 0.0, "clock_offset_ns": 0.0}
    clock, world = light_up(table)
    t, _, _ = take(clock, world, 0.05)
    residual = np.remainder(t - world.delay_ps() + 6250, 12_500) - 6250
    expected = math.sqrt((40 / 2.3548) ** 2 + (60 / 2.3548) ** 2 + 10**2 + 1 / 12)
    assert residual.std() == pytest.approx(expected, rel=3 / math.sqrt(2 * len(t)) + 0.005)


@pytest.mark.parametrize(("fraction", "qber"), [(0.2, 0.05), (1.0, 0.25)])
def test_intercept_resend_adds_a_quarter(fraction, qber):
    clock, world = light_up({**STILL, "intercept_fraction": fraction})
    assert measured_qber(clock, world)[1] == pytest.approx(qber + 0.0032, abs=0.006)


def measured_qber(clock, world):
    """Error rates of the key and the test basis by Alice's record and Bob's tags."""
    t, ch, _ = take(clock, world, 0.1)
    t = (t - world.config.clock_offset_ns * 1e3) / (1 + world.config.clock_ppm * 1e-6)
    pulses = np.rint((t - world.delay_ps()) / 12_500).astype(np.int64)
    states = world.state.record(pulses)
    basis, bit = (ch - 1) >> 1, (ch - 1) & 1
    rates = []
    for b in (0, 1):
        mine = (states >> 1 == b) & (basis == b)
        rates.append(float((bit[mine] != (states[mine] & 1)).mean()))
    return rates


@pytest.mark.parametrize("turn", [0.3, 1.0, math.pi / 2])
def test_a_turned_squeezer_changes_the_qber_by_sin_squared(turn):
    clock, world = light_up({**STILL, "actuator_hysteresis": 0.0, "receiver_extinction_db": 60.0})
    volts = list(world.controller.commands)
    volts[3] += turn / math.pi * world.controller.half_wave[3]
    world.controller.drive(tuple(volts))
    key, test = measured_qber(clock, world)
    assert key == pytest.approx(math.sin(turn / 2) ** 2, abs=0.01)
    assert test == pytest.approx(0.0, abs=0.01)
    assert truth(world).qber[0, 0] == pytest.approx(math.sin(turn / 2) ** 2, abs=0.01)


def test_polarization_walk_decays_as_it_should():
    rng = np.random.default_rng(5)
    tau, dt, steps = 100.0, 1.0, 60
    cosines = []
    for _ in range(1500):
        r = np.eye(3)
        for _ in range(steps):
            r = optics.walk_step(rng, dt / tau) @ r
        cosines.append(r[0, 0])
    spread = np.std(cosines) / math.sqrt(len(cosines))
    assert abs(np.mean(cosines) - math.exp(-steps * dt / tau)) < 3 * spread + 0.004


def test_overflow_leaves_a_gap_that_counts_what_was_lost():
    clock, world = light_up({**STILL, "tagger_max_rate_hz": 5e5})
    clock2, world2 = light_up(STILL)
    _, _, chunks = take(clock, world, 0.05)
    _, _, whole = take(clock2, world2, 0.05)
    missed = sum(sum(gap.missed.values()) for chunk in chunks for gap in chunk.gaps)
    assert missed > 0
    assert missed + sum(map(len, chunks)) == sum(map(len, whole))
    for chunk in chunks:
        for gap in chunk.gaps:
            assert not ((chunk.t >= gap.begin_ps) & (chunk.t < gap.end_ps)).any()


def test_chunks_are_contiguous_and_sorted():
    clock, world = light_up(STILL)
    _, _, chunks = take(clock, world, 0.1)
    for before, after in itertools.pairwise(chunks):
        assert after.t_begin == before.t_end
        assert after.seq == before.seq + 1
    for chunk in chunks:
        assert (np.diff(chunk.t) >= 0).all()
        assert len(chunk) == 0 or chunk.t_begin <= chunk.t[0] <= chunk.t[-1] < chunk.t_end


def test_same_seed_same_tags_another_seed_others():
    tags = [take(*light_up(STILL, seed=s), 0.02)[0] for s in (3, 3, 4)]
    assert np.array_equal(tags[0], tags[1])
    assert not np.array_equal(tags[0], tags[2])
