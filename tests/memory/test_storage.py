"""Figures of storage: exact means give exact figures, intervals cover, bad gates are named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qnlab.procedures.memory import Gate, GateError, Storage, storage

TRIALS = 10**9
MEANS = {"ref": 0.0105, "leak": 0.0020, "out": 0.0030, "noise": 0.0010, "dark": 0.0005}


def gates(means: dict[str, float], trials: int = TRIALS) -> dict[str, Gate]:
    return {k: Gate(round(-math.expm1(-mean) * trials), trials) for k, mean in means.items()}


def figures(**changes: float) -> Storage:
    return storage(**gates({**MEANS, **changes}), detector_efficiency=0.5, setup_transmission=0.4)


def test_definitions() -> None:
    found = figures()
    assert found.efficiency.value == pytest.approx(0.2, rel=1e-5)
    assert found.internal_efficiency.value == pytest.approx(0.5, rel=1e-5)
    assert found.leak.value == pytest.approx(0.15, rel=1e-5)
    assert found.mu_in.value == pytest.approx(0.02, rel=1e-5)
    assert found.snr.value == pytest.approx(2, rel=1e-5)
    assert found.sbr.value == pytest.approx(3, rel=1e-5)
    assert found.mu_1.value == pytest.approx(0.01, rel=1e-5)
    assert found.classical is not None
    assert found.classical.fidelity == pytest.approx(0.6708, abs=1e-3)


def test_errors_are_those_of_propagation() -> None:
    found = storage(**gates(MEANS, 10**6), detector_efficiency=0.5)
    out, noise, ref, dark = (MEANS[k] for k in ("out", "noise", "ref", "dark"))
    signal, sent = out - noise, ref - dark
    relative = math.sqrt((out + noise) / signal**2 + (ref + dark) / sent**2) / 1e3
    assert found.efficiency.error == pytest.approx(0.2 * relative, rel=0.03)
    assert found.efficiency.low == pytest.approx(0.2 * (1 - 1.96 * relative), rel=0.01)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(8)
    trials, covered, runs = 200_000, {"efficiency": 0, "snr": 0, "mu_1": 0}, 200
    truth = {"efficiency": 0.2, "snr": 2.0, "mu_1": 0.01}
    for _ in range(runs):
        drawn = {
            k: Gate(int(generator.binomial(trials, -math.expm1(-mean))), trials)
            for k, mean in MEANS.items()
        }
        found = storage(**drawn, detector_efficiency=0.5)
        for name, value in truth.items():
            item = getattr(found, name)
            covered[name] += item.low <= value <= item.high
    for hits in covered.values():
        assert 0.90 * runs <= hits <= 0.99 * runs


def test_a_silent_noise_gate_leaves_a_lower_bound_of_the_snr() -> None:
    found = figures(noise=0.0)
    assert found.snr.value == math.inf
    assert 1e5 < found.snr.low < math.inf
    assert found.mu_1.value == 0
    assert 0 < found.mu_1.high < 1e-7


def test_without_signal_there_is_no_limit_and_no_mu_1() -> None:
    found = figures(out=0.0010)
    assert found.classical is None
    assert found.mu_1.value == math.inf
    assert found.snr.low < 0 < found.snr.high


@pytest.mark.parametrize(
    ("change", "gate", "expected"),
    [
        ({"out": Gate(0, 0)}, "out", "at least 1"),
        ({"noise": Gate(10, 10)}, "noise", "attenuate the input"),
        ({"leak": Gate(-1, 10)}, "leak", "0 to one less"),
        ({"ref": Gate(4, 10_000)}, "ref", "of dark"),
    ],
)
def test_an_unusable_gate_is_named(change: dict[str, Gate], gate: str, expected: str) -> None:
    with pytest.raises(GateError) as caught:
        storage(**{**gates(MEANS), **change}, detector_efficiency=0.5)
    assert caught.value.gate == gate
    assert expected in caught.value.expected


@pytest.mark.parametrize("efficiency", [0.0, 1.5, math.nan])
def test_a_detector_efficiency_out_of_range_is_refused(efficiency: float) -> None:
    with pytest.raises(ValueError, match="detector: must be above 0"):
        storage(**gates(MEANS), detector_efficiency=efficiency)
