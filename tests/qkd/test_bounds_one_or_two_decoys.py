"""One decoy against two, each at its best settings: Rusca et al. 2018, figure 2."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from scipy.optimize import minimize

from qnlab.procedures.qkd.bounds import (
    Basis,
    DecoyCounts,
    OneDecoySource,
    TwoDecoySource,
    lim2014,
    rusca2018,
)
from qnlab.procedures.qkd.bounds.statistics import binary_entropy

RATE_HZ, EFFICIENCY, DARK, MISALIGNMENT, DEAD_S = 1e9, 0.5, 1e-8, 0.01, 100e-9
EPS_SEC, EPS_COR, F_EC = 1e-9, 1e-15, 1.16
LOSS_DB = 26.0
Source = OneDecoySource | TwoDecoySource


def expected(source: Source, key_basis: float, key_block: float) -> tuple[DecoyCounts, float]:
    """Expected counts of a block, and the pulses it takes."""
    seen = EFFICIENCY * 10 ** (-LOSS_DB / 10)
    clicks = [1 - (1 - 2 * DARK) * math.exp(-seen * mu) for mu in source.intensities]
    errors = [DARK - MISALIGNMENT * math.expm1(-seen * mu) for mu in source.intensities]
    gain = sum(p * c for p, c in zip(source.probabilities, clicks, strict=True))
    live = 1 / (1 + RATE_HZ * gain * DEAD_S)
    pulses = key_block / (key_basis**2 * gain * live)

    def basis(choice: float) -> Basis:
        sent = [pulses * live * choice**2 * p for p in source.probabilities]
        return Basis(
            tuple(n * c for n, c in zip(sent, clicks, strict=True)),
            tuple(n * e for n, e in zip(sent, errors, strict=True)),
        )

    return DecoyCounts(basis(key_basis), basis(1 - key_basis)), pulses


def leak(counts: DecoyCounts) -> float:
    return F_EC * counts.key.total * binary_entropy(counts.key.total_errors / counts.key.total)


def one_decoy(settings: Sequence[float], key_block: float) -> float:
    mu1, mu2, p1, key_basis = settings
    if not 0 < mu2 < mu1 or not 0 < p1 < 1 or not 0 < key_basis < 1:
        return 0.0
    source = OneDecoySource((mu1, mu2), (p1, 1 - p1))
    counts, pulses = expected(source, key_basis, key_block)
    return rusca2018(source, counts, leak(counts), EPS_SEC, EPS_COR).bits / pulses


def two_decoys(settings: Sequence[float], key_block: float) -> float:
    mu1, mu2, mu3, p1, p2, key_basis = settings
    bad = not 0 < mu3 < mu2 < mu1 - mu3 or min(p1, p2) <= 0 or p1 + p2 >= 1
    if bad or not 0 < key_basis < 1:
        return 0.0
    source = TwoDecoySource((mu1, mu2, mu3), (p1, p2, 1 - p1 - p2))
    counts, pulses = expected(source, key_basis, key_block)
    return lim2014(source, counts, leak(counts), EPS_SEC, EPS_COR, clamp=True).bits / pulses


def best(
    rate: Callable[[Sequence[float], float], float], start: Sequence[float], key_block: float
) -> float:
    settings = start
    for _ in range(3):
        found = minimize(
            lambda x: -1e6 * rate(x, key_block),
            settings,
            method="Nelder-Mead",
            options={"maxiter": 3000, "adaptive": True, "xatol": 1e-6, "fatol": 1e-9},
        )
        settings = found.x
    return float(-found.fun)


@pytest.mark.parametrize(
    ("key_block", "ratio"), [(1e6, 1.035), (1e7, 1.035), (1e8, 1.023), (1e9, 1.009), (1e11, 0.972)]
)
def test_r13_one_decoy_wins_until_blocks_are_very_long(key_block: float, ratio: float) -> None:
    one = best(one_decoy, (0.5, 0.15, 0.8, 0.9), key_block)
    two = best(two_decoys, (0.6, 0.25, 0.002, 0.4, 0.4, 0.8), key_block)
    assert one / two == pytest.approx(ratio, abs=0.003)
