"""What a decoy-state block counted, and the key length that follows with every bound on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from qnlab.procedures.qkd.bounds.checks import BoundInputError, require_finite_nonnegative
from qnlab.procedures.qkd.bounds.statistics import hoeffding

Clamp = Literal["none", "floor", "both"]


@dataclass(frozen=True)
class Basis:
    """Sifted detections and bit errors of one basis, one entry an intensity, brightest first.

    Raises
    ------
    BoundInputError
        For unequal lengths, negative or non-finite counts, or more errors than detections.
    """

    detections: tuple[float, ...]
    errors: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.errors) != len(self.detections):
            raise BoundInputError(
                "errors", self.errors, f"{len(self.detections)} entries, as detections has"
            )
        for i, (n, m) in enumerate(zip(self.detections, self.errors, strict=True)):
            require_finite_nonnegative(f"detections[{i}]", n)
            require_finite_nonnegative(f"errors[{i}]", m)
            if m > n:
                raise BoundInputError(f"errors[{i}]", m, f"at most detections[{i}] = {n}")

    @property
    def total(self) -> float:
        """Detections over all intensities."""
        return math.fsum(self.detections)

    @property
    def total_errors(self) -> float:
        """Errors over all intensities."""
        return math.fsum(self.errors)


@dataclass(frozen=True)
class DecoyCounts:
    """Counts of one block in the key basis and in the test basis."""

    key: Basis
    test: Basis

    def require_intensities(self, number: int) -> None:
        """Raise `BoundInputError` unless both bases count `number` intensities."""
        for name, basis in (("key", self.key), ("test", self.test)):
            if len(basis.detections) != number:
                raise BoundInputError(
                    f"{name}.detections", basis.detections, f"{number} entries, one an intensity"
                )


@dataclass(frozen=True)
class KeyLength:
    """The longest key a decoy-state proof allows, and the bounds it came from.

    `secret_bits` = 0 means: discard the block. `vacuum_key`, `single_photon_key` and
    `single_photon_test` are lower bounds on counts, `single_photon_errors` and `phase_error`
    (a rate, at most 1/2) upper bounds. `privacy_bits` and `verification_bits` are what the
    proof and the verification tag cost; `bits` is the balance before it is floored at 0.
    """

    secret_bits: int
    bits: float
    vacuum_key: float
    single_photon_key: float
    single_photon_test: float
    single_photon_errors: float
    phase_error: float
    leak_ec_bits: float
    privacy_bits: float
    verification_bits: float


def whole_bits(bits: float) -> int:
    """Round a balance down to a length; below zero there is no key."""
    return max(0, math.floor(bits))


def verification_bits(eps_cor: float, tag_bits: float | None) -> float:
    """What verification costs: log2(2/eps_cor), or the real tag where that is longer."""
    return max(math.log2(2 / eps_cor), tag_bits or 0.0)


def poisson_weighted(
    counts: tuple[float, ...],
    intensities: tuple[float, ...],
    probabilities: tuple[float, ...],
    epsilon: float,
    *,
    clamp: Clamp,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Lower and upper e^k/p_k (n_k -+ delta), delta from the total over the intensities.

    The true value lies in [0, total]: `clamp` says which of these borders n_k -+ delta keeps.
    """
    total = math.fsum(counts)
    half_width = hoeffding(total, epsilon)
    floor = -math.inf if clamp == "none" else 0.0
    ceiling = total if clamp == "both" else math.inf
    weights = [math.exp(mu) / p for mu, p in zip(intensities, probabilities, strict=True)]
    lower = tuple(w * max(floor, n - half_width) for w, n in zip(weights, counts, strict=True))
    upper = tuple(w * min(ceiling, n + half_width) for w, n in zip(weights, counts, strict=True))
    return lower, upper
