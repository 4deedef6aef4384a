"""Figures with errors, from draws of what they were computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

INTERVAL_PERCENT = (2.5, 97.5)
ERROR_PERCENT = (15.865525393, 84.134474607)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, its standard error (half the central 68.27 %) and its 95 % interval."""

    value: float
    error: float
    low: float
    high: float


def estimate(value: float, draws: Floats) -> Estimate:
    """`value` with the spread of `draws`, shape (n,), which may hold infinities."""
    low, high = np.quantile(draws, np.array(INTERVAL_PERCENT) / 100, method="nearest")
    left, right = np.quantile(draws, np.array(ERROR_PERCENT) / 100, method="nearest")
    error = (right - left) / 2 if np.isfinite([left, right]).all() else np.inf
    return Estimate(float(value), float(error), float(low), float(high))
