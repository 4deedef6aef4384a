"""Linear inversion: the matrix that reproduces the counts best, physical or not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Matrices = npt.NDArray[np.complex128]


def linear_inversion(projectors: Matrices, counts: Floats) -> Matrices:
    """Solve ``counts = N Tr(rho P)`` for N and rho by unweighted least squares.

    With a minimal set of settings this is the inversion of James et al., Phys. Rev. A 64, 052312
    (2001), section III.

    Parameters
    ----------
    projectors : complex array, shape (K, d, d)
        A complete set; see `Counts.projectors`.
    counts : float array, shape (..., K)
        Detections at each setting.

    Returns
    -------
    complex array, shape (..., d, d)
        Hermitian, trace 1; eigenvalues may be negative.
    """
    basis = _hermitian_basis(projectors.shape[1])
    design = np.einsum("kij,mji->km", projectors, basis).real
    parts = counts @ np.linalg.pinv(design).T
    sigma: Matrices = np.einsum("...m,mij->...ij", parts, basis)
    trace = np.einsum("...ii->...", sigma).real
    return np.asarray(sigma / trace[..., None, None])


def _hermitian_basis(dimension: int) -> Matrices:
    basis = []
    for i in range(dimension):
        for j in range(dimension):
            matrix = np.zeros((dimension, dimension), dtype=np.complex128)
            if i <= j:
                matrix[i, j] = matrix[j, i] = 1
            else:
                matrix[i, j], matrix[j, i] = 1j, -1j
            basis.append(matrix)
    return np.array(basis)
