"""One-decoy BB84 (two intensities): Wiesemann et al. 2024 and Rusca et al. 2018."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qnlab.procedures.qkd.bounds.checks import (
    SMALLEST_STEP,
    BoundInputError,
    require_budget,
    require_source,
)
from qnlab.procedures.qkd.bounds.counts import (
    Basis,
    Clamp,
    DecoyCounts,
    KeyLength,
    poisson_weighted,
    verification_bits,
    whole_bits,
)
from qnlab.procedures.qkd.bounds.statistics import (
    binary_entropy,
    hoeffding,
    photon_probability,
    sampling_gap_lim,
    sampling_gap_serfling,
)

EPSILON_TERMS_RUSCA = 19
EPSILON_TERMS_WIESEMANN = 15

__all__ = [
    "Basis",
    "DecoyCounts",
    "KeyLength",
    "OneDecoySource",
    "privacy_bits_wiesemann",
    "rusca2018",
    "wiesemann2024",
]


@dataclass(frozen=True)
class OneDecoySource:
    """Phase-randomised source with a signal and a decoy: mu1 > mu2 > 0 photons a pulse.

    Raises
    ------
    BoundInputError
        For intensities or probabilities outside the proofs' preconditions.
    """

    intensities: tuple[float, float]
    probabilities: tuple[float, float]

    def __post_init__(self) -> None:
        require_source(self.intensities, self.probabilities)
        if self.intensities[1] < SMALLEST_STEP:
            raise BoundInputError("intensities", self.intensities, "mu1 > mu2 > 0")

    def photon_probability(self, photons: int) -> float:
        """Probability that `photons` leave Alice in a pulse."""
        return photon_probability(photons, self.intensities, self.probabilities)


@dataclass(frozen=True)
class _Estimate:
    vacuum_key: float
    single_key: float
    single_test: float
    single_errors: float


def wiesemann2024(
    source: OneDecoySource,
    counts: DecoyCounts,
    leak_ec_bits: float,
    eps_sec: float,
    eps_cor: float,
    tag_bits: float | None = None,
) -> KeyLength:
    """Key length of Wiesemann et al., arXiv:2405.16578, vacuum detections not credited.

    Parameters
    ----------
    source : OneDecoySource
    counts : DecoyCounts
        Two intensities a basis; the key basis's errors are those that reconciliation corrected.
    leak_ec_bits : float
        Bits that reconciliation disclosed.
    eps_sec, eps_cor : float
        Secrecy and correctness, in (0, 1).
    tag_bits : float, optional
        Length of the disclosed verification tag; counts where it exceeds log2(2/eps_cor).

    Raises
    ------
    BoundInputError
        For an input outside the proof's domain.
    """
    counts.require_intensities(2)
    require_budget(leak_ec_bits, eps_sec, eps_cor, tag_bits)
    epsilon = eps_sec / EPSILON_TERMS_WIESEMANN
    estimate = _estimate(source, counts, epsilon, clamp="both")
    phase_error = 0.5
    if estimate.single_key > 0 and estimate.single_test > 0:
        gap = sampling_gap_serfling(epsilon, estimate.single_test, estimate.single_key)
        phase_error = min(0.5, estimate.single_errors / estimate.single_test + gap)
    return _balance(
        estimate,
        phase_error,
        credited_vacuum=0.0,
        leak_ec_bits=leak_ec_bits,
        privacy=privacy_bits_wiesemann(eps_sec),
        verification=verification_bits(eps_cor, tag_bits),
    )


def privacy_bits_wiesemann(eps_sec: float) -> float:
    """What secrecy costs in `wiesemann2024`: 4 log2(15 / (2^(1/4) eps_sec)) bits."""
    return 4 * math.log2(EPSILON_TERMS_WIESEMANN / (2**0.25 * eps_sec))


def rusca2018(
    source: OneDecoySource,
    counts: DecoyCounts,
    leak_ec_bits: float,
    eps_sec: float,
    eps_cor: float,
    tag_bits: float | None = None,
) -> KeyLength:
    """Key length of Rusca et al., Appl. Phys. Lett. 112, 171104 (2018), appendix A.

    Takes and raises what `wiesemann2024` does. Fluctuated counts stay >= 0; the printed formula
    has no upper border.
    """
    counts.require_intensities(2)
    require_budget(leak_ec_bits, eps_sec, eps_cor, tag_bits)
    epsilon = eps_sec / EPSILON_TERMS_RUSCA
    estimate = _estimate(source, counts, epsilon, clamp="floor")
    phase_error = 0.5
    if estimate.single_key > 0 and estimate.single_test > 0:
        rate = estimate.single_errors / estimate.single_test
        gap = sampling_gap_lim(epsilon, rate, estimate.single_test, estimate.single_key)
        phase_error = min(0.5, rate + gap)
    return _balance(
        estimate,
        phase_error,
        credited_vacuum=estimate.vacuum_key,
        leak_ec_bits=leak_ec_bits,
        privacy=6 * math.log2(EPSILON_TERMS_RUSCA / eps_sec),
        verification=verification_bits(eps_cor, tag_bits),
    )


def _balance(
    estimate: _Estimate,
    phase_error: float,
    *,
    credited_vacuum: float,
    leak_ec_bits: float,
    privacy: float,
    verification: float,
) -> KeyLength:
    secret = credited_vacuum + estimate.single_key * (1 - binary_entropy(phase_error))
    bits = secret - leak_ec_bits - privacy - verification
    return KeyLength(
        secret_bits=whole_bits(bits) if phase_error < 0.5 else 0,
        bits=bits,
        vacuum_key=estimate.vacuum_key,
        single_photon_key=estimate.single_key,
        single_photon_test=estimate.single_test,
        single_photon_errors=estimate.single_errors,
        phase_error=phase_error,
        leak_ec_bits=leak_ec_bits,
        privacy_bits=privacy,
        verification_bits=verification,
    )


def _estimate(
    source: OneDecoySource, counts: DecoyCounts, epsilon: float, *, clamp: Clamp
) -> _Estimate:
    return _Estimate(
        vacuum_key=_vacuum_lower(source, counts.key, epsilon, clamp),
        single_key=_single_lower(source, counts.key, epsilon, clamp),
        single_test=_single_lower(source, counts.test, epsilon, clamp),
        single_errors=_single_errors_upper(source, counts.test, epsilon, clamp),
    )


def _vacuum_lower(source: OneDecoySource, basis: Basis, epsilon: float, clamp: Clamp) -> float:
    mu1, mu2 = source.intensities
    lower, upper = poisson_weighted(
        basis.detections, source.intensities, source.probabilities, epsilon, clamp=clamp
    )
    tau0 = source.photon_probability(0)
    return max(0.0, tau0 * (mu1 * lower[1] - mu2 * upper[0]) / (mu1 - mu2))


def _vacuum_upper(source: OneDecoySource, basis: Basis, epsilon: float, clamp: Clamp) -> float:
    _, upper = poisson_weighted(
        basis.errors, source.intensities, source.probabilities, epsilon, clamp=clamp
    )
    half_width = hoeffding(basis.total, epsilon)
    return 2 * (source.photon_probability(0) * min(upper) + half_width)


def _single_lower(source: OneDecoySource, basis: Basis, epsilon: float, clamp: Clamp) -> float:
    mu1, mu2 = source.intensities
    lower, upper = poisson_weighted(
        basis.detections, source.intensities, source.probabilities, epsilon, clamp=clamp
    )
    vacuum = _vacuum_upper(source, basis, epsilon, clamp) / source.photon_probability(0)
    bracket = lower[1] - mu2**2 / mu1**2 * upper[0] - (mu1**2 - mu2**2) / mu1**2 * vacuum
    scale = source.photon_probability(1) * mu1 / (mu2 * (mu1 - mu2))
    return max(0.0, scale * bracket)


def _single_errors_upper(
    source: OneDecoySource, test: Basis, epsilon: float, clamp: Clamp
) -> float:
    mu1, mu2 = source.intensities
    lower, upper = poisson_weighted(
        test.errors, source.intensities, source.probabilities, epsilon, clamp=clamp
    )
    return max(0.0, source.photon_probability(1) * (upper[0] - lower[1]) / (mu1 - mu2))
