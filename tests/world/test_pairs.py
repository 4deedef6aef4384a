"""Entangled pairs against closed forms, within three standard errors, at fixed seeds."""

import math

import numpy as np
import pytest

from qnlab.clock import VirtualClock
from qnlab.sim_backends.world import create
from qnlab.tags import kernels

PERFECT = {
    "kind": "pair-link", "fibre_km": 0.0, "receiver_loss_db": 0.0, "alice_loss_db": 0.0,
    "dark_rate_hz": 0.0, "detector_dead_time_ns": 0.0, "source_visibility": 1.0,
    "polarization_coherence_s": 1e12, "receiver_extinction_db": 90.0, "clock_ppm": 0.0,
    "alice_clock_ppm": 0.0, "clock_offset_ns": 0.0, "clock_walk_ppb_per_sqrt_s": 0.0,
    "detector_jitter_fwhm_ps": 0.0, "tagger_jitter_rms_ps": 0.0, "detector_efficiency": 0.3,
}  # fmt: skip


def take(seconds, seed=5, aligned=True, **settings):
    """Tags by site and detector of a link whose controller undoes the fibre."""
    clock = VirtualClock()
    world = create({**PERFECT, **settings}, clock=clock, seed=seed, where="test")
    if aligned:
        world.fibre = world.controller.rotation().T
    world.pump.emitting = True
    for own in world.detectors.values():
        for detector in own:
            detector.enabled = True
    queues = {site: tagger.subscribe(frozenset((1, 2, 3, 4))) for site, tagger in
              world.taggers.items()}  # fmt: skip
    clock.sleep(seconds)
    world.sync()
    tags = {}
    for site, queue in queues.items():
        t = np.concatenate([chunk.t for chunk in queue.chunks])
        ch = np.concatenate([chunk.ch for chunk in queue.chunks])
        tags[site] = [t[ch == k] for k in (1, 2, 3, 4)]
    return world, tags


def coincidences(tags, window_ps=20, shift_ps=0):
    found = np.zeros((4, 4))
    for i, a in enumerate(tags["alice"]):
        for j, b in enumerate(tags["bob"]):
            found[i, j] = kernels.match_pairs(a, b - shift_ps, window_ps)[0]
    return found


def within(found, expected, sigmas=3.5):
    return abs(found - expected) < sigmas * math.sqrt(max(expected, 1.0))


@pytest.mark.parametrize(("state", "key", "test"), [
    ("phi+", 1, 1), ("phi-", 1, -1), ("psi+", -1, 1), ("psi-", -1, -1),
])  # fmt: skip
def test_bell_states_are_perfectly_correlated(state, key, test):
    _, tags = take(0.2, bell_state=state)
    found = coincidences(tags)
    same, other = ((0, 0), (0, 1)) if key > 0 else ((0, 1), (0, 0))
    assert within(found[same], 4e6 * 0.2 * 0.09 / 8)
    assert found[other] < 0.001 * found[same] + 5
    same, other = ((2, 2), (2, 3)) if test > 0 else ((2, 3), (2, 2))
    assert found[other] < 0.001 * found[same] + 5


def test_singles_coincidences_and_accidentals():
    """S = B eta, C = B eta_A eta_B, and S_A S_B tau accidentals in a window off the peak."""
    _, tags = take(0.5, fibre_km=10.0, alice_loss_db=1.0, receiver_loss_db=2.0)
    rate, eta_a, eta_b = 4e6, 0.3 * 10**-0.1, 0.3 * 10**-0.4
    singles = [sum(map(len, tags[site])) for site in ("alice", "bob")]
    assert within(singles[0], rate * eta_a * 0.5)
    delay = round(1.468 * 10 / 299_792.458 * 1e12)
    arriving = 0.5 - delay * 1e-12
    assert within(singles[1], rate * eta_b * arriving)
    found = coincidences(tags, shift_ps=delay).sum()
    assert within(found, rate * eta_a * eta_b * arriving, 5)
    a, b = (np.sort(np.concatenate(tags[site])) for site in ("alice", "bob"))
    off = kernels.match_pairs(a, b - delay + 5_000_000, 1000)[0]
    assert within(off, singles[0] * singles[1] * 2001e-12 / 0.5, 4)


@pytest.mark.parametrize("visibility", [0.98, 0.8])
def test_error_rate_is_that_of_a_werner_state(visibility):
    _, tags = take(0.5, source_visibility=visibility)
    found = coincidences(tags)
    for same, wrong in (((0, 0), (0, 1)), ((2, 2), (2, 3))):
        n = found[same] + found[wrong]
        qber = (1 - visibility) / 2
        assert abs(found[wrong] / n - qber) < 4 * math.sqrt(qber * (1 - qber) / n) + 1e-3


def test_intercepted_photons_err_in_one_of_four():
    _, tags = take(0.5, intercept_fraction=1.0)
    found = coincidences(tags)
    wrong = found[0, 1] + found[1, 0] + found[2, 3] + found[3, 2]
    n = wrong + found[0, 0] + found[1, 1] + found[2, 2] + found[3, 3]
    assert abs(wrong / n - 0.25) < 4 * math.sqrt(0.1875 / n)


def test_chsh_of_a_turned_controller_violates_the_bound_as_a_werner_state_does():
    """Bob's analysers turned by 22.5 degrees: S = 2 sqrt 2 V."""
    from qnlab.sim_backends.world import optics

    clock = VirtualClock()
    world = create({**PERFECT, "source_visibility": 0.95}, clock=clock, seed=1, where="test")
    turn = optics.rotation((0.0, 0.0, 1.0), -math.pi / 4)
    world.fibre = world.controller.rotation().T @ turn
    world.pump.emitting = True
    for own in world.detectors.values():
        for detector in own:
            detector.enabled = True
    both, _, _ = world.rates_hz()

    def e(a, b):
        part = both[2 * a : 2 * a + 2, 2 * b : 2 * b + 2]
        return (part[0, 0] + part[1, 1] - part[0, 1] - part[1, 0]) / part.sum()

    s = abs(e(0, 0) - e(0, 1)) + abs(e(1, 0) + e(1, 1))
    assert s == pytest.approx(2 * math.sqrt(2) * 0.95, rel=1e-6)


def test_same_seed_same_tags():
    (_, one), (_, two), (_, other) = take(0.05), take(0.05), take(0.05, seed=6)
    assert all((a == b).all() for a, b in zip(one["bob"], two["bob"], strict=True))
    assert any(len(a) != len(b) or (a != b).any()
               for a, b in zip(one["bob"], other["bob"], strict=True))  # fmt: skip
