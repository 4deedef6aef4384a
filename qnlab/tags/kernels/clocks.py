"""Pairs of tags of two clocks, and the straight line that most of them lie on."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def near_pairs(
    a: I64,
    b: I64,
    epoch: int,
    offset: float,
    drift: float,
    half: float,
    at: F64,
    residual: F64,
) -> int:
    """Pairs with ``|residual| <= half``, residual = ``b - a - offset - drift (a - epoch)``.

    Parameters
    ----------
    a, b : ndarray of int64, shapes (n,) and (m,)
        Times on the two clocks, ps, non-decreasing; those of `b` near ``a + offset``.
    epoch : int
        Time on the first clock, ps.
    offset, drift, half : float
        ps, ps a ps, ps.
    at, residual : ndarray of float
        Filled with ``a - epoch`` and the residual of each pair, ps, as far as there is room.

    Returns
    -------
    int
        Number of pairs, also of those that there was no room for.
    """
    whole = np.int64(np.rint(offset))
    rest = offset - whole
    found = first = 0
    m = len(b)
    for i in range(len(a)):
        since = np.float64(a[i] - epoch)
        expected = rest + drift * since
        base = a[i] + whole
        while first < m and (b[first] - base) - expected < -half:
            first += 1
        j = first
        while j < m:
            apart = (b[j] - base) - expected
            if apart > half:
                break
            if found < len(at):
                at[found] = since
                residual[found] = apart
            found += 1
            j += 1
    return found


def near_pairs_reference(
    a: I64,
    b: I64,
    epoch: int,
    offset: float,
    drift: float,
    half: float,
    at: F64,
    residual: F64,
) -> int:
    """The same as `near_pairs`, in NumPy."""
    whole = int(np.rint(offset))
    expected = (offset - whole) + drift * (a - epoch).astype(np.float64)
    apart = (b[None, :] - (a + whole)[:, None]) - expected[:, None]
    i, j = np.nonzero(np.abs(apart) <= half)
    room = min(len(i), len(at))
    at[:room] = (a - epoch)[i[:room]]
    residual[:room] = apart[i[:room], j[:room]]
    return len(i)


@numba.njit(cache=True, nogil=True)
def add_lines(counts: I64, at: F64, residual: F64, first: float, step: float, half: float) -> None:
    """Count, for each slope, the pairs in each bin of ``residual - slope at``.

    Parameters
    ----------
    counts : ndarray of int64, shape (slopes, bins)
        Added to in place. Slope k is ``first + k step``; the bins cover ``-half`` to `half`.
    at, residual : ndarray of float, shape (n,)
        ps.
    """
    slopes, bins = counts.shape
    scale = bins / (2 * half)
    for k in range(slopes):
        slope = first + k * step
        for i in range(len(at)):
            bin_ = (residual[i] - slope * at[i] + half) * scale
            if 0 <= bin_ < bins:
                counts[k, np.int64(bin_)] += 1


def add_lines_reference(
    counts: I64, at: F64, residual: F64, first: float, step: float, half: float
) -> None:
    """The same as `add_lines`, in NumPy."""
    slopes, bins = counts.shape
    for k in range(slopes):
        bin_ = (residual - (first + k * step) * at + half) * (bins / (2 * half))
        inside = bin_[(bin_ >= 0) & (bin_ < bins)].astype(np.int64)
        counts[k] += np.bincount(inside, minlength=bins)
