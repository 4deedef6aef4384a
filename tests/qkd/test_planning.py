"""Planning formulas against published reaches, thresholds and an independent package."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from scipy.optimize import brentq, minimize_scalar

from qnlab.procedures.qkd import planning
from qnlab.procedures.qkd.bounds import BoundInputError, OneDecoySource


def gys(km: float) -> planning.Channel:
    """Gobby, Yuan, Shields 2004, as used by Ma et al. 2005."""
    return planning.Channel(planning.fibre_transmittance(km, 0.21, 0.045), 1.7e-6, 0.033)


@pytest.mark.parametrize(
    ("rate", "reach_km"),
    [
        (lambda c: planning.infinite_decoy_rate(c, 0.48, 1.22, 0.5), 142.01),
        (lambda c: planning.vacuum_weak_rate(c, 0.48, 0.05, 1.22, 0.5), 140.62),
    ],
)
def test_reach_of_the_gys_link(rate: Callable[[planning.Channel], float], reach_km: float) -> None:
    assert brentq(lambda km: rate(gys(km)), 100, 180) == pytest.approx(reach_km, rel=5e-4)


@pytest.mark.parametrize(("loss_db", "rate"), [(10, 3.679e-2), (20, 3.676e-3), (30, 3.659e-4)])
def test_asymptotic_rate_without_errors(loss_db: float, rate: float) -> None:
    channel = planning.Channel(10 ** (-loss_db / 10), 1e-7, 0.0)

    def loss(mu: float) -> float:
        return -planning.infinite_decoy_rate(channel, mu, 1.0, 1.0)

    best = minimize_scalar(loss, bounds=(0.1, 2), method="bounded")
    assert -best.fun == pytest.approx(rate, rel=7e-3)


def test_thresholds() -> None:
    assert planning.bbm92_threshold() == pytest.approx(0.1100279, abs=1e-7)
    assert planning.bbm92_threshold(1.16) == pytest.approx(0.0981, abs=5e-5)
    q = planning.device_independent_threshold()
    assert q == pytest.approx(0.0714918, abs=1e-7)
    assert planning.chsh_of_visibility(1 - 2 * q) == pytest.approx(2.424, abs=5e-4)


@pytest.mark.parametrize(("chsh", "qber", "rate"), [(2.7, 0.02, 0.5870), (2.5, 0.05, 0.1700)])
def test_device_independent_rate(chsh: float, qber: float, rate: float) -> None:
    assert planning.device_independent_rate(chsh, qber) == pytest.approx(rate, abs=5e-5)


def test_no_device_independent_key_without_violation() -> None:
    assert planning.device_independent_rate(2.0, 0.0) == 0.0
    with pytest.raises(BoundInputError, match="chsh"):
        planning.device_independent_rate(2.83, 0.0)


def test_plob_bound() -> None:
    assert planning.plob_bound(0.5) == pytest.approx(1.0)
    assert planning.plob_bound(1e-6) == pytest.approx(1e-6 / math.log(2), rel=1e-6)


def test_expected_counts_of_a_lossless_noiseless_line() -> None:
    source = OneDecoySource((0.5, 0.1), (0.75, 0.25))
    counts = planning.expected_counts(source, planning.Channel(1.0, 0.0, 0.0), 1e6, 0.9)
    assert counts.key.detections[0] == pytest.approx(0.81 * 0.75e6 * (1 - math.exp(-0.5)))
    assert counts.test.detections[1] == pytest.approx(0.01 * 0.25e6 * (1 - math.exp(-0.1)))
    assert counts.key.total_errors == 0


def test_the_optimum_beats_its_neighbours_and_stays_below_plob() -> None:
    request = planning.BlockRequest(1e9, 1.16, 1e-10, 1e-15)
    channel = planning.Channel(planning.fibre_transmittance(25, 0.2, 0.5), 1e-7, 0.01)
    plan = planning.optimise_block(request, channel)
    mu1, mu2 = plan.source.intensities
    p1 = plan.source.probabilities[0]
    assert 0 < plan.rate < planning.plob_bound(channel.transmittance)
    for step in (0.9, 1.08):
        for source, basis in (
            (OneDecoySource((mu1 * step, mu2), (p1, 1 - p1)), plan.key_basis),
            (OneDecoySource((mu1, mu2 * step), (p1, 1 - p1)), plan.key_basis),
            (OneDecoySource((mu1, mu2), (p1 * step, 1 - p1 * step)), plan.key_basis),
            (plan.source, min(0.999, plan.key_basis * step)),
        ):
            assert planning.block_rate(request, source, channel, basis) < plan.rate


def test_rate_falls_with_loss_and_respects_plob() -> None:
    request = planning.BlockRequest(1e9, 1.16, 1e-10, 1e-15)
    points = planning.rate_against_loss(request, (5, 15, 25, 60), 1e-7, 0.01, 0.5)
    rates = [p.rate for p in points]
    assert rates == sorted(rates, reverse=True)
    assert all(p.rate < p.plob for p in points)
    assert rates[0] > 0
    assert rates[-1] == 0
