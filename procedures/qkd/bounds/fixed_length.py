"""Fixed-length blocks: thresholds and length agreed before the block, then a yes or a no."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qnlab.procedures.qkd.bounds.checks import BoundInputError, require_finite_nonnegative
from qnlab.procedures.qkd.bounds.counts import Basis, DecoyCounts
from qnlab.procedures.qkd.bounds.one_decoy import OneDecoySource, wiesemann2024
from qnlab.procedures.qkd.bounds.statistics import binary_entropy


@dataclass(frozen=True)
class Thresholds:
    """What a block must reach; every figure is fixed before its first pulse.

    Counts are one entry an intensity, brightest first. `single_photon_key` is the least lower
    bound on single-photon key detections, `phase_error` the greatest upper bound on their
    phase-error rate, `leak_ec_bits` the most that reconciliation may disclose.
    """

    key_detections_min: tuple[float, ...]
    key_errors_max: tuple[float, ...]
    test_detections_min: tuple[float, ...]
    test_errors_max: tuple[float, ...]
    single_photon_key: float
    phase_error: float
    leak_ec_bits: float


@dataclass(frozen=True)
class Verdict:
    """Whether a block is accepted; `reasons` names each threshold it missed, with figures."""

    accepted: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class FixedLengthRule:
    """Acceptance test and key length of one block by arXiv:2405.16578, agreed beforehand.

    `length` never depends on the block's own counts: they only decide whether it is accepted.
    """

    source: OneDecoySource
    thresholds: Thresholds
    length: int
    eps_sec: float
    eps_cor: float
    tag_bits: float | None

    def accept(self, counts: DecoyCounts, leak_ec_bits: float) -> Verdict:
        """Compare a reconciled block with the thresholds.

        Parameters
        ----------
        counts : DecoyCounts
            Two intensities a basis; key errors as reconciliation corrected them.
        leak_ec_bits : float
            Bits that reconciliation disclosed.

        Raises
        ------
        BoundInputError
            For counts outside the proof's domain.
        """
        bound = wiesemann2024(
            self.source, counts, leak_ec_bits, self.eps_sec, self.eps_cor, self.tag_bits
        )
        limits = self.thresholds
        reasons = [
            *_below("key_detections", counts.key.detections, limits.key_detections_min),
            *_above("key_errors", counts.key.errors, limits.key_errors_max),
            *_below("test_detections", counts.test.detections, limits.test_detections_min),
            *_above("test_errors", counts.test.errors, limits.test_errors_max),
            *_below("single_photon_key", (bound.single_photon_key,), (limits.single_photon_key,)),
            *_above("phase_error", (bound.phase_error,), (limits.phase_error,)),
            *_above("leak_ec_bits", (leak_ec_bits,), (limits.leak_ec_bits,)),
        ]
        if self.length == 0:
            reasons.append("no_key: the thresholds leave no secret bit")
        return Verdict(accepted=not reasons, reasons=tuple(reasons))


def plan_block(
    source: OneDecoySource,
    expected: DecoyCounts,
    *,
    f_ec: float,
    eps_sec: float,
    eps_cor: float,
    tag_bits: float | None = None,
    n_sigma: float = 5.0,
    calibration_scale: float = 0.0,
) -> FixedLengthRule:
    """Fix thresholds a margin away from the expected counts, and the length that they allow.

    Each expected count c may come out wrong by `n_sigma` sqrt(c (1 + calibration_scale)); the
    length is that of the worst corner of that box, so an undisturbed link passes and every
    accepted block is one for which the bound allows at least that length.

    Parameters
    ----------
    source : OneDecoySource
    expected : DecoyCounts
        What the next block should count, from a channel model or a calibration.
    f_ec : float
        Reconciliation efficiency that the leak budget allows for, >= 1.
    eps_sec, eps_cor : float
        Secrecy and correctness, in (0, 1).
    tag_bits : float, optional
        Length of the disclosed verification tag.
    n_sigma : float
        Margin in standard deviations, >= 0.
    calibration_scale : float
        Size of the block over that of the calibration; 0 for counts known exactly.

    Raises
    ------
    BoundInputError
        For an input outside the proof's domain.
    """
    if not (math.isfinite(f_ec) and f_ec >= 1):
        raise BoundInputError("f_ec", f_ec, "a finite number >= 1")
    require_finite_nonnegative("n_sigma", n_sigma)
    require_finite_nonnegative("calibration_scale", calibration_scale)
    expected.require_intensities(2)

    margin = n_sigma * math.sqrt(1 + calibration_scale)
    worst = DecoyCounts(
        key=_worst_corner(expected.key, margin), test=_worst_corner(expected.test, margin)
    )
    leak_budget = _leak_budget(expected.key, margin, f_ec)
    bound = wiesemann2024(source, worst, leak_budget, eps_sec, eps_cor, tag_bits)
    thresholds = Thresholds(
        key_detections_min=_lowered(expected.key.detections, margin),
        key_errors_max=worst.key.errors,
        test_detections_min=_lowered(expected.test.detections, margin),
        test_errors_max=worst.test.errors,
        single_photon_key=bound.single_photon_key,
        phase_error=bound.phase_error,
        leak_ec_bits=leak_budget,
    )
    return FixedLengthRule(source, thresholds, bound.secret_bits, eps_sec, eps_cor, tag_bits)


def _worst_corner(basis: Basis, margin: float) -> Basis:
    """Many signal detections, few decoy ones, many errors: what lowers the bounds most."""
    low, high = _lowered(basis.detections, margin), _raised(basis.detections, margin)
    detections = (high[0], low[1])
    errors = _raised(basis.errors, margin)
    return Basis(detections, tuple(map(min, errors, detections)))


def _leak_budget(key: Basis, margin: float, f_ec: float) -> float:
    (bits,) = _raised((key.total,), margin)
    (errors,) = _raised((key.total_errors,), margin)
    return float(math.ceil(f_ec * bits * binary_entropy(errors / bits))) if bits else 0.0


def _lowered(counts: tuple[float, ...], margin: float) -> tuple[float, ...]:
    return tuple(float(max(0, math.floor(c - margin * math.sqrt(c)))) for c in counts)


def _raised(counts: tuple[float, ...], margin: float) -> tuple[float, ...]:
    return tuple(float(math.ceil(c + margin * math.sqrt(c))) for c in counts)


def _below(name: str, values: tuple[float, ...], least: tuple[float, ...]) -> list[str]:
    return [
        f"{name}_low: {_label(name, i, values)} = {value:.6g}, at least {limit:.6g} needed"
        for i, (value, limit) in enumerate(zip(values, least, strict=True))
        if value < limit
    ]


def _above(name: str, values: tuple[float, ...], most: tuple[float, ...]) -> list[str]:
    return [
        f"{name}_high: {_label(name, i, values)} = {value:.6g}, at most {limit:.6g} allowed"
        for i, (value, limit) in enumerate(zip(values, most, strict=True))
        if value > limit
    ]


def _label(name: str, index: int, values: tuple[float, ...]) -> str:
    return name if len(values) == 1 else f"{name}[{index}]"
