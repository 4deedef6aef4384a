"""Polarization alignment from error rates alone, whatever stands behind the controller.

Alice reveals the states of a stretch of pulses. From how they agree with what Bob measured while
the controller was here and there, he learns how it turns the polarization (`rotations`), goes to
the positions that the model says are best, measures there, learns again. It takes two moves an
actuator to learn the controller; after a drift a few measurements place the fibre anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from qnlab.instruments.roles import ActuatorKind, PolarizationController
from qnlab.procedures.calibration.rotations import (
    Chain,
    Observations,
    PlateChain,
    RetarderChain,
    best_positions,
    fitted,
    misfit,
    predicted,
    turned_like,
)

Floats = npt.NDArray[np.float64]

_FITS = 3.0
_KEPT = 12
_WORTHWHILE = 0.002
_APPROACH = 0.03
_NEAR = 0.06
_PROBES = 2
_COARSE, _FINE = 300, 2000
_TURNS = (0.8, 4.5)
_FIBRE = slice(1, 4)


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
    def mean_qber(self) -> float:
        """Mean of both error rates."""
        return (self.qber_key + self.qber_test) / 2

    @property
    def weakest(self) -> int:
        """Detections behind the less certain of both error rates."""
        return int(min(self.counts[0, 0], self.counts[1, 1]))

    def with_more(self, other: Agreement) -> Agreement:
        """This and another measurement at the same place as one."""
        counts = self.counts + other.counts
        total = self.block * self.counts + other.block * other.counts
        return Agreement(total / np.maximum(counts, 1), counts)

    @property
    def sigma(self) -> float:
        """Standard error of `mean_qber`."""
        rates = np.clip([self.qber_key, self.qber_test], 0.003, 0.997)
        counts = np.maximum([self.counts[0, 0], self.counts[1, 1]], 1)
        return float(np.sqrt(np.sum(rates * (1 - rates) / counts))) / 2


Measure = Callable[[int], Agreement]


class Aligner:
    """Aligns a controller by what `measure` says after each move.

    Parameters
    ----------
    controller : PolarizationController
        Moved only within its limits.
    measure : callable
        Takes tags until both error rates rest on about so many detections, and returns their
        `Agreement`.
    """

    def __init__(self, controller: PolarizationController, measure: Measure) -> None:
        self._controller = controller
        self._measure = measure
        limits = controller.capabilities.limits
        self._low = np.array([limit.low for limit in limits])
        self._high = np.array([limit.high for limit in limits])
        self._position = np.array(controller.positions(), dtype=np.float64)
        self._seen = Observations.none(len(limits))
        self._chain: Chain | None = None
        self._rng = np.random.default_rng(0)
        self.evaluations = 0

    def align(self, good_qber: float, max_evaluations: int) -> Agreement:
        """Go where both error rates are good, from wherever the actuators are.

        Parameters
        ----------
        good_qber : float
            Stop when the mean of both error rates is at most this and the model promises no more.
        max_evaluations : int
            Stop after about so many evaluations, at the best position found.

        Returns
        -------
        Agreement
            Of the position where the actuators are left.
        """
        limit = self.evaluations + max_evaluations
        result = self._evaluate()
        self._seen = self._seen.last(1)
        if result.mean_qber <= good_qber:
            return result
        self._place(result)
        best, best_position = result, self._position
        probes = _PROBES
        while self.evaluations < limit:
            result = self._evaluate(self._target(), _COARSE if probes == _PROBES else _FINE)
            if result.mean_qber < best.mean_qber:
                best, best_position = result, self._position
            self._learn()
            if self._promised(self._target()) >= _WORTHWHILE:
                continue
            if not probes or (probes < _PROBES and result.mean_qber <= good_qber):
                break
            self._probe()
            probes -= 1
        if best.mean_qber < result.mean_qber - 2 * result.sigma:
            result = self._evaluate(best_position)
        return result

    def _evaluate(self, position: Floats | None = None, counts: int = _COARSE) -> Agreement:
        """Move (or stay) and measure.

        Every position is approached from below, so that hysteresis shifts all alike.
        """
        if position is not None:
            below = np.maximum(position - _APPROACH * (self._high - self._low), self._low)
            self._controller.move([float(p) for p in below])
            taken = self._controller.move([float(p) for p in position])
            self._position = np.array(taken, dtype=np.float64)
        self.evaluations += 1
        result = self._measure(counts)
        self._seen = self._seen.add(self._position, result.block, result.counts)
        return result

    def _promised(self, target: Floats) -> float:
        """Fall of the mean error rate that the model promises for a move to `target`."""
        assert self._chain is not None
        here, there = predicted(self._chain, np.stack([self._position, target]))
        return float(np.trace(there) - np.trace(here)) / 4

    def _target(self) -> Floats:
        assert self._chain is not None
        return best_positions(self._chain, self._low, self._high, self._position, self._rng)

    # --- what the controller does ---------------------------------------------------------------

    def _place(self, result: Agreement) -> None:
        """Learn the controller, or if it is known where the fibre is now."""
        near = result.mean_qber < _NEAR
        if self._chain is None or not (self._followed() if near else self._found_anew()):
            self._identify()

    def _identify(self) -> None:
        """Learn the controller by moving its actuators one by one."""
        self._seen = self._seen.last(1)
        if self._controller.capabilities.kind is ActuatorKind.SQUEEZERS:
            self._chain = self._identified_squeezers()
        else:
            self._chain = self._identified_plates()

    def _learn(self) -> None:
        """Take in the last measurements; a model that does not hold is learnt anew."""
        assert self._chain is not None
        recent = self._seen.last(max(_KEPT, 3 * len(self._low)))
        self._chain = fitted(self._chain, recent)
        if misfit(self._chain, self._seen.last(3)) > _FITS**2:
            self._identify()

    def _probe(self) -> None:
        """Move every actuator a little and learn from it."""
        self._dither()
        self._learn()

    def _dither(self) -> None:
        for i, span in enumerate(self._high - self._low):
            self._step(i, span / 20, _FINE)

    def _followed(self) -> bool:
        """Whether a known controller and a fibre that has turned a little explain small moves."""
        assert self._chain is not None
        self._dither()
        self._chain = fitted(self._chain, self._seen, _FIBRE)
        return misfit(self._chain, self._seen) < _FITS**2

    def _found_anew(self) -> bool:
        """Whether a known controller with a fibre that has drifted explains what is seen now.

        Of the two rotations that look alike at one position, a second position tells which it is.
        """
        chain = self._chain
        if not isinstance(chain, RetarderChain):
            return False
        now = self._seen.last(1)
        candidates = []
        like_now = turned_like(now.blocks[0], max(chain.visibility, 0.5))
        for turned in (like_now, like_now * [-1.0, -1.0, 1.0], chain.turned):
            moved = replace(chain, turned=turned)
            candidates.append(fitted(moved, now, _FIBRE))
        self._chain = min(candidates, key=lambda c: misfit(c, now))
        self._evaluate(self._target())
        pair = self._seen.last(2)
        candidates = [fitted(c, pair, _FIBRE) for c in candidates]
        self._chain = min(candidates, key=lambda c: misfit(c, pair))
        return misfit(self._chain, pair) < _FITS**2

    def _identified_squeezers(self) -> RetarderChain:
        """Two moves of each squeezer in turn, and a fit that grows by one squeezer at a time."""
        count = len(self._low)
        chain = RetarderChain(
            base=self._position, turned=turned_like(self._seen.blocks[0], 0.97),
            axes=np.zeros((count, 2)), rates=np.zeros(count), visibility=0.97,
        )  # fmt: skip
        span = self._high - self._low
        for i in reversed(range(count)):
            for share in (1 / 14, 1 / 6):
                self._step(i, share * span[i])
            chain = self._with_squeezer(chain, i, span[i])
        return chain

    def _with_squeezer(self, chain: RetarderChain, index: int, span: float) -> RetarderChain:
        """`chain` with one squeezer more, whose axis and rate fit its two moves best."""
        rates = 2 * np.pi * np.linspace(*_TURNS, 38) / span
        return fitted(chain.with_likeliest(index, rates, _SPHERE, self._seen.last(2)), self._seen)

    def _identified_plates(self) -> PlateChain:
        """Two moves of each plate in turn, then fits from many starts."""
        for i in range(len(self._low)):
            for _ in range(2):
                self._step(i, 30.0)
        tried = [fitted(start, self._seen, attempts=6) for start in self._starts(30)]
        tried.sort(key=lambda chain: misfit(chain, self._seen))
        ends = [fitted(chain, self._seen) for chain in tried[:3]]
        return min(ends, key=lambda chain: misfit(chain, self._seen))

    def _starts(self, number: int) -> list[PlateChain]:
        """Chains of quarter, half and quarter wave plates in fibres of all kinds."""
        plates = np.resize(np.array([np.pi / 2, np.pi, np.pi / 2]), len(self._low))
        turned = self._rng.normal(0.0, 1.5, (number, 2, 3))
        return [PlateChain(f, d, plates, 1.9 * np.pi / 180, 0.97) for f, d in turned]

    def _step(self, actuator: int, step: float, counts: int = _COARSE) -> None:
        """Move one actuator by `step`, away from the nearer limit, and measure."""
        position = self._position.copy()
        middle = (self._low + self._high)[actuator] / 2
        position[actuator] += step if position[actuator] <= middle else -step
        self._evaluate(np.clip(position, self._low, self._high), counts)


def _sphere(points: int) -> Floats:
    """Polar angles and azimuths evenly spread, shape (points, 2) (Fibonacci lattice)."""
    k = np.arange(points) + 0.5
    return np.column_stack([np.arccos(1 - 2 * k / points), np.pi * (1 + 5**0.5) * k])


_SPHERE = _sphere(100)
