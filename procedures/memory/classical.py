"""Measure and prepare: the fidelity that a device without any memory could reach.

N equal qubits allow a fidelity of (N+1)/(N+2), Massar and Popescu, Phys. Rev. Lett. 74, 1259
(1995). A device that answers in only a share of the trials chooses those with most photons:
Specht et al., Nature 473, 190 (2011); Gundogan et al., Phys. Rev. Lett. 108, 190504 (2012).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassicalLimit:
    """Largest mean fidelity of a classical device for two budgets of answers.

    Parameters
    ----------
    efficiency_budget : float
        The device answers as often as `efficiency` times the trials with a photon.
    click_budget : float
        The device answers as often as the memory gives a photon, ``1 - exp(-efficiency mu)``.
    """

    efficiency_budget: float
    click_budget: float

    @property
    def fidelity(self) -> float:
        """The larger one: the limit to be beaten."""
        return max(self.efficiency_budget, self.click_budget)


def classical_limit(mu: float, efficiency: float) -> ClassicalLimit:
    """Limit for Poissonian pulses.

    Parameters
    ----------
    mu : float
        Mean photon number of the input pulses, above 0.
    efficiency : float
        Of the memory, above 0, at most 1.

    Raises
    ------
    ValueError
        Outside these ranges.
    """
    if not (0 < mu <= 700):
        raise ValueError(f"mu must be above 0 and at most 700, got {mu}")
    if not 0 < efficiency <= 1:
        raise ValueError(f"the efficiency must be above 0 and at most 1, got {efficiency}")
    return ClassicalLimit(
        _fidelity(mu, efficiency * -math.expm1(-mu)), _fidelity(mu, -math.expm1(-efficiency * mu))
    )


def _fidelity(mu: float, budget: float) -> float:
    """Mean fidelity when the `budget` of answers goes to the pulses with most photons."""
    top = int(mu + 40 * math.sqrt(mu) + 60)
    left, gained = budget, 0.0
    for n in range(top, 0, -1):
        share = min(math.exp(n * math.log(mu) - mu - math.lgamma(n + 1)), left)
        gained += share * (n + 1) / (n + 2)
        left -= share
    return (gained + left * 2 / 3) / budget
