"""From counts to figures with errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qnlab.procedures.statistics import Estimate, estimate
from qnlab.procedures.tomography import figures
from qnlab.procedures.tomography.counts import Counts
from qnlab.procedures.tomography.likelihood import Fit, maximum_likelihood
from qnlab.procedures.tomography.linear import linear_inversion

Floats = npt.NDArray[np.float64]
Matrices = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the counts tell of the state.

    Parameters
    ----------
    counts : Counts
        The data.
    bootstraps, seed : int
        Repetitions behind the errors, and the seed of their random numbers.
    rho, rho_error : complex array, shape (d, d)
        Maximum-likelihood state; standard errors of real and imaginary parts.
    linear : complex array, shape (d, d)
        Linear inversion.
    eigenvalues : tuple of Estimate
        Of the linear inversion, largest first; a negative one beyond its error tells of
        systematic errors.
    purity : Estimate
        ``Tr rho^2``.
    concurrence : Estimate or None
        For two qubits.
    fidelities : dict of str to Estimate
        To the named states.
    intensity : Estimate
        Detections at a setting that passes the whole state.
    deviance : float
        ``2 sum(n ln(n/m) - n + m)`` against the fitted means m: about `freedom` if the model holds.
    freedom : int
        Settings less fitted parameters.
    """

    counts: Counts
    bootstraps: int
    seed: int
    rho: Matrices
    rho_error: Matrices
    linear: Matrices
    eigenvalues: tuple[Estimate, ...]
    purity: Estimate
    concurrence: Estimate | None
    fidelities: dict[str, Estimate]
    intensity: Estimate
    deviance: float
    freedom: int


def analyse(counts: Counts, *, bootstraps: int = 500, seed: int = 1) -> Analysis:
    """Reconstruct the state by both methods; errors by Poisson bootstrap.

    The likelihood's data sets are drawn around the fitted means (parametric); those of the linear
    inversion around the counts, so that its error is not that of a physical state.

    Parameters
    ----------
    counts : Counts
        A complete set, as `read_counts` returns it.
    bootstraps : int
        Data sets drawn and evaluated anew; at least 2.
    seed : int
        Seed of the draws.
    """
    kets, projectors = counts.kets(), counts.projectors()
    measured = np.array([counts.counts], dtype=np.float64)
    fit = maximum_likelihood(kets, measured, gap=1e-6)
    rho = fit.rho[0]
    means = fit.intensity[0] * np.einsum("kij,ji->k", projectors, rho).real.clip(min=0)
    generator = np.random.default_rng(seed)
    refit = maximum_likelihood(kets, _draw(means, bootstraps, generator))
    linear = linear_inversion(projectors, measured)
    relinear = linear_inversion(projectors, _draw(measured[0], bootstraps, generator))
    return Analysis(
        counts=counts,
        bootstraps=bootstraps,
        seed=seed,
        rho=rho,
        rho_error=refit.rho.real.std(axis=0, ddof=1) + 1j * refit.rho.imag.std(axis=0, ddof=1),
        linear=linear[0],
        eigenvalues=tuple(_eigenvalues(linear, relinear)),
        purity=_estimate(figures.purity(fit.rho), figures.purity(refit.rho)),
        concurrence=_concurrence(fit, refit) if counts.qubits == 2 else None,
        fidelities={
            name: _estimate(figures.fidelity(fit.rho, ket), figures.fidelity(refit.rho, ket))
            for name, ket in figures.named_states(counts.qubits).items()
        },
        intensity=_estimate(fit.intensity, refit.intensity),
        deviance=_deviance(measured[0], means),
        freedom=len(means) - rho.size,
    )


def _draw(means: Floats, bootstraps: int, generator: np.random.Generator) -> Floats:
    """Poisson data sets, shape (bootstraps, K); one without any detection is drawn again."""
    drawn = generator.poisson(means, size=(bootstraps, len(means)))
    while (empty := ~drawn.any(axis=1)).any():
        drawn[empty] = generator.poisson(means, size=(int(empty.sum()), len(means)))
    return drawn.astype(np.float64)


def _estimate(value: Floats, drawn: Floats) -> Estimate:
    return estimate(float(value[0]), drawn)


def _eigenvalues(linear: Matrices, drawn: Matrices) -> Iterator[Estimate]:
    values, again = (np.linalg.eigvalsh(x).astype(np.float64) for x in (linear, drawn))
    for k in reversed(range(values.shape[1])):
        yield _estimate(values[:, k], again[:, k])


def _concurrence(fit: Fit, refit: Fit) -> Estimate:
    return _estimate(figures.concurrence(fit.rho), figures.concurrence(refit.rho))


def _deviance(counts: Floats, means: Floats) -> float:
    seen = counts > 0
    logs = counts[seen] * np.log(counts[seen] / means[seen])
    return float(2 * (logs.sum() - counts.sum() + means.sum()))
