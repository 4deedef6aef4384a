"""Entanglement-based BBM92: Tomamichel et al. 2012 and Tomamichel-Leverrier 2017."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qnlab.procedures.qkd.bounds.checks import LARGEST, BoundInputError, require_budget
from qnlab.procedures.qkd.bounds.counts import verification_bits, whole_bits
from qnlab.procedures.qkd.bounds.statistics import binary_entropy

SPLITS = (0.02, *(step / 20 for step in range(1, 19)))


@dataclass(frozen=True)
class Bbm92Length:
    """The longest key from `n` sifted coincidences, and the bounds it came from.

    `sampling_gap` is added to the test's error rate to give `phase_error` (at most 1/2);
    `privacy_bits` and `verification_bits` are what the proof and the verification tag cost;
    `bits` is the balance before it is floored at 0.
    """

    secret_bits: int
    bits: float
    sampling_gap: float
    phase_error: float
    leak_ec_bits: float
    privacy_bits: float
    verification_bits: float


def tomamichel2012(
    n: int,
    k: int,
    qber: float,
    leak_ec_bits: float,
    eps_sec: float,
    eps_cor: float,
    tag_bits: float | None = None,
) -> Bbm92Length:
    """Key length of Tomamichel, Lim, Gisin, Renner, Nat. Commun. 3, 634 (2012), q = 1.

    Parameters
    ----------
    n, k : int
        Key bits, and test bits chosen at random without replacement.
    qber : float
        Tolerated error rate of the test, agreed before the block, in [0, 1].
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
    _require(n, k, qber)
    require_budget(leak_ec_bits, eps_sec, eps_cor, tag_bits)
    gap = math.sqrt((n + k) / (n * k) * (k + 1) / k * math.log(4 / eps_sec))
    privacy = -2 * math.log2(eps_sec)
    return _balance(n, qber, gap, leak_ec_bits, privacy, verification_bits(eps_cor, tag_bits))


def tomamichel2017(
    n: int,
    k: int,
    qber: float,
    leak_ec_bits: float,
    eps_sec: float,
    eps_cor: float,
    tag_bits: float | None = None,
) -> Bbm92Length:
    """Key length of Tomamichel and Leverrier, Quantum 1, 14 (2017).

    eps_sec = 2 eps_pe + eps_pa, split by the best of a fixed grid, which depends on no data but
    the agreed inputs. Takes and raises what `tomamichel2012` does; without `tag_bits` the tag is
    taken as log2(2/eps_cor) bits long.
    """
    _require(n, k, qber)
    require_budget(leak_ec_bits, eps_sec, eps_cor, tag_bits)
    verification = verification_bits(eps_cor, tag_bits)

    def length(split: float) -> Bbm92Length:
        eps_pe = split * eps_sec / 2
        eps_pa = eps_sec - 2 * eps_pe
        gap = math.sqrt((n + k) * (k + 1) * math.log(1 / eps_pe) / (n * k**2))
        privacy = 2 * math.log2(1 / (2 * eps_pa))
        return _balance(n, qber, gap, leak_ec_bits, privacy, verification)

    return max((length(split) for split in SPLITS), key=lambda result: result.bits)


def _require(n: int, k: int, qber: float) -> None:
    for field, value in (("n", n), ("k", k)):
        if not 1 <= value <= LARGEST:
            raise BoundInputError(field, value, f"a whole number from 1 to {LARGEST:g}")
    if not 0 <= qber <= 1:
        raise BoundInputError("qber", qber, "a rate between 0 and 1")


def _balance(
    n: int, qber: float, gap: float, leak_ec_bits: float, privacy: float, verification: float
) -> Bbm92Length:
    phase_error = min(0.5, qber + gap)
    bits = n * (1 - binary_entropy(phase_error)) - leak_ec_bits - privacy - verification
    return Bbm92Length(
        secret_bits=whole_bits(bits) if phase_error < 0.5 else 0,
        bits=bits,
        sampling_gap=gap,
        phase_error=phase_error,
        leak_ec_bits=leak_ec_bits,
        privacy_bits=privacy,
        verification_bits=verification,
    )
