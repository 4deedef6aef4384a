"""Correlation of a herald and the photon that it announces."""

from __future__ import annotations

import numpy as np

from qnlab.procedures.memory.storage import DRAWS, GateError
from qnlab.procedures.statistics import Estimate, estimate


def cross_correlation(
    herald: int, retrieved: int, both: int, trials: int, *, seed: int = 1
) -> Estimate:
    """g2 = P(both) / (P(herald) P(retrieved)); above 2 it is not classical for thermal light.

    Parameters
    ----------
    herald, retrieved, both : int
        Trials with a click of one, of the other, of both.
    trials : int
        Trials in all.
    seed : int
        Of the draws behind the interval.

    Raises
    ------
    GateError
        Numbers that cannot be.
    """
    for name, clicks in (("herald", herald), ("retrieved", retrieved)):
        if not 0 < clicks <= trials:
            raise GateError(name, f"{clicks} clicks in {trials} trials", "1 to the trials")
    least = max(0, herald + retrieved - trials)
    if not least <= both <= min(herald, retrieved):
        expected = f"{least} to {min(herald, retrieved)}, what the single clicks allow"
        raise GateError("both", f"{both} trials", expected)
    cells = np.array([both, herald - both, retrieved - both, trials - herald - retrieved + both])
    shares = np.random.default_rng(seed).dirichlet(cells + 0.5, DRAWS)
    coincident = shares[:, 0]
    drawn = coincident / ((coincident + shares[:, 1]) * (coincident + shares[:, 2]))
    return estimate(both * trials / (herald * retrieved), drawn)


def heralded_autocorrelation(
    heralds: int, first: int, second: int, both: int, *, seed: int = 1
) -> Estimate:
    """g2 of a heralded photon, N_H N_HAB / (N_HA N_HB): below 1 one photon, below 1/2 mostly one.

    Parameters
    ----------
    heralds : int
        Trials with a herald.
    first, second, both : int
        Of these, trials with a click behind the one, the other, and both ports of a beam splitter.
    seed : int
        Of the draws behind the interval.

    Raises
    ------
    GateError
        Numbers that cannot be.
    """
    for name, clicks in (("first", first), ("second", second)):
        if not 0 < clicks <= heralds:
            raise GateError(name, f"{clicks} clicks in {heralds} heralds", "1 to the heralds")
    least = max(0, first + second - heralds)
    if not least <= both <= min(first, second):
        expected = f"{least} to {min(first, second)}, what the single clicks allow"
        raise GateError("both", f"{both} heralds", expected)
    cells = np.array([both, first - both, second - both, heralds - first - second + both])
    shares = np.random.default_rng(seed).dirichlet(cells + 0.5, DRAWS)
    together = shares[:, 0]
    drawn = together / ((together + shares[:, 1]) * (together + shares[:, 2]))
    return estimate(both * heralds / (first * second), drawn)
