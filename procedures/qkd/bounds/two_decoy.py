"""Two-decoy BB84 (three intensities): Lim et al., Phys. Rev. A 89, 022307 (2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qnlab.procedures.qkd.bounds.checks import BoundInputError, require_budget, require_source
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
    photon_probability,
    sampling_gap_lim,
)

EPSILON_TERMS = 21


@dataclass(frozen=True)
class TwoDecoySource:
    """Phase-randomised source: mu1 > mu2 + mu3, mu2 > mu3 >= 0 photons a pulse.

    Raises
    ------
    BoundInputError
        For intensities or probabilities outside the proof's preconditions.
    """

    intensities: tuple[float, float, float]
    probabilities: tuple[float, float, float]

    def __post_init__(self) -> None:
        require_source(self.intensities, self.probabilities)
        if self.intensities[0] <= self.intensities[1] + self.intensities[2]:
            raise BoundInputError("intensities", self.intensities, "mu1 > mu2 + mu3")

    def photon_probability(self, photons: int) -> float:
        """Probability that `photons` leave Alice in a pulse."""
        return photon_probability(photons, self.intensities, self.probabilities)


def lim2014(
    source: TwoDecoySource,
    counts: DecoyCounts,
    leak_ec_bits: float,
    eps_sec: float,
    eps_cor: float,
    tag_bits: float | None = None,
    *,
    clamp: bool = False,
) -> KeyLength:
    """Key length of Lim et al. 2014, eqs. 1-5.

    Parameters
    ----------
    source : TwoDecoySource
    counts : DecoyCounts
        Three intensities a basis; the key uses all three.
    leak_ec_bits : float
        Bits that reconciliation disclosed.
    eps_sec, eps_cor : float
        Secrecy and correctness, in (0, 1).
    tag_bits : float, optional
        Length of the disclosed verification tag; counts where it exceeds log2(2/eps_cor).
    clamp : bool
        Keep each fluctuated count within [0, total]; the printed formula does not.

    Raises
    ------
    BoundInputError
        For an input outside the proof's domain.
    """
    counts.require_intensities(3)
    require_budget(leak_ec_bits, eps_sec, eps_cor, tag_bits)
    epsilon = eps_sec / EPSILON_TERMS
    border: Clamp = "both" if clamp else "none"
    vacuum_key, single_key = _vacuum_and_single(source, counts.key, epsilon, border)
    _, single_test = _vacuum_and_single(source, counts.test, epsilon, border)
    single_errors = _single_photon_errors(source, counts.test, epsilon, border)
    phase_error = 0.5
    if single_key > 0 and single_test > 0:
        rate = single_errors / single_test
        phase_error = min(0.5, rate + sampling_gap_lim(epsilon, rate, single_test, single_key))
    privacy = 6 * math.log2(EPSILON_TERMS / eps_sec)
    verification = verification_bits(eps_cor, tag_bits)
    bits = (
        vacuum_key
        + single_key * (1 - binary_entropy(phase_error))
        - leak_ec_bits
        - privacy
        - verification
    )
    proven = phase_error < 0.5
    return KeyLength(
        secret_bits=whole_bits(bits) if proven else 0,
        bits=bits,
        vacuum_key=vacuum_key,
        single_photon_key=single_key,
        single_photon_test=single_test,
        single_photon_errors=single_errors,
        phase_error=phase_error,
        leak_ec_bits=leak_ec_bits,
        privacy_bits=privacy,
        verification_bits=verification,
    )


def _vacuum_and_single(
    source: TwoDecoySource, basis: Basis, epsilon: float, clamp: Clamp
) -> tuple[float, float]:
    mu1, mu2, mu3 = source.intensities
    tau0, tau1 = source.photon_probability(0), source.photon_probability(1)
    lower, upper = poisson_weighted(
        basis.detections, source.intensities, source.probabilities, epsilon, clamp=clamp
    )
    vacuum = max(0.0, tau0 * (mu2 * lower[2] - mu3 * upper[1]) / (mu2 - mu3))
    multi_photon = (mu2**2 - mu3**2) / mu1**2 * (upper[0] - vacuum / tau0)
    single = (
        tau1 * mu1 * (lower[1] - upper[2] - multi_photon) / (mu1 * (mu2 - mu3) - mu2**2 + mu3**2)
    )
    return vacuum, max(0.0, single)


def _single_photon_errors(
    source: TwoDecoySource, test: Basis, epsilon: float, clamp: Clamp
) -> float:
    _, mu2, mu3 = source.intensities
    lower, upper = poisson_weighted(
        test.errors, source.intensities, source.probabilities, epsilon, clamp=clamp
    )
    return max(0.0, source.photon_probability(1) * (upper[1] - lower[2]) / (mu2 - mu3))
