"""Closed forms of quantum memories: what each platform keeps of a stored photon, and for how long.

Efficiencies are those of the memory alone, without filters, fibres and detectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ControlledMemory:
    """Stored and recalled by a control field: EIT, Raman, ladder (ORCA, FLAME).

    Parameters
    ----------
    initial_efficiency : float
        At no storage time.
    lifetime_s : float
        Time to 1/e.
    decay : {"exponential", "gaussian"}
        Loss and transit are exponential; thermal motion and field gradients dephase as a Gaussian.
    """

    initial_efficiency: float
    lifetime_s: float
    decay: Literal["exponential", "gaussian"] = "exponential"

    def efficiency(self, storage_s: float) -> float:
        """After `storage_s`."""
        power = 1 if self.decay == "exponential" else 2
        return self.initial_efficiency * math.exp(-((storage_s / self.lifetime_s) ** power))


@dataclass(frozen=True, slots=True)
class CombMemory:
    """Atomic frequency comb of Gaussian teeth, Afzelius et al., Phys. Rev. A 79, 052329 (2009).

    Parameters
    ----------
    optical_depth : float
        Peak of the teeth.
    background_depth : float
        Absorption left between them.
    finesse : float
        Spacing of the teeth over their width.
    spacing_hz : float
        Of the teeth.
    direction : {"forward", "backward"}
        Of recall.
    """

    optical_depth: float
    background_depth: float
    finesse: float
    spacing_hz: float
    direction: Literal["forward", "backward"] = "forward"

    @property
    def storage_s(self) -> float:
        """When the echo comes: fixed by the comb."""
        return 1 / self.spacing_hz

    def efficiency(self) -> float:
        """Of the two-level echo; at most 4/e^2 = 54 % forward."""
        depth = self.optical_depth / self.finesse
        if self.direction == "forward":
            recalled = depth**2 * math.exp(-depth)
        else:
            recalled = (1 - math.exp(-depth)) ** 2
        return recalled * math.exp(-self.background_depth - 7 / self.finesse**2)


@dataclass(frozen=True, slots=True)
class SpinWaveMemory:
    """Comb whose excitation waits in a spin transition, and is recalled on demand.

    Parameters
    ----------
    comb : CombMemory
        The optical part.
    transfer : float
        Efficiency of one control pulse; it takes two.
    spin_width_hz : float
        FWHM of the Gaussian spin line.
    """

    comb: CombMemory
    transfer: float
    spin_width_hz: float

    def efficiency(self, spin_s: float) -> float:
        """After `spin_s` in the spin transition, on top of the comb's delay."""
        dephasing = (math.pi * self.spin_width_hz * spin_s) ** 2 / (2 * math.log(2))
        return self.comb.efficiency() * self.transfer**2 * math.exp(-dephasing)


@dataclass(frozen=True, slots=True)
class HeraldedMemory:
    """DLCZ: a write pulse leaves a Stokes photon and a stored excitation, or n of both.

    Parameters
    ----------
    write_probability : float
        p, the chance of at least one: P(n) = (1 - p) p^n.
    retrieval : ControlledMemory
        From excitation to anti-Stokes photon.
    noise : float
        Mean noise photons a read gate.
    """

    write_probability: float
    retrieval: ControlledMemory
    noise: float

    def correlation(self, storage_s: float) -> float:
        """g2 of Stokes and anti-Stokes photons; ``1 + 1/p`` without noise, 2 is classical."""
        mean = self.write_probability / (1 - self.write_probability)
        kept = self.retrieval.efficiency(storage_s)
        return 1 + (1 + mean) * kept / (mean * kept + self.noise)
