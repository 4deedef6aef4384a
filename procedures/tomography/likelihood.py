"""Maximum likelihood: the physical state that makes the counts most probable.

Counts are Poisson numbers of mean Tr(sigma P_k) with sigma = N rho and N unknown. Their
ln-likelihood, sum n_k ln Tr(sigma P_k) - Tr(sigma P_k), is concave over the positive matrices. It
is climbed by Newton's method with the barrier mu ln det sigma (Boyd and Vandenberghe, Convex
Optimization, ch. 11), many data sets at once; mu falls until the mu d that the barrier costs at
most is the gap asked for. With sigma = C C^dagger and steps C Delta C^dagger the barrier's
curvature is mu times the identity: states at the border of the positive matrices stay well
conditioned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qnlab.errors import QnlabError

Floats = npt.NDArray[np.float64]
Matrices = npt.NDArray[np.complex128]

ITERATIONS = 300
FALL = 0.1
NEAR = 0.5
CENTRED = 0.1
KEEP = 0.9


@dataclass(frozen=True, slots=True)
class Fit:
    """States that maximise the likelihood.

    Parameters
    ----------
    rho : complex array, shape (B, d, d)
        Density matrices.
    intensity : float array, shape (B,)
        Detections expected at a setting that passes the whole state, N.
    """

    rho: Matrices
    intensity: Floats


def maximum_likelihood(kets: Matrices, counts: Floats, *, gap: float = 1e-3) -> Fit:
    """Fit every row of `counts`.

    Parameters
    ----------
    kets : complex array, shape (K, d)
        State that each setting passes; a complete set, see `Counts.kets`.
    counts : float array, shape (B, K)
        Detections; every row has some.
    gap : float
        Bound on the ln-likelihood left to gain (a standard error costs 0.5).

    Raises
    ------
    QnlabError
        No convergence.
    """
    dimension = kets.shape[1]
    last = gap / (2 * dimension)
    shares = (np.abs(kets) ** 2).sum()
    scale = np.sqrt(counts.sum(axis=1) / shares)
    root = scale[:, None, None] * np.eye(dimension, dtype=np.complex128)
    barrier = np.maximum(counts.sum(axis=1) / dimension, last)
    done = root.copy()
    rows = np.arange(len(counts))
    for _ in range(ITERATIONS):
        step, decrement = _newton(kets, counts[rows], root, barrier)
        root = _walk(root, step)
        finished = (barrier <= last) & (decrement < CENTRED)
        barrier = np.where(decrement < NEAR, np.maximum(barrier * FALL, last), barrier)
        done[rows[finished]] = root[finished]
        rows, root, barrier = rows[~finished], root[~finished], barrier[~finished]
        if not len(rows):
            sigma = done @ _adjoint(done)
            trace = np.einsum("bii->b", sigma).real
            return Fit(sigma / trace[:, None, None], trace)
    raise QnlabError(f"maximum likelihood: no convergence in {ITERATIONS} iterations")


def _newton(
    kets: Matrices, counts: Floats, root: Matrices, barrier: Floats
) -> tuple[Matrices, Floats]:
    """Newton steps Delta, shape (B, d, d), and how far from the centre they start (decrement)."""
    seen = np.swapaxes(_adjoint(root) @ kets.T, 1, 2)
    design = _components(seen)
    means = (seen.real**2 + seen.imag**2).sum(axis=2)
    slope = (np.swapaxes(design, 1, 2) @ (counts / means - 1)[..., None])[..., 0]
    dimension = kets.shape[1]
    slope[:, :dimension] += barrier[:, None]
    bent = design * (np.sqrt(counts) / means)[..., None]
    curvature = np.swapaxes(bent, 1, 2) @ bent + barrier[:, None, None] * np.eye(dimension**2)
    parts = np.linalg.solve(curvature, slope[..., None])[..., 0]
    decrement = np.sqrt(np.clip((slope * parts).sum(axis=1), 0, None) / barrier)
    return _hermitian(parts, dimension), decrement


def _walk(root: Matrices, step: Matrices) -> Matrices:
    """Root of ``C (1 + a Delta) C^dagger``, with a so that the matrix stays positive."""
    down = np.maximum(-np.linalg.eigvalsh(step)[:, 0], 0)
    length = np.minimum(1, KEEP / np.maximum(down, KEEP))
    grown = np.eye(step.shape[1]) + length[:, None, None] * step
    return np.asarray(root @ np.linalg.cholesky(grown))


def _components(vectors: Matrices) -> Floats:
    """Projectors of `vectors` in an orthonormal basis of Hermitian matrices, diagonal first."""
    upper, right = np.triu_indices(vectors.shape[-1], 1)
    products = np.sqrt(2) * vectors[..., upper] * vectors[..., right].conj()
    squares = vectors.real**2 + vectors.imag**2
    return np.concatenate((squares, products.real, products.imag), axis=-1)


def _hermitian(parts: Floats, dimension: int) -> Matrices:
    """Matrices of the components that `_components` takes apart."""
    upper, right = np.triu_indices(dimension, 1)
    pairs = len(upper)
    matrices = np.zeros((len(parts), dimension, dimension), dtype=np.complex128)
    real, imaginary = parts[:, dimension : dimension + pairs], parts[:, dimension + pairs :]
    matrices[:, upper, right] = (real + 1j * imaginary) / np.sqrt(2)
    matrices += _adjoint(matrices)
    diagonal = np.arange(dimension)
    matrices[:, diagonal, diagonal] = parts[:, :dimension]
    return matrices


def _adjoint(matrices: Matrices) -> Matrices:
    return np.swapaxes(matrices, -1, -2).conj()
