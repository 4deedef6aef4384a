"""Alignment from error rates alone, against a controller that the tests make up themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from qnlab.instruments.roles import ActuatorKind, PolarizationCapabilities
from qnlab.procedures.calibration.alignment import Agreement, Aligner
from qnlab.procedures.calibration.rotations import rotations, turned_like
from qnlab.values import Limits

FLOOR_VISIBILITY = 0.987
LAG = 0.2


class Lab:
    """An unknown fibre, a controller with hysteresis, and a receiver that counts photons."""

    def __init__(self, seed: int, kind: ActuatorKind) -> None:
        self.rng = np.random.default_rng(seed)
        self.visibility = FLOOR_VISIBILITY
        self.fibre = Rotation.random(rng=self.rng)
        self.volts_a_turn = self.rng.uniform(54, 70, 4)
        self.kind = kind
        squeezers = kind is ActuatorKind.SQUEEZERS
        count, limits = (4, Limits(0, 140, "V")) if squeezers else (3, Limits(0, 160, "deg"))
        self.capabilities = PolarizationCapabilities(
            kind, (limits,) * count, (0.03,) * count, 0.001, False
        )
        self.commanded = [0.5 * limits.high] * count
        self.taken = list(self.commanded)

    def positions(self) -> tuple[float, ...]:
        return tuple(self.commanded)

    def move(self, positions) -> tuple[float, ...]:
        for limits, to in zip(self.capabilities.limits, positions, strict=True):
            assert limits.low <= to <= limits.high
        self.commanded = list(positions)
        self.taken = [
            min(max(at, to - LAG), to + LAG) for at, to in zip(self.taken, positions, strict=True)
        ]
        return tuple(positions)

    def matrix(self):
        whole = self.fibre
        for i, at in enumerate(self.taken):
            if self.kind is ActuatorKind.SQUEEZERS:
                vector = 2 * np.pi * at / self.volts_a_turn[i] * np.eye(3)[i % 2]
            else:
                turn = 1.84 * np.radians(at)
                vector = np.pi * (0.5, 1.0, 0.5)[i] * np.array([np.cos(turn), np.sin(turn), 0])
            whole = Rotation.from_rotvec(vector) * whole
        return self.visibility * whole.as_matrix()[:2, :2]

    def qber(self) -> float:
        """Mean error rate without shot noise."""
        return float(2 - np.trace(self.matrix())) / 4

    def measure(self, counts: int) -> Agreement:
        number = self.rng.poisson(counts * np.array([[9.0, 1.0], [9.0, 1.0]]))
        same = self.rng.binomial(number, (1 + self.matrix()) / 2)
        return Agreement((2 * same - number) / np.maximum(number, 1), number)


FLOOR = (1 - FLOOR_VISIBILITY) / 2


@pytest.mark.parametrize("kind", [ActuatorKind.SQUEEZERS, ActuatorKind.PADDLES])
@pytest.mark.parametrize("seed", range(6))
def test_any_fibre_is_aligned_in_few_evaluations(kind, seed):
    lab = Lab(seed, kind)
    aligner = Aligner(lab, lab.measure)
    aligner.align(0.015, 80)
    assert lab.qber() < FLOOR + 0.01
    assert aligner.evaluations <= 40


@pytest.mark.parametrize("kind", [ActuatorKind.SQUEEZERS, ActuatorKind.PADDLES])
def test_a_fibre_that_has_turned_is_found_again(kind):
    lab = Lab(4, kind)
    aligner = Aligner(lab, lab.measure)
    aligner.align(0.015, 80)
    lab.fibre = lab.fibre * Rotation.from_rotvec([0.4, 0.5, -0.6])
    assert lab.qber() > 0.02
    aligner.align(0.015, 80)
    assert lab.qber() < FLOOR + 0.01


def test_an_aligned_link_is_left_alone():
    lab = Lab(1, ActuatorKind.SQUEEZERS)
    aligner = Aligner(lab, lab.measure)
    aligner.align(0.015, 80)
    before, positions = aligner.evaluations, lab.positions()
    aligner.align(0.03, 80)
    assert aligner.evaluations == before + 1
    assert lab.positions() == positions


def test_what_no_rotation_can_mend_ends_the_search_at_the_best_place():
    lab = Lab(2, ActuatorKind.SQUEEZERS)
    lab.visibility = 0.5
    aligner = Aligner(lab, lab.measure)
    result = aligner.align(0.015, 80)
    assert aligner.evaluations < 80
    assert result.mean_qber == pytest.approx(0.25, abs=0.03)
    assert lab.qber() == pytest.approx(0.25, abs=0.01)


def test_a_rotation_by_rodrigues_formula():
    vectors = np.random.default_rng(0).normal(size=(50, 3)) * 2
    assert rotations(vectors) == pytest.approx(Rotation.from_rotvec(vectors).as_matrix())
    assert rotations(np.zeros((1, 3))) == pytest.approx(np.eye(3)[None])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_visible_part_of_a_rotation_tells_it_but_for_a_mirror(seed):
    matrix = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    again = Rotation.from_rotvec(turned_like(matrix[:2, :2], 1.0)).as_matrix()
    mirror = np.diag([1.0, 1.0, -1.0])
    assert again[:2, :2] == pytest.approx(matrix[:2, :2], abs=1e-3)
    nearest = min(np.abs(again - matrix).max(), np.abs(again - mirror @ matrix @ mirror).max())
    assert nearest < 0.05
