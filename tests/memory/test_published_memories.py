"""Simulated memories with the figures of published ones, measured: the paper's figures return."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qnlab.errors import QnlabError
from qnlab.procedures.memory import (
    Gate,
    GateError,
    Storage,
    cross_correlation,
    decays,
    storage,
)
from qnlab.sim_backends.world.memory import (
    CombMemory,
    ControlledMemory,
    HeraldedMemory,
    SpinWaveMemory,
)
from qnlab.sim_backends.world.memory_trials import HeraldedTrials, StorageTrials

DETECTOR = 0.5
RB_LADDER = ControlledMemory(0.25, 86e-9)
PR_COMB = CombMemory(2.03, 0.0, 4.0, 2e6)


def measure(
    *, mu: float, efficiency: float, transmission: float, noise: float, trials: int = 10**7
) -> Storage:
    setup = StorageTrials(mu, efficiency, 0.3, transmission, DETECTOR, noise, dark=0.0)
    clicks = setup.draw(np.random.default_rng(5), trials)
    gates = {name: Gate(n, trials) for name, n in clicks.items()}
    return storage(**gates, detector_efficiency=DETECTOR, setup_transmission=transmission)


def test_warm_caesium_eit_esguerra_2022() -> None:
    found = measure(mu=1.0, efficiency=0.33, transmission=0.13 / 0.33, noise=0.07 * 0.33)
    assert found.efficiency.value == pytest.approx(0.13, abs=0.002)
    assert found.internal_efficiency.value == pytest.approx(0.33, abs=0.005)
    assert found.mu_1.value == pytest.approx(0.07, abs=0.002)
    assert found.leak.value == pytest.approx(0.3, abs=0.003)
    assert found.mu_in.value == pytest.approx(1.0, abs=0.005)


def test_telecom_orca_thomas_2022() -> None:
    memory = ControlledMemory(0.209, 1.10e-9)
    found = measure(
        mu=0.1, efficiency=memory.efficiency(0), transmission=1.0, noise=4.5e-6 * 0.209,
        trials=10**10,
    )  # fmt: skip
    assert found.efficiency.value == pytest.approx(0.2090, abs=1e-4)
    assert found.mu_1.value == pytest.approx(4.5e-6, abs=0.6e-6)
    assert abs(found.mu_1.value - 4.5e-6) < 3 * found.mu_1.error


def test_ladder_flame_finkelstein_2018() -> None:
    times = np.linspace(0, 200e-9, 13)
    points = [
        measure(mu=0.5, efficiency=RB_LADDER.efficiency(t), transmission=1.0, noise=2e-5)
        for t in times
    ]
    fits = decays(
        times.tolist(),
        [p.efficiency.value for p in points],
        [p.efficiency.error for p in points],
    )
    best = fits[0]
    exponential = next(fit for fit in fits if fit.model == "exponential")
    assert best.model in ("exponential", "stretched")
    assert best.power == pytest.approx(1, abs=0.02)
    assert exponential.efficiency == pytest.approx(0.25, abs=0.002)
    assert exponential.lifetime_s == pytest.approx(86e-9, abs=1e-9)
    assert exponential.aic < fits[-1].aic - 1000
    assert fits[-1].model == "gaussian"
    assert points[0].mu_1.high * 0.25 < 1e-4


def test_praseodymium_comb_gundogan_2012() -> None:
    assert PR_COMB.storage_s == pytest.approx(500e-9)
    found = measure(mu=0.4, efficiency=PR_COMB.efficiency(), transmission=1.0, noise=0.0042)
    assert found.efficiency.value == pytest.approx(0.10, abs=0.002)
    assert found.snr.value == pytest.approx(0.04 / 0.0042, rel=0.02)
    assert found.classical is not None
    assert found.classical.fidelity == pytest.approx(0.763, abs=0.001)
    fidelity = (found.snr.value + 0.5) / (found.snr.value + 1)
    assert fidelity == pytest.approx(0.95, abs=0.005)
    assert fidelity > found.classical.fidelity


def test_a_comb_recalls_at_most_54_percent_forward_and_all_backward() -> None:
    depths = np.linspace(1, 400, 4000)
    forward = [CombMemory(d, 0, 100, 1e6).efficiency() for d in depths]
    best = max(forward)
    assert best == pytest.approx(4 * math.exp(-2 - 7e-4), rel=1e-4)
    assert depths[int(np.argmax(forward))] == pytest.approx(200, rel=0.01)
    backward = CombMemory(4000, 0, 100, 1e6, "backward").efficiency()
    assert backward == pytest.approx(math.exp(-7e-4))


def test_a_spin_wave_dephases_with_its_line() -> None:
    """The Fourier transform of a Gaussian line of that FWHM, squared."""
    memory = SpinWaveMemory(PR_COMB, 0.8, 20e3)
    offsets = np.linspace(-100e3, 100e3, 20_001)
    line = np.exp(-4 * math.log(2) * (offsets / 20e3) ** 2)
    for t in (0.0, 5e-6, 20e-6):
        coherence = (line * np.exp(2j * math.pi * offsets * t)).sum() / line.sum()
        expected = PR_COMB.efficiency() * 0.64 * abs(coherence) ** 2
        assert memory.efficiency(t) == pytest.approx(expected, rel=1e-6)


def test_gaussian_dephasing_is_told_from_loss() -> None:
    memory = ControlledMemory(0.6, 20e-6, "gaussian")
    times = np.linspace(0, 40e-6, 12)
    generator = np.random.default_rng(2)
    measured = [memory.efficiency(t) + generator.normal(0, 0.004) for t in times]
    best, *_ = fits = decays(times.tolist(), measured, [0.004] * 12)
    assert best.power == pytest.approx(2, abs=0.15)
    assert fits[-1].model == "exponential"
    assert best.lifetime_s == pytest.approx(20e-6, abs=4 * best.lifetime_error_s)
    assert memory.efficiency(20e-6) == pytest.approx(0.6 / math.e)


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_heralded_storage_has_the_correlation_of_its_closed_form(noise: float) -> None:
    memory = HeraldedMemory(0.01, ControlledMemory(0.4, 100e-6, "gaussian"), noise)
    trials = HeraldedTrials(memory, 50e-6, 0.02, 0.02)
    assert sum(trials.probabilities()) == pytest.approx(1)
    herald, retrieved, both = trials.draw(np.random.default_rng(3), 10**11)
    found = cross_correlation(herald, retrieved, both, 10**11)
    assert found.value == pytest.approx(memory.correlation(50e-6), rel=0.01)
    assert found.error == pytest.approx(found.value / math.sqrt(both), rel=0.1)
    assert found.low > 2


def test_without_noise_the_correlation_is_that_of_the_write_probability() -> None:
    memory = HeraldedMemory(0.005, ControlledMemory(0.3, 1e-3), 0.0)
    assert memory.correlation(2e-3) == pytest.approx(1 + 1 / 0.005)


@pytest.mark.parametrize(
    ("clicks", "gate"),
    [((0, 5, 0, 10), "herald"), ((5, 11, 0, 10), "retrieved"), ((5, 5, 6, 20), "both"),
     ((8, 8, 5, 10), "both")],
)  # fmt: skip
def test_clicks_that_cannot_be_are_named(clicks: tuple[int, int, int, int], gate: str) -> None:
    with pytest.raises(GateError) as caught:
        cross_correlation(*clicks)
    assert caught.value.gate == gate


@pytest.mark.parametrize(
    ("times", "errors"),
    [([0, 1, 2], [1, 1, 1]), ([0, 1, 2, 3], [1, 1, 0, 1]), ([0, 1, 2, math.nan], [1] * 4)],
)
def test_a_scan_that_cannot_be_fitted_is_refused(times: list[float], errors: list[float]) -> None:
    with pytest.raises(QnlabError, match="lifetime: "):
        decays(times, [0.1] * len(times), errors)
