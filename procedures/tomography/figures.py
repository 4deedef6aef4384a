"""Figures of a density matrix; every function takes a stack of matrices, shape (..., d, d)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from qnlab.procedures.tomography.counts import KETS

Floats = npt.NDArray[np.float64]
Matrices = npt.NDArray[np.complex128]

_S = 1 / math.sqrt(2)
_BELL: dict[str, tuple[complex, ...]] = {
    "phi+": (_S, 0, 0, _S),
    "phi-": (_S, 0, 0, -_S),
    "psi+": (0, _S, _S, 0),
    "psi-": (0, _S, -_S, 0),
}
_FLIP = np.fliplr(np.diag([-1.0, 1.0, 1.0, -1.0]))


def named_states(qubits: int) -> dict[str, Matrices]:
    """Kets by name: H V D A R L for one qubit, the four Bell states for two (phi = HH, VV)."""
    kets: dict[str, tuple[complex, ...]] = {**KETS} if qubits == 1 else _BELL
    return {name: np.array(ket, dtype=np.complex128) for name, ket in kets.items()}


def fidelity(rho: Matrices, ket: Matrices) -> Floats:
    """Overlap ``<ket|rho|ket>`` with a pure state, the squared (Uhlmann) form."""
    return np.asarray(np.einsum("i,...ij,j->...", ket.conj(), rho, ket).real)


def purity(rho: Matrices) -> Floats:
    """``Tr rho^2``: 1 for a pure state, 1/d for the fully mixed one."""
    return np.asarray(np.einsum("...ij,...ji->...", rho, rho).real)


def concurrence(rho: Matrices) -> Floats:
    """Concurrence of two qubits, Wootters, Phys. Rev. Lett. 80, 2245 (1998); 0 to 1.

    With ``rho = A A^dagger`` the roots of Wootters' matrix are the singular values of
    ``A^T (sigma_y x sigma_y) A``, which stay exact where rho is singular. `rho` is positive.
    """
    weights, vectors = np.linalg.eigh(rho)
    root = vectors * np.sqrt(np.clip(weights, 0, None))[..., None, :]
    values = np.linalg.svd(np.swapaxes(root, -1, -2) @ _FLIP @ root, compute_uv=False)
    return np.asarray(np.clip(2 * values[..., 0] - values.sum(axis=-1), 0, None))
