"""The inequalities that the bounds share. Lengths in bits, counts without unit."""

from __future__ import annotations

import math
from collections.abc import Sequence

SMALLEST_ERROR_RATE = 1e-12


def binary_entropy(x: float) -> float:
    """h(x) in bits, with `x` clipped to [0, 1/2] first: more errors never help."""
    x = min(max(x, 0.0), 0.5)
    if x == 0.0:
        return 0.0
    return -x * math.log2(x) - (1 - x) * math.log2(1 - x)


def hoeffding(total: float, epsilon: float) -> float:
    """Half-width sqrt(n ln(1/eps) / 2) of a count among `total` (Hoeffding 1963)."""
    return math.sqrt(total * math.log(1 / epsilon) / 2)


def photon_probability(
    photons: int, intensities: Sequence[float], probabilities: Sequence[float]
) -> float:
    """Probability tau_j that `photons` leave a phase-randomised source of mixed intensities."""
    return math.fsum(
        p * math.exp(-mu) * mu**photons / math.factorial(photons)
        for mu, p in zip(intensities, probabilities, strict=True)
    )


def sampling_gap_lim(epsilon: float, rate: float, test: float, key: float) -> float:
    """How far the key's phase-error rate may exceed the test's (Lim 2014, eq. 5; Fung 2010).

    Parameters
    ----------
    epsilon : float
        Probability that the bound fails.
    rate : float
        Observed error rate among the test events.
    test, key : float
        Numbers of test and key events, > 0.

    Returns
    -------
    float
        The gap; infinite when the events are too few for the formula to hold.
    """
    rate = max(rate, SMALLEST_ERROR_RATE)
    if rate >= 0.5:
        return math.inf
    spread = (test + key) / (test * key)
    exponent = math.log2(spread / ((1 - rate) * rate)) - 2 * math.log2(epsilon)
    if exponent < 0:
        return math.inf
    return math.sqrt(spread * (1 - rate) * rate / math.log(2) * exponent)


def sampling_gap_serfling(epsilon: float, test: float, key: float) -> float:
    """How far the key's error rate may exceed the test's, for any rate (Serfling 1974)."""
    return math.sqrt((test + key) / (test * key) * (test + 1) / test * math.log(1 / epsilon))
