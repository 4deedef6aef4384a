"""Rotations of the Poincare sphere: fibre, squeezers, paddles.

Stokes vectors are (S1, S2, S3): H/V, D/A, R/L. ``rotation`` turns right-handed about its axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

H, V, D, A = STATES = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], dtype=np.float64)


def rotation(axis: Sequence[float] | Matrix, angle: float) -> Matrix:
    """Rotation by `angle`, rad, about a unit `axis`, shape (3,) (Rodrigues' formula)."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=np.float64)
    result: Matrix = np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * (k @ k)
    return result


def random_rotation(rng: np.random.Generator) -> Matrix:
    """Uniform on SO(3), from a normalised quaternion of normal deviates."""
    w, x, y, z = (q := rng.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def walk_step(rng: np.random.Generator, variance: float) -> Matrix:
    """One step of the random walk on SO(3): a rotation vector of `variance` rad^2 an axis.

    After time t the mean cosine of the angle is exp(-t / tau) if variance = dt / tau (Czegledi et
    al., arXiv:1507.00953).
    """
    vector = rng.normal(0.0, math.sqrt(variance), 3)
    angle = float(np.linalg.norm(vector))
    return rotation(vector / angle, angle) if angle > 0 else np.eye(3)


def squeezers(positions: Sequence[float], half_wave: Sequence[float]) -> Matrix:
    """Fibre squeezers at 0, 45, 0, 45 degrees: retardance pi V / V_pi about S1, S2, S1, S2."""
    axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    result = np.eye(3)
    for i, (v, v_pi) in enumerate(zip(positions, half_wave, strict=True)):
        result = rotation(axes[i % 2], math.pi * v / v_pi) @ result
    return result


def paddles(angles_deg: Sequence[float], twist: float = 0.08) -> Matrix:
    """Paddles lambda/4, lambda/2, lambda/4: the axis turns by 2 (1 - twist) times the angle."""
    result = np.eye(3)
    for angle, retardance in zip(angles_deg, (0.5, 1.0, 0.5), strict=True):
        turn = 2 * (1 - twist) * math.radians(angle)
        result = rotation((math.cos(turn), math.sin(turn), 0.0), math.pi * retardance) @ result
    return result


def play(position: float, command: float, half_width: float) -> float:
    """Play operator: the actuator follows only when pushed by more than `half_width`."""
    return min(max(position, command - half_width), command + half_width)


def waveplates(angles_deg: Sequence[float], retardances: Sequence[float]) -> Matrix:
    """Linear retarders with fast axes at these angles: a quarter wave at 45 degrees turns H to R.

    With R = (H - iV)/sqrt 2 a retarder turns the sphere left-handed about its fast axis.
    """
    result = np.eye(3)
    for angle, retardance in zip(angles_deg, retardances, strict=True):
        turn = 2 * math.radians(angle)
        result = rotation((math.cos(turn), math.sin(turn), 0.0), -retardance) @ result
    return result
