"""Polarization alignment from tags alone.

The receiver measures S1 (H/V) and S2 (D/A); Alice sends along +-S1 and +-S2. The mean agreement
of each measured axis with each prepared axis is a 2x2 block of the rotation between them, which
alignment turns into the identity. Each entry of that block is a trigonometric polynomial in the
position of one actuator when the others rest: first harmonic of the retardance for a squeezer,
second and fourth harmonic of the angle for a rotated plate or paddle. So one actuator after the
other is moved to a few positions, the polynomial is fitted, and the best position is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from qnlab.instruments.roles import ActuatorKind, PolarizationController
from qnlab.procedures.qkd.sifting import Detections

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How measured and prepared states agree.

    Parameters
    ----------
    block : ndarray of float, shape (2, 2)
        Mean of +1 (same bit) and -1 (other bit); row = Bob's basis, column = Alice's.
    counts : ndarray of int, shape (2, 2)
        Detections behind each entry.
    """

    block: Floats
    counts: npt.NDArray[np.int64]

    @property
    def qber_key(self) -> float:
        return float(1 - self.block[0, 0]) / 2

    @property
    def qber_test(self) -> float:
        return float(1 - self.block[1, 1]) / 2

    @property
    def score(self) -> float:
        """Sum of the two visibilities: 2 when aligned."""
        return float(self.block[0, 0] + self.block[1, 1])


def agreement(detections: Detections, states: npt.NDArray[np.uint8]) -> Agreement:
    """Agreement of `detections` with the states that Alice sent in their pulses, shape (n,)."""
    cell = 2 * detections.bases + (states >> 1)
    same = 1.0 - 2.0 * (detections.bits ^ (states & 1))
    counts = np.bincount(cell, minlength=4).reshape(2, 2)
    total = np.bincount(cell, same, minlength=4).reshape(2, 2)
    return Agreement(total / np.maximum(counts, 1), counts)


Measure = Callable[[], Agreement]


class Aligner:
    """Aligns a controller by what `measure` says after each move.

    Parameters
    ----------
    controller : PolarizationController
        Moved only within its limits.
    measure : callable
        Takes tags for a moment and returns their `Agreement`.
    """

    def __init__(self, controller: PolarizationController, measure: Measure) -> None:
        self._controller = controller
        self._measure = measure
        self._limits = controller.capabilities.limits
        self._position = list(controller.positions())
        self._harmonics: list[tuple[float, ...]] | None = None
        self.evaluations = 0

    def evaluate(self, actuator: int | None = None, position: float = 0.0) -> Agreement:
        """Move one actuator (or none) and measure."""
        if actuator is not None:
            self._position[actuator] = position
            self._position = list(self._controller.move(self._position))
        self.evaluations += 1
        return self._measure()

    def align(self, good_qber: float, max_evaluations: int) -> Agreement:
        """Search from wherever the actuators are until both error rates are good.

        Parameters
        ----------
        good_qber : float
            Stop when the mean of both error rates is at most this.
        max_evaluations : int
            Stop after about so many evaluations, at the best position found.
        """
        limit = self.evaluations + max_evaluations
        result = self.evaluate()
        while self._mean_qber(result) > good_qber and self.evaluations < limit:
            before = result.score
            for actuator in range(len(self._limits)):
                if self.evaluations < limit:
                    result = self._improve(actuator)
            if result.score - before < 2e-3 and self._mean_qber(result) < 0.2:
                break
        return result

    @staticmethod
    def _mean_qber(result: Agreement) -> float:
        return (result.qber_key + result.qber_test) / 2

    def _improve(self, actuator: int) -> Agreement:
        """Put one actuator where the fitted score is highest."""
        harmonics = self._known_harmonics()[actuator]
        here = self._position[actuator]
        stretch = _stretch(self._limits[actuator].low, self._limits[actuator].high, here, harmonics)
        points = np.linspace(*stretch, 2 * len(harmonics) + 2)
        scores = np.array([self.evaluate(actuator, float(p)).score for p in points])
        fit, *_ = np.linalg.lstsq(_design(points, harmonics), scores, rcond=None)
        fine = np.linspace(*stretch, 721)
        best = float(fine[np.argmax(_design(fine, harmonics) @ fit)])
        return self.evaluate(actuator, best)

    def _known_harmonics(self) -> list[tuple[float, ...]]:
        if self._harmonics is None:
            kind = self._controller.capabilities.kind
            if kind is ActuatorKind.SQUEEZERS:
                self._harmonics = [(self._squeezer_rate(i),) for i in range(len(self._limits))]
            else:
                step = np.pi / 180
                self._harmonics = [(2 * step, 4 * step)] * len(self._limits)
        return self._harmonics

    def _squeezer_rate(self, actuator: int) -> float:
        """Retardance a volt, rad, from a scan of one squeezer over a third of its range."""
        limits = self._limits[actuator]
        here = self._position[actuator]
        points = np.linspace(limits.low, limits.low + (limits.high - limits.low) / 3, 9)
        blocks = np.array([self.evaluate(actuator, float(p)).block.ravel() for p in points])
        self.evaluate(actuator, here)
        span = limits.high - limits.low
        trials = np.linspace(2 * np.pi, 8 * np.pi, 97) / span

        def residual(rate: float) -> Floats:
            design = _design(points, (rate,))
            fit, *_ = np.linalg.lstsq(design, blocks, rcond=None)
            left: Floats = (design @ fit - blocks).ravel()
            return left

        start = min(trials, key=lambda rate: float(np.sum(residual(rate) ** 2)))
        solution = least_squares(lambda p: residual(float(p[0])), [start])
        return float(solution.x[0])


def _stretch(
    low: float, high: float, here: float, harmonics: Sequence[float]
) -> tuple[float, float]:
    """A period of the lowest harmonic around `here`, or as much of it as the limits allow."""
    half = np.pi / harmonics[0]
    if 2 * half >= high - low:
        return low, high
    start = min(max(here - half, low), high - 2 * half)
    return start, start + 2 * half


def _design(points: Floats, harmonics: Sequence[float]) -> Floats:
    columns = [np.ones_like(points)]
    for rate in harmonics:
        columns += [np.cos(rate * points), np.sin(rate * points)]
    return np.stack(columns, axis=1)
