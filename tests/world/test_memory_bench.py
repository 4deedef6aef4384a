"""The memory's world against its closed forms, within three standard errors, at fixed seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnlab.clock import VirtualClock
from qnlab.instruments.pulse_generator import Pulse, TimingTable
from qnlab.sim_backends.world import create, optics
from qnlab.sim_backends.world.memory import HeraldedMemory
from qnlab.sim_backends.world.memory_trials import HeraldedTrials

QUIET = {
    "kind": "memory", "dark_rate_hz": 0.0, "detector_dead_time_ns": 0.0, "clock_ppm": 0.0,
    "clock_walk_ppb_per_sqrt_s": 0.0, "detector_jitter_fwhm_ps": 0.0, "path_ns": 0.0,
    "tagger_jitter_rms_ps": 0.0, "setup_transmission": 0.5, "detector_efficiency": 0.5,
}  # fmt: skip
SIGNAL = Pulse("signal", 1e-6, 1.1e-6)
PREPARE = Pulse("prepare", 0.0, 5e-7)
SYNC = Pulse("sync", 0.0, 1e-8)


def take(row, seconds=0.4, period_s=5e-6, mu=0.2, seed=4, **config):
    """Phases of the tags of each channel within their trial, s, and the number of trials."""
    clock = VirtualClock()
    world = create({**QUIET, **config}, clock=clock, seed=seed, where="test")
    world.laser.emitting, world.attenuator.shutter_closed = True, False
    world.attenuator.attenuation_db = 0.0
    photons = world.photons_hz() * (SIGNAL.stop_s - SIGNAL.start_s)
    world.attenuator.attenuation_db = 10 * math.log10(photons / mu)
    for detector in world.detectors:
        detector.enabled = True
    world.generator.table = TimingTable(period_s, (row,))
    queue = world.tagger.subscribe(frozenset((1, 2, 3, 4)))
    world.start_generator()
    clock.sleep(seconds)
    world.sync()
    t = np.concatenate([chunk.t for chunk in queue.chunks])
    ch = np.concatenate([chunk.ch for chunk in queue.chunks])
    period = round(period_s * 1e12)
    return [(t[ch == k] % period) * 1e-12 for k in (1, 2, 3, 4)], t[ch == 4] // period


def is_poissonian(found: int, expected: float) -> bool:
    return abs(found - expected) < 3 * math.sqrt(expected) + 1


def between(phases, start, stop):
    return int(((phases >= start) & (phases < stop)).sum())


def test_what_goes_around_the_memory_is_neither_filtered_nor_stored():
    tags, marks = take((SYNC, PREPARE, SIGNAL, Pulse("bypass", 9e-7, 1.2e-6)))
    n = len(marks)
    assert np.array_equal(marks, np.arange(n))
    assert is_poissonian(len(tags[0]) + len(tags[1]), n * 0.2 * 0.5)
    assert between(tags[0], 1e-6, 1.1e-6 + 1e-12) == len(tags[0])
    assert len(tags[1]) < 0.002 * len(tags[0])


def test_without_preparation_light_passes_through_the_filters():
    tags, marks = take((SYNC, SIGNAL))
    assert is_poissonian(len(tags[0]) + len(tags[1]), len(marks) * 0.2 * 0.5 * 0.5)


@pytest.mark.parametrize("storage", [0.5e-6, 2e-6])
def test_a_controlled_memory_leaks_and_recalls_as_it_should(storage):
    controls = (
        Pulse("control", 0.9e-6, 1.1e-6),
        Pulse("control", 1.1e-6 + storage, 1.3e-6 + storage),
    )
    tags, marks = take(
        (SYNC, PREPARE, SIGNAL, *controls), efficiency=0.6, lifetime_us=2.0, leak=0.1
    )
    phases, n = np.concatenate(tags[:2]), len(marks)
    seen = 0.2 * 0.5 * 0.5
    assert is_poissonian(between(phases, 1e-6, 1.1e-6), n * seen * 0.1)
    begin = controls[1].start_s
    recalled = n * seen * 0.6 * math.exp(-storage / 2e-6)
    assert is_poissonian(between(phases, begin, begin + 0.1e-6), recalled)


def test_without_a_read_pulse_nothing_comes_back():
    tags, marks = take((SYNC, PREPARE, SIGNAL, Pulse("control", 0.9e-6, 1.1e-6)), leak=0.0)
    assert len(marks) > 1000
    assert not len(tags[0])
    assert not len(tags[1])


def test_control_light_and_fluorescence_are_unpolarised_noise():
    control = Pulse("control", 2e-6, 2.5e-6)
    tags, marks = take((SYNC, PREPARE, control), control_noise=0.04, fluorescence_hz=10_000.0)
    n = len(marks)
    for phases in tags[:2]:
        assert is_poissonian(between(phases, 2e-6, 2.5e-6), n * (0.04 + 0.005) * 0.25 / 2)
        assert is_poissonian(between(phases, 2.5e-6, 5e-6), n * 0.025 * 0.25 / 2)


def test_a_comb_recalls_by_itself_and_a_spin_wave_on_demand():
    comb = {"comb_optical_depth": 8.0, "comb_spacing_mhz": 1.0, "leak": 0.0}
    kept = (8 / 4) ** 2 * math.exp(-8 / 4 - 7 / 16)
    tags, marks = take((SYNC, PREPARE, SIGNAL), platform="afc", **comb)
    echo = np.concatenate(tags[:2])
    assert between(echo, 2e-6, 2.1e-6 + 1e-12) == len(echo)
    assert is_poissonian(len(echo), len(marks) * 0.2 * 0.25 * kept)
    transfers = (Pulse("control", 1.2e-6, 1.3e-6), Pulse("control", 2.2e-6, 2.3e-6))
    tags, marks = take(
        (SYNC, PREPARE, SIGNAL, *transfers), platform="spin-wave", transfer=0.8,
        spin_width_khz=0.0, **comb,
    )  # fmt: skip
    echo = np.concatenate(tags[:2])
    assert between(echo, 3e-6, 3.1e-6 + 1e-12) == len(echo)
    assert is_poissonian(len(echo), len(marks) * 0.2 * 0.25 * kept * 0.64)


def test_light_that_leaves_in_a_later_tick_is_not_lost():
    """Trials longer than the world's tick of 20 ms."""
    late = Pulse("signal", 0.030, 0.0301)
    tags, marks = take((SYNC, late), seconds=20.0, period_s=0.05, mu=0.2e-3)
    assert len(marks) == 400
    assert is_poissonian(len(tags[0]) + len(tags[1]), len(marks) * 0.2 * 0.25)
    assert between(tags[0], 0.030, 0.0301) == len(tags[0])


def test_pairs_have_the_click_probabilities_of_the_closed_form():
    row = (SYNC, Pulse("write", 1e-6, 1.1e-6), Pulse("control", 2e-6, 2.1e-6))
    config = {
        "platform": "dlcz", "write_probability": 0.2, "efficiency": 0.5, "lifetime_us": 1e6,
        "stokes_transmission": 0.6, "control_noise": 0.0,
    }  # fmt: skip
    clock = VirtualClock()
    world = create({**QUIET, **config}, clock=clock, seed=2, where="test")
    for detector in world.detectors:
        detector.enabled = True
    world.generator.table = TimingTable(5e-6, (row,))
    queue = world.tagger.subscribe(frozenset((1, 2, 3, 4)))
    world.start_generator()
    clock.sleep(1.0)
    world.sync()
    t = np.concatenate([chunk.t for chunk in queue.chunks])
    ch = np.concatenate([chunk.ch for chunk in queue.chunks])
    trial = t // 5_000_000
    n = int((ch == 4).sum())
    stokes, anti = np.unique(trial[ch == 3]), np.unique(trial[(ch == 1) | (ch == 2)])
    both = len(np.intersect1d(stokes, anti))
    assert isinstance(world.memory, HeraldedMemory)
    expected = HeraldedTrials(world.memory, 0.9e-6, 0.6 * 0.5, 0.25).probabilities()
    found = (len(stokes) - both, len(anti) - both, both)
    for k, p in zip(found, (expected[1], expected[2], expected[3]), strict=True):
        assert abs(k - n * p) < 3 * math.sqrt(n * p * (1 - p)) + 1


def _jones(angle_deg: float, retardance: float) -> np.ndarray:
    """Of a retarder whose fast axis lies at this angle; the slow axis lags."""
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    turn = np.array([[c, s], [-s, c]])
    return turn.T @ np.diag([np.exp(-0.5j * retardance), np.exp(0.5j * retardance)]) @ turn


def _stokes(jones: np.ndarray) -> np.ndarray:
    h, v = jones
    right, left = (h + 1j * v) / math.sqrt(2), (h - 1j * v) / math.sqrt(2)
    return np.array(
        [abs(h) ** 2 - abs(v) ** 2, 2 * (np.conj(h) * v).real, abs(right) ** 2 - abs(left) ** 2]
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 180), st.floats(0, 6)), min_size=1, max_size=3),
    st.floats(0, 3), st.floats(0, 6),
)  # fmt: skip
def test_wave_plates_turn_the_sphere_as_their_jones_matrices_do(plates, polar, azimuth):
    ket = np.array([math.cos(polar / 2), math.sin(polar / 2) * np.exp(1j * azimuth)])
    turned = ket
    for angle, retardance in plates:
        turned = _jones(angle, retardance) @ turned
    matrix = optics.waveplates([a for a, _ in plates], [r for _, r in plates])
    assert matrix @ _stokes(ket) == pytest.approx(_stokes(turned), abs=1e-9)


def test_a_quarter_wave_at_45_degrees_makes_right_circular_light():
    """James's sign: R = (H - iV)/sqrt 2 has S3 = 1."""
    assert _stokes(np.array([1, -1j]) / math.sqrt(2)) == pytest.approx([0, 0, 1])
    turned = optics.waveplates([45.0], [math.pi / 2]) @ [1.0, 0.0, 0.0]
    assert turned == pytest.approx([0, 0, 1], abs=1e-12)
