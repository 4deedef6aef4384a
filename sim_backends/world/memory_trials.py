"""Clicks of memory experiments, drawn trial by trial from exact click probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qnlab.sim_backends.world.memory import HeraldedMemory


@dataclass(frozen=True, slots=True)
class StorageTrials:
    """Poissonian pulses into a memory, and a detector behind it.

    Parameters
    ----------
    mu : float
        Mean photon number at the memory's input.
    efficiency : float
        Of the memory alone.
    leak : float
        Share of the input that passes unstored.
    setup_transmission, detector_efficiency : float
        Of filters and fibres behind the memory; of the detector.
    noise : float
        Mean noise photons a read gate at the memory's output.
    dark : float
        Mean dark counts a gate.
    """

    mu: float
    efficiency: float
    leak: float
    setup_transmission: float
    detector_efficiency: float
    noise: float
    dark: float

    def means(self) -> dict[str, float]:
        """Mean detections a trial, by gate."""
        seen = self.setup_transmission * self.detector_efficiency
        noise = self.noise * seen + self.dark
        return {
            "ref": self.mu * self.detector_efficiency + self.dark,
            "leak": self.mu * self.leak * self.detector_efficiency + self.dark,
            "out": self.mu * self.efficiency * seen + noise,
            "noise": noise,
            "dark": self.dark,
        }

    def draw(self, generator: np.random.Generator, trials: int) -> dict[str, int]:
        """Trials with a click out of `trials` of each gate."""
        return {
            gate: int(generator.binomial(trials, -math.expm1(-mean)))
            for gate, mean in self.means().items()
        }


@dataclass(frozen=True, slots=True)
class HeraldedTrials:
    """Write and read pulses of a DLCZ memory, with detectors for Stokes and anti-Stokes light.

    Parameters
    ----------
    memory : HeraldedMemory
        The memory.
    storage_s : float
        Between write and read.
    stokes_efficiency, anti_stokes_efficiency : float
        From the memory's output to a click.
    """

    memory: HeraldedMemory
    storage_s: float
    stokes_efficiency: float
    anti_stokes_efficiency: float

    def probabilities(self) -> tuple[float, float, float, float]:
        """Of no click, Stokes alone, anti-Stokes alone, both; exact for thermal pairs.

        For P(n) = (1 - p) p^n a loss of all n photons has the chance
        E[(1 - a)^n] = 1 / (1 + a p / (1 - p)).
        """
        m = self.memory
        mean = m.write_probability / (1 - m.write_probability)
        seen = m.retrieval.efficiency(self.storage_s) * self.anti_stokes_efficiency
        quiet = math.exp(-m.noise * self.anti_stokes_efficiency)
        no_stokes = 1 / (1 + mean * self.stokes_efficiency)
        no_anti = quiet / (1 + mean * seen)
        neither = quiet / (1 + mean * (1 - (1 - self.stokes_efficiency) * (1 - seen)))
        return (
            neither,
            max(0.0, no_anti - neither),
            max(0.0, no_stokes - neither),
            max(0.0, 1 - no_stokes - no_anti + neither),
        )

    def draw(self, generator: np.random.Generator, trials: int) -> tuple[int, int, int]:
        """Trials with a Stokes click, with an anti-Stokes click, with both."""
        drawn = generator.multinomial(trials, self.probabilities())
        _, stokes, anti, both = (int(n) for n in drawn)
        return stokes + both, anti + both, both
