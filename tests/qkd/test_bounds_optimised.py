"""Optimised two-decoy rates of Lim et al. 2014, figure 1, at 100 km."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize

from qnlab.procedures.qkd.bounds import Basis, DecoyCounts, TwoDecoySource, lim2014
from qnlab.procedures.qkd.bounds.statistics import binary_entropy

WEAKEST = 2e-4
DARK, AFTERPULSE, MISALIGNMENT, F_EC = 6e-7, 0.04, 0.005, 1.16


def rate(settings: npt.NDArray[np.float64], key_block: float, clamp: bool) -> float:
    mu1, mu2, p1, p2, key_basis = (float(x) for x in settings)
    if p1 + p2 > 0.999 or mu1 <= mu2 + WEAKEST:
        return 0.0
    source = TwoDecoySource((mu1, mu2, WEAKEST), (p1, p2, 1 - p1 - p2))
    transmittance = 0.1 * 10 ** (-0.02 * 100)
    clicks = [1 - (1 - 2 * DARK) * math.exp(-transmittance * mu) for mu in source.intensities]
    errors = [
        DARK + MISALIGNMENT * -math.expm1(-transmittance * mu) + AFTERPULSE * click / 2
        for mu, click in zip(source.intensities, clicks, strict=True)
    ]
    gains = [click * (1 + AFTERPULSE) for click in clicks]
    mean_gain = sum(p * g for p, g in zip(source.probabilities, gains, strict=True))
    pulses = key_block / (key_basis**2 * mean_gain)

    def basis(choice: float) -> Basis:
        sent = [pulses * choice**2 * p for p in source.probabilities]
        return Basis(
            tuple(n * g for n, g in zip(sent, gains, strict=True)),
            tuple(n * e for n, e in zip(sent, errors, strict=True)),
        )

    counts = DecoyCounts(basis(key_basis), basis(1 - key_basis))
    leak = F_EC * key_block * binary_entropy(counts.key.total_errors / key_block)
    bits = key_block / 10
    for _ in range(8):
        bits = lim2014(source, counts, leak, 1e-15 * max(bits, 1), 1e-15, clamp=clamp).bits
    return bits / pulses


def best_rate(key_block: float, clamp: bool) -> float:
    found = minimize(
        lambda settings: -1e5 * rate(settings, key_block, clamp),
        (0.5, 0.2, 0.4, 0.4, 0.9),
        method="Nelder-Mead",
        bounds=[(0.1, 1.2), (0.01, 0.6), (0.01, 0.95), (0.01, 0.95), (0.3, 0.999)],
        options={"maxiter": 1500, "adaptive": True},
    )
    return float(-found.fun) / 1e5


def test_rates_as_printed() -> None:
    small, large = best_rate(1e7, clamp=False), best_rate(1e9, clamp=False)
    assert small == pytest.approx(4.766e-5, rel=3e-3)
    assert large == pytest.approx(8.537e-5, rel=3e-3)
    assert large / small == pytest.approx(1.79, rel=0.03)


def test_clamped_counts_gain_most_on_small_blocks() -> None:
    ratio = best_rate(1e9, clamp=True) / best_rate(1e7, clamp=True)
    assert ratio == pytest.approx(1.71, rel=0.03)
