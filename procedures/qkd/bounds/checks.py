"""Preconditions of the proofs: outside its domain a formula gives an error and no number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from qnlab.errors import QnlabError

LARGEST = 1e30
SMALLEST_PROBABILITY = 1e-100
BRIGHTEST = 100.0
SMALLEST_STEP = 1e-9


class BoundInputError(QnlabError, ValueError):
    """An input outside a proof's domain; names field, value and what would be right."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = value
        self.expected = expected
        super().__init__(f"{field}: got {value!r}, expected {expected}")


def require_finite_nonnegative(field: str, value: float) -> None:
    """Raise `BoundInputError` unless ``0 <= value <= 1e30``."""
    if not 0 <= value <= LARGEST:
        raise BoundInputError(field, value, f"a number from 0 to {LARGEST:g}")


def require_open_unit(field: str, value: float) -> None:
    """Raise `BoundInputError` unless ``1e-100 <= value < 1``."""
    if not SMALLEST_PROBABILITY <= value < 1:
        raise BoundInputError(
            field, value, f"a number between 0 and 1, both excluded, >= {SMALLEST_PROBABILITY:g}"
        )


def require_budget(
    leak_ec_bits: float, eps_sec: float, eps_cor: float, tag_bits: float | None
) -> None:
    """Raise `BoundInputError` unless leakage, epsilons and tag length make sense."""
    require_finite_nonnegative("leak_ec_bits", leak_ec_bits)
    require_open_unit("eps_sec", eps_sec)
    require_open_unit("eps_cor", eps_cor)
    if tag_bits is not None:
        require_finite_nonnegative("tag_bits", tag_bits)


def require_source(intensities: Sequence[float], probabilities: Sequence[float]) -> None:
    """Raise `BoundInputError` unless intensities fall and probabilities sum to one."""
    for i, intensity in enumerate(intensities):
        if not 0 <= intensity <= BRIGHTEST:
            raise BoundInputError(
                f"intensities[{i}]", intensity, f"0 to {BRIGHTEST:g} photons a pulse"
            )
    if any(high - low < SMALLEST_STEP for high, low in pairwise(intensities)):
        raise BoundInputError("intensities", tuple(intensities), "falling intensities")
    for i, probability in enumerate(probabilities):
        require_open_unit(f"probabilities[{i}]", probability)
    if abs(math.fsum(probabilities) - 1) > 1e-9:
        raise BoundInputError("probabilities", tuple(probabilities), "probabilities that sum to 1")
