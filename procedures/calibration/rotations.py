"""A polarization controller as rotations of the Poincare sphere, learnt from what is measured.

The block of a measurement is the part of the whole rotation R that the four detectors see:
``block[i, j] = v * R[i, j]`` for the Stokes components S1 (H/V) and S2 (D/A), with Bob's basis as
row, Alice's as column, and v the visibility that no rotation changes. A model predicts blocks of
any positions out of a few parameters, which `fitted` finds by least squares. Reversing S3 and the
handedness of every rotation changes no block: either solution serves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

Floats = npt.NDArray[np.float64]

LOWEST_VISIBILITY = 0.2
_MODEL_ERROR = 0.008
_PRIOR_SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class Observations:
    """What was measured where.

    Parameters
    ----------
    positions : ndarray of float, shape (n, a)
    blocks : ndarray of float, shape (n, 2, 2)
    sigmas : ndarray of float, shape (n, 2, 2)
        Standard errors of the blocks.
    """

    positions: Floats
    blocks: Floats
    sigmas: Floats

    def __len__(self) -> int:
        return len(self.positions)

    def add(self, position: Floats, block: Floats, counts: npt.NDArray[np.int64]) -> Observations:
        """One more; an entry without counts tells nothing."""
        sigma = np.sqrt(np.maximum(1 - block**2, 0.03) / np.maximum(counts, 0.05))
        return Observations(
            np.concatenate([self.positions, position[None]]),
            np.concatenate([self.blocks, block[None]]),
            np.concatenate([self.sigmas, np.hypot(sigma, _MODEL_ERROR)[None]]),
        )

    def last(self, n: int) -> Observations:
        """The last `n`."""
        return Observations(self.positions[-n:], self.blocks[-n:], self.sigmas[-n:])

    @classmethod
    def none(cls, actuators: int) -> Observations:
        """No observation yet."""
        return cls(np.empty((0, actuators)), np.empty((0, 2, 2)), np.empty((0, 2, 2)))


def rotations(vectors: Floats) -> Floats:
    """Rotation matrices, shape (n, 3, 3), of rotation vectors (rad), shape (n, 3)."""
    angle = np.linalg.norm(vectors, axis=1)
    x, y, z = (vectors / np.maximum(angle, 1e-12)[:, None]).T
    zero = np.zeros_like(x)
    k = np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
    turned: Floats = (
        np.eye(3) + np.sin(angle)[:, None, None] * k + (1 - np.cos(angle))[:, None, None] * (k @ k)
    )
    return turned


@numba.njit(cache=True, nogil=True)
def _turn(whole: Floats, x: float, y: float, z: float, angle: float) -> None:
    """Turn every column of `whole`, shape (3, 3), by `angle` about the unit axis (x, y, z)."""
    c, s = np.cos(angle), np.sin(angle)
    for j in range(3):
        u, v, w = whole[0, j], whole[1, j], whole[2, j]
        along = (1 - c) * (x * u + y * v + z * w)
        whole[0, j] = c * u + s * (y * w - z * v) + x * along
        whole[1, j] = c * v + s * (z * u - x * w) + y * along
        whole[2, j] = c * w + s * (x * v - y * u) + z * along


@numba.njit(cache=True, nogil=True)
def _retarded(first: Floats, axes: Floats, angles: Floats, out: Floats) -> None:
    """Rotation `first`, then for row n of `angles` one about each of `axes`, into ``out[n]``."""
    for n in range(len(angles)):
        out[n] = first
        for i in range(len(axes)):
            _turn(out[n], axes[i, 0], axes[i, 1], axes[i, 2], angles[n, i])


@numba.njit(cache=True, nogil=True)
def _plated(first: Floats, retardances: Floats, turns: Floats, out: Floats) -> None:
    """Rotation `first`, then plates whose axes lie on the equator at row n of `turns`."""
    for n in range(len(turns)):
        out[n] = first
        for i in range(len(retardances)):
            _turn(out[n], np.cos(turns[n, i]), np.sin(turns[n, i]), 0.0, retardances[i])


def _axes(angles: Floats) -> Floats:
    polar, azimuth = angles.T
    return np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1
    )


@dataclass(frozen=True, slots=True)
class RetarderChain:
    """Squeezers: fixed axes, retardance linear in the position.

    R(p) = E_a(p_a - b_a) ... E_1(p_1 - b_1) R_b about the point b (product of exponentials).

    Parameters
    ----------
    base : ndarray, shape (a,)
        The point b.
    turned : ndarray, shape (3,)
        Rotation vector of R_b, rad.
    axes : ndarray, shape (a, 2)
        Polar angle and azimuth of each axis in Bob's frame at b, rad.
    rates : ndarray, shape (a,)
        Retardance a unit of position, rad; zero for an actuator that was not looked at yet.
    visibility : float
    """

    base: Floats
    turned: Floats
    axes: Floats
    rates: Floats
    visibility: float

    def wholes(self, positions: Floats) -> Floats:
        """Whole rotations, shape (n, 3, 3), at `positions`, shape (n, a)."""
        out = np.empty((len(positions), 3, 3))
        angles = (positions - self.base) * self.rates
        _retarded(rotations(self.turned[None])[0], _axes(self.axes), angles, out)
        return out

    def with_likeliest(
        self, index: int, rates: Floats, axes: Floats, seen: Observations
    ) -> RetarderChain:
        """The chain with the one of `rates` and `axes` for actuator `index` that fits `seen` best.

        The actuators before it have not been moved yet.

        Parameters
        ----------
        rates : ndarray of float, shape (r,)
        axes : ndarray of float, shape (s, 2)
        """
        downstream = np.broadcast_to(np.eye(3), (len(seen), 3, 3))
        for i in range(index + 1, len(self.rates)):
            angles = self.rates[i] * (seen.positions[:, i] - self.base[i])
            downstream = rotations(angles[:, None] * _axes(self.axes[i : i + 1])) @ downstream
        angles = np.multiply.outer(rates, seen.positions[:, index] - self.base[index])
        vectors = angles[:, None, :, None] * _axes(axes)[:, None, :]
        own = rotations(vectors.reshape(-1, 3)).reshape(*vectors.shape, 3)
        whole = downstream @ own @ rotations(self.turned[None])[0]
        residuals = (self.visibility * whole[..., :2, :2] - seen.blocks) / seen.sigmas
        errors = np.sum(residuals**2, axis=(2, 3, 4))
        rate, axis = np.unravel_index(np.argmin(errors), errors.shape)
        new_rates, new_axes = self.rates.copy(), self.axes.copy()
        new_rates[index], new_axes[index] = rates[rate], axes[axis]
        return replace(self, rates=new_rates, axes=new_axes)

    def parameters(self) -> Floats:
        """All that a fit may change, in units of about one."""
        known = self.rates != 0
        return np.concatenate(
            [[self.visibility], self.turned, self.axes[known].ravel(), np.log(self.rates[known])]
        )

    def with_parameters(self, values: Floats) -> RetarderChain:
        """The same chain with other parameters."""
        known = self.rates != 0
        n = int(known.sum())
        axes, rates = self.axes.copy(), self.rates.copy()
        axes[known] = values[4 : 4 + 2 * n].reshape(n, 2)
        rates[known] = np.exp(np.clip(values[4 + 2 * n :], -20.0, 5.0))
        return replace(
            self, visibility=float(values[0]), turned=values[1:4], axes=axes, rates=rates
        )


@dataclass(frozen=True, slots=True)
class PlateChain:
    """Paddles and wave plates: fixed retardance, an axis on the equator that turns.

    R(p) = D P_a(p_a) ... P_1(p_1) F.

    Parameters
    ----------
    before, after : ndarray, shape (3,)
        Rotation vectors of F and D, rad.
    retardances : ndarray, shape (a,)
        Retardance of each plate, rad.
    rate : float
        Turn of the axes on the sphere a unit of position, rad.
    visibility : float
    """

    before: Floats
    after: Floats
    retardances: Floats
    rate: float
    visibility: float

    def wholes(self, positions: Floats) -> Floats:
        """Whole rotations, shape (n, 3, 3), at `positions`, shape (n, a)."""
        out = np.empty((len(positions), 3, 3))
        first = rotations(self.before[None])[0]
        _plated(first, self.retardances, self.rate * positions, out)
        after: Floats = rotations(self.after[None]) @ out
        return after

    def parameters(self) -> Floats:
        """All that a fit may change, in units of about one."""
        return np.concatenate(
            [[self.visibility], self.before, self.after, self.retardances, [np.log(self.rate)]]
        )

    def with_parameters(self, values: Floats) -> PlateChain:
        """The same chain with other parameters."""
        return PlateChain(
            before=values[1:4],
            after=values[4:7],
            retardances=values[7:-1],
            rate=float(np.exp(values[-1])),
            visibility=float(values[0]),
        )


class Chain(Protocol):
    """A controller between two stretches of fibre, as a fit knows it."""

    @property
    def visibility(self) -> float:
        """What no rotation changes, 0..1."""

    def wholes(self, positions: Floats) -> Floats:
        """Whole rotations, shape (n, 3, 3), at `positions`, shape (n, a)."""

    def parameters(self) -> Floats:
        """All that a fit may change, the visibility first."""

    def with_parameters(self, values: Floats) -> Self:
        """The same chain with other parameters."""


C = TypeVar("C", bound=Chain)


def predicted(chain: Chain, positions: Floats) -> Floats:
    """Predicted blocks, shape (n, 2, 2), of `positions`, shape (n, a)."""
    blocks: Floats = chain.visibility * chain.wholes(positions)[:, :2, :2]
    return blocks


def misfit(chain: Chain, seen: Observations) -> float:
    """Mean squared residual in units of the standard errors: about one if the model holds."""
    residuals = (predicted(chain, seen.positions) - seen.blocks) / seen.sigmas
    return float(np.mean(residuals**2))


def fitted(chain: C, seen: Observations, free: slice = slice(None), attempts: int = 40) -> C:
    """`chain` with the parameters that fit `seen` best, starting from those that it has.

    Parameters
    ----------
    free : slice
        Parameters that may change; the others keep their values.
    attempts : int
        Longest number of function evaluations of the search, a multiple of the parameters.
    """
    start = chain.parameters()

    def tried(values: Floats) -> C:
        parameters = start.copy()
        parameters[free] = values
        return chain.with_parameters(parameters)

    def residuals(values: Floats) -> Floats:
        parts = (predicted(tried(values), seen.positions) - seen.blocks) / seen.sigmas
        return np.concatenate([parts.ravel(), (values - start[free]) / _PRIOR_SPREAD])

    low = np.full(len(start), -np.inf)
    high = np.full(len(start), np.inf)
    low[0], high[0] = LOWEST_VISIBILITY, 1.0
    start[0] = min(max(start[0], LOWEST_VISIBILITY + 1e-6), 1 - 1e-6)
    solution = least_squares(
        residuals, start[free], bounds=(low[free], high[free]), max_nfev=attempts
    )
    return tried(solution.x)


def turned_like(block: Floats, visibility: float) -> Floats:
    """Rotation vector of the rotation whose visible part is nearest to ``block / visibility``.

    The rotation is known but for the sign of S3, which is chosen.
    """
    rows = block / visibility
    rows = rows / max(float(np.linalg.svd(rows, compute_uv=False)[0]), 1.0)
    hidden = np.sqrt(np.maximum(1 - np.sum(rows**2, axis=1), 0.0))
    if rows[0] @ rows[1] > 0:
        hidden[1] = -hidden[1]
    u, _, vt = np.linalg.svd(np.column_stack([rows, hidden]), full_matrices=False)
    first, second = u @ vt
    return _vector(np.stack([first, second, np.cross(first, second)]))


def _vector(matrix: Floats) -> Floats:
    from scipy.spatial.transform import Rotation

    vector: Floats = Rotation.from_matrix(matrix).as_rotvec()
    return vector


def best_positions(
    chain: Chain, low: Floats, high: Floats, here: Floats, rng: np.random.Generator
) -> Floats:
    """Positions within ``low..high`` whose predicted block is nearest to the identity.

    Among equally good ones the one nearest to `here` wins: short ways, little hysteresis.
    """
    span = high - low
    trials = np.concatenate([here[None], low + span * rng.random((2000, len(low)))])
    found = []
    for start in trials[np.argsort(_distance(chain, trials))[:8]]:
        unit = np.clip((start - low) / span, 1e-6, 1 - 1e-6)
        solution = least_squares(
            lambda x: (chain.wholes((low + span * x)[None])[0] - np.eye(3)).ravel(),
            unit,
            jac=lambda x: _slopes(chain, low + span * x, span),
            bounds=(0.0, 1.0),
            max_nfev=30,
        )
        found.append(low + span * solution.x)
    ends: Floats = np.array(found)
    distance = _distance(chain, ends)
    way = np.linalg.norm((ends - here) / span, axis=1)
    good = np.flatnonzero(distance <= distance.min() + 0.003)
    nearest: Floats = ends[int(good[np.argmin(way[good])])]
    return nearest


def _distance(chain: Chain, positions: Floats) -> Floats:
    """Twice the sum of both error rates that misalignment alone makes, shape (n,)."""
    whole = chain.wholes(positions)
    distance: Floats = 2 - whole[:, 0, 0] - whole[:, 1, 1]
    return distance


def _slopes(chain: Chain, position: Floats, span: Floats) -> Floats:
    """Derivatives of the whole rotation by each position, as a share of its span, shape (9, a)."""
    step = 1e-6
    moved = chain.wholes(np.concatenate([position[None], position + np.diag(step * span)]))
    slopes: Floats = ((moved[1:] - moved[0]) / step).reshape(len(position), 9).T
    return slopes
