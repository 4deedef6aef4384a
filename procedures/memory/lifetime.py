"""Lifetime of a memory: fits of the known decays, and which of them the data prefer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qnlab.errors import QnlabError

Floats = npt.NDArray[np.float64]

FIXED_POWERS = {"exponential": 1.0, "gaussian": 2.0}
STRETCHED = "stretched"


@dataclass(frozen=True, slots=True)
class Decay:
    """One model, ``efficiency * exp(-(t/lifetime)^power)``, fitted.

    Parameters
    ----------
    model : str
        exponential (power 1), gaussian (power 2) or stretched (power fitted).
    efficiency, efficiency_error : float
        At no storage time, and its standard error.
    lifetime_s, lifetime_error_s : float
        Time to 1/e, and its standard error.
    power : float
        Of the time.
    chi2 : float
        Weighted squared residuals.
    freedom : int
        Points less fitted parameters.
    aic : float
        Akaike's criterion, chi2 + 2 parameters; the smaller the better.
    """

    model: str
    efficiency: float
    efficiency_error: float
    lifetime_s: float
    lifetime_error_s: float
    power: float
    chi2: float
    freedom: int
    aic: float


def decays(
    storage_s: Sequence[float], efficiency: Sequence[float], error: Sequence[float]
) -> list[Decay]:
    """Fit every model; the one that Akaike's criterion prefers comes first.

    Parameters
    ----------
    storage_s, efficiency, error : sequence of float, length n
        Storage times, efficiencies there, and their standard errors; at least 4 points.

    Raises
    ------
    QnlabError
        Too few points, lengths that differ, errors that are not above 0, or data that do not decay.
    """
    t, y, e = (np.asarray(x, dtype=np.float64) for x in (storage_s, efficiency, error))
    if not len(t) == len(y) == len(e) or len(t) < 4:
        found = f"{len(t)}, {len(y)} and {len(e)}"
        raise QnlabError(f"lifetime: {found} times, efficiencies and errors; expected 4 or more")
    if not (np.isfinite([t, y, e]).all() and (e > 0).all() and (t >= 0).all()):
        raise QnlabError("lifetime: expected finite times >= 0 and errors above 0")
    fits = [_fit(model, t, y, e) for model in (*FIXED_POWERS, STRETCHED)]
    return sorted(fits, key=lambda fit: fit.aic)


def _fit(model: str, t: Floats, y: Floats, e: Floats) -> Decay:
    """Least squares in ln efficiency, ln lifetime and ln power, so that all stay positive."""
    from scipy.optimize import least_squares

    fixed = FIXED_POWERS.get(model)
    start = [math.log(max(y.max(), e.min())), math.log(t.max() / 2)]
    if fixed is None:
        start.append(0.0)

    def residuals(x: Floats) -> Floats:
        power = math.exp(x[2]) if fixed is None else fixed
        return np.asarray((np.exp(x[0] - (t / math.exp(x[1])) ** power) - y) / e)

    found = least_squares(residuals, start, x_scale="jac", max_nfev=2000)
    curvature = found.jac.T @ found.jac
    if not found.success or np.linalg.cond(curvature) > 1e14:
        raise QnlabError(f"lifetime: no {model} decay fits the data; expected times up to the 1/e")
    errors = np.sqrt(np.diag(np.linalg.inv(curvature)))
    peak, lifetime = math.exp(found.x[0]), math.exp(found.x[1])
    chi2 = float(2 * found.cost)
    return Decay(
        model=model,
        efficiency=peak,
        efficiency_error=float(peak * errors[0]),
        lifetime_s=lifetime,
        lifetime_error_s=float(lifetime * errors[1]),
        power=math.exp(found.x[2]) if fixed is None else fixed,
        chi2=chi2,
        freedom=len(t) - len(found.x),
        aic=chi2 + 2 * len(found.x),
    )
