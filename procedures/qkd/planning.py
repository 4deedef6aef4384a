"""What a link can yield before it is built: channel model, expected counts, rates, best settings.

Rates are bits a sent pulse unless a name says otherwise; transmittances and probabilities have no
unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qnlab.procedures.qkd.bounds import (
    Basis,
    BoundInputError,
    DecoyCounts,
    OneDecoySource,
    wiesemann2024,
)
from qnlab.procedures.qkd.bounds.checks import require_finite_nonnegative
from qnlab.procedures.qkd.bounds.statistics import binary_entropy

VACUUM_ERROR = 0.5


@dataclass(frozen=True)
class Channel:
    """Channel and receiver as one lossy, noisy line.

    `transmittance` includes the detectors, `vacuum_yield` is the probability of a click without
    light in a pulse slot, `misalignment` the error probability of a signal photon.

    Raises
    ------
    BoundInputError
        For a figure outside [0, 1].
    """

    transmittance: float
    vacuum_yield: float
    misalignment: float

    def __post_init__(self) -> None:
        for field in ("transmittance", "vacuum_yield", "misalignment"):
            value = getattr(self, field)
            if not 0 <= value <= 1:
                raise BoundInputError(field, value, "a number between 0 and 1")

    def gain(self, intensity: float) -> float:
        """Click probability of a pulse, 1 - (1 - Y0) e^(-eta mu) (Ma et al. 2005)."""
        return 1 - (1 - self.vacuum_yield) * math.exp(-self.transmittance * intensity)

    def error_gain(self, intensity: float) -> float:
        """Probability of a click with the wrong bit, Y0/2 + e_d (1 - e^(-eta mu))."""
        lit = -math.expm1(-self.transmittance * intensity)
        return VACUUM_ERROR * self.vacuum_yield + self.misalignment * lit

    def error_rate(self, intensity: float) -> float:
        """Bit-error rate E_mu; 1/2 where nothing clicks."""
        gain = self.gain(intensity)
        return self.error_gain(intensity) / gain if gain > 0 else VACUUM_ERROR


def fibre_transmittance(km: float, db_per_km: float, detector_efficiency: float = 1.0) -> float:
    """Transmittance of `km` of fibre and a detector.

    Raises
    ------
    BoundInputError
        For a negative length or attenuation.
    """
    require_finite_nonnegative("km", km)
    require_finite_nonnegative("db_per_km", db_per_km)
    return detector_efficiency * math.pow(10.0, -km * db_per_km / 10)


def expected_counts(
    source: OneDecoySource, channel: Channel, pulses: float, key_basis: float
) -> DecoyCounts:
    """Sifted counts to expect when both sides choose the key basis with probability `key_basis`.

    Raises
    ------
    BoundInputError
        For a negative number of pulses or a probability outside [0, 1].
    """
    require_finite_nonnegative("pulses", pulses)
    if not 0 <= key_basis <= 1:
        raise BoundInputError("key_basis", key_basis, "a number between 0 and 1")

    def basis(both_chose: float) -> Basis:
        sent = [pulses * both_chose * p for p in source.probabilities]
        return Basis(
            tuple(n * channel.gain(mu) for n, mu in zip(sent, source.intensities, strict=True)),
            tuple(
                n * channel.error_gain(mu) for n, mu in zip(sent, source.intensities, strict=True)
            ),
        )

    return DecoyCounts(basis(key_basis**2), basis((1 - key_basis) ** 2))


def infinite_decoy_rate(channel: Channel, intensity: float, f_ec: float, sifting: float) -> float:
    """Asymptotic rate with Y1 and e1 known exactly (GLLP; Lo, Ma, Chen 2005)."""
    single_yield = (
        channel.vacuum_yield + channel.transmittance - channel.vacuum_yield * channel.transmittance
    )
    if single_yield == 0:
        return 0.0
    single_error = (
        VACUUM_ERROR * channel.vacuum_yield + channel.misalignment * channel.transmittance
    ) / single_yield
    return _gllp(channel, intensity, single_yield, single_error, f_ec, sifting)


def vacuum_weak_rate(
    channel: Channel, signal: float, decoy: float, f_ec: float, sifting: float
) -> float:
    """Asymptotic rate with one weak decoy and vacuum (Ma, Qi, Zhao, Lo, PRA 72, 012326).

    Raises
    ------
    BoundInputError
        Unless ``0 < decoy < signal``.
    """
    if not 0 < decoy < signal:
        raise BoundInputError("decoy", decoy, f"an intensity between 0 and the signal's {signal}")
    vacuum = channel.vacuum_yield
    single_yield = (
        signal
        / (signal * decoy - decoy**2)
        * (
            channel.gain(decoy) * math.exp(decoy)
            - channel.gain(signal) * math.exp(signal) * decoy**2 / signal**2
            - (signal**2 - decoy**2) / signal**2 * vacuum
        )
    )
    if single_yield <= 0:
        return 0.0
    single_error = (channel.error_gain(decoy) * math.exp(decoy) - VACUUM_ERROR * vacuum) / (
        single_yield * decoy
    )
    return _gllp(channel, signal, single_yield, single_error, f_ec, sifting)


def _gllp(
    channel: Channel,
    intensity: float,
    single_yield: float,
    single_error: float,
    f_ec: float,
    sifting: float,
) -> float:
    single_gain = intensity * math.exp(-intensity) * single_yield
    leak = f_ec * channel.gain(intensity) * binary_entropy(channel.error_rate(intensity))
    return sifting * (single_gain * (1 - binary_entropy(single_error)) - leak)


def plob_bound(transmittance: float) -> float:
    """Repeaterless bound -log2(1 - eta), secret bits a mode (Pirandola et al. 2017).

    Raises
    ------
    BoundInputError
        Unless ``0 <= transmittance < 1``.
    """
    if not 0 <= transmittance < 1:
        raise BoundInputError("transmittance", transmittance, "a number in [0, 1)")
    return -math.log1p(-transmittance) / math.log(2)


def bbm92_rate(key_error: float, test_error: float, f_ec: float = 1.0) -> float:
    """Asymptotic secret bits a sifted coincidence, 1 - f h(Q_K) - h(Q_T); negative means none."""
    return 1 - f_ec * binary_entropy(key_error) - binary_entropy(test_error)


def bbm92_threshold(f_ec: float = 1.0) -> float:
    """Error rate at which `bbm92_rate` vanishes; 11.00 % for perfect reconciliation."""
    from scipy.optimize import brentq

    return float(brentq(lambda q: bbm92_rate(q, q, f_ec), 1e-9, 0.5, xtol=1e-12))


def device_independent_rate(chsh: float, qber: float) -> float:
    """Rate against collective attacks from the CHSH value (Acin et al., PRL 98, 230501, 2007).

    A monitor only: it claims nothing on a link with loss. No key for ``chsh`` <= 2.

    Raises
    ------
    BoundInputError
        For a CHSH value above the quantum limit 2 sqrt(2).
    """
    if not chsh <= 2 * math.sqrt(2) + 1e-12:
        raise BoundInputError("chsh", chsh, "at most 2 sqrt(2)")
    excess = math.sqrt(max(0.0, (max(chsh, 0.0) / 2) ** 2 - 1))
    return 1 - binary_entropy(qber) - binary_entropy((1 - excess) / 2)


def chsh_of_visibility(visibility: float) -> float:
    """CHSH value 2 sqrt(2) V of a Werner state."""
    return 2 * math.sqrt(2) * visibility


def device_independent_threshold() -> float:
    """Error rate at which a Werner state's device-independent rate vanishes, about 7.1 %."""
    from scipy.optimize import brentq

    return float(
        brentq(
            lambda q: device_independent_rate(chsh_of_visibility(1 - 2 * q), q),
            1e-6,
            0.14,
            xtol=1e-12,
        )
    )


@dataclass(frozen=True)
class BlockRequest:
    """A one-decoy block to plan: pulses sent, reconciliation efficiency, epsilons."""

    pulses: float
    f_ec: float
    eps_sec: float
    eps_cor: float
    tag_bits: float | None = None


@dataclass(frozen=True)
class BlockPlan:
    """Settings of Alice and Bob, and the secret bits to expect a sent pulse."""

    source: OneDecoySource
    key_basis: float
    rate: float


def block_rate(
    request: BlockRequest, source: OneDecoySource, channel: Channel, key_basis: float
) -> float:
    """Finite-key rate of `wiesemann2024` at the expected counts; negative means no key."""
    counts = expected_counts(source, channel, request.pulses, key_basis)
    total = counts.key.total
    error = counts.key.total_errors / total if total else VACUUM_ERROR
    leak = request.f_ec * total * binary_entropy(error)
    length = wiesemann2024(source, counts, leak, request.eps_sec, request.eps_cor, request.tag_bits)
    return length.bits / request.pulses


def optimise_block(
    request: BlockRequest,
    channel: Channel,
    start: tuple[float, float, float, float] = (0.5, 0.35, 0.7, 0.9),
) -> BlockPlan:
    """Find intensities, their probabilities and the basis choice with the highest rate.

    Parameters
    ----------
    request : BlockRequest
    channel : Channel
    start : tuple of float
        First guess: mu1, mu2/mu1, probability of mu1, probability of the key basis.
    """
    from scipy.optimize import minimize

    single_click = channel.gain(1.0)

    def settings(x: Sequence[float]) -> tuple[OneDecoySource, float]:
        mu1, ratio, p1, key_basis = (float(v) for v in x)
        return OneDecoySource((mu1, mu1 * ratio), (p1, 1 - p1)), key_basis

    def loss(x: Sequence[float]) -> float:
        source, key_basis = settings(x)
        rate = block_rate(request, source, channel, key_basis)
        return -rate / single_click

    best = minimize(
        loss,
        start,
        method="Nelder-Mead",
        bounds=[(0.01, 1.5), (0.02, 0.95), (0.01, 0.99), (0.05, 0.999)],
        options={"maxiter": 1000, "xatol": 1e-4, "fatol": 1e-9, "adaptive": True},
    )
    source, key_basis = settings(best.x)
    return BlockPlan(source, key_basis, max(0.0, block_rate(request, source, channel, key_basis)))


@dataclass(frozen=True)
class LossPoint:
    """Rates at one loss: the finite block's and the repeaterless bound, bits a pulse."""

    loss_db: float
    rate: float
    plob: float


def rate_against_loss(
    request: BlockRequest,
    losses_db: Sequence[float],
    vacuum_yield: float,
    misalignment: float,
    detector_efficiency: float,
) -> list[LossPoint]:
    """Best finite-key rate and the PLOB bound at each channel loss (> 0 dB)."""
    points = []
    for loss_db in losses_db:
        line = math.pow(10.0, -loss_db / 10)
        channel = Channel(line * detector_efficiency, vacuum_yield, misalignment)
        plan = optimise_block(request, channel)
        points.append(LossPoint(loss_db, plan.rate, plob_bound(line)))
    return points
