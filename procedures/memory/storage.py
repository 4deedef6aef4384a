"""Efficiency and noise of a storage experiment from the clicks of its five gates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qnlab.errors import QnlabError
from qnlab.procedures.memory.classical import ClassicalLimit, classical_limit
from qnlab.procedures.statistics import Estimate, estimate

Floats = npt.NDArray[np.float64]

DRAWS = 20_000
GATES = ("ref", "leak", "out", "noise", "dark")


class GateError(QnlabError):
    """Clicks of a gate that no figure can be had from: says which gate and what would be right."""

    def __init__(self, gate: str, found: str, expected: str) -> None:
        self.gate = gate
        self.found = found
        self.expected = expected
        super().__init__(f"gate {gate}: {found}; expected {expected}")


@dataclass(frozen=True, slots=True)
class Gate:
    """Trials of one gate, and how many of them had a click."""

    clicks: int
    trials: int

    @property
    def mean(self) -> float:
        """Mean detections a trial, ``-ln(1 - clicks/trials)``: of Poissonian light."""
        return -math.log1p(-self.clicks / self.trials)

    def draw(self, generator: np.random.Generator) -> Floats:
        """Means that the clicks allow, from Jeffreys' posterior, shape (DRAWS,)."""
        blank = generator.beta(self.trials - self.clicks + 0.5, self.clicks + 0.5, DRAWS)
        return np.asarray(-np.log(blank))


@dataclass(frozen=True, slots=True)
class Storage:
    """Figures of a storage experiment.

    Parameters
    ----------
    efficiency : Estimate
        End to end, ``(OUT - NOISE) / (REF - DARK)``.
    internal_efficiency : Estimate
        Of the memory alone: end to end divided by the transmission of filters and fibres.
    leak : Estimate
        Share of the input that passes the memory unstored, ``(LEAK - DARK) / (REF - DARK)``.
    mu_in : Estimate
        Mean photon number of the input, ``(REF - DARK) / detector efficiency``.
    snr : Estimate
        Signal to noise, ``(OUT - NOISE) / NOISE``.
    sbr : Estimate
        Signal with background to background, ``OUT / NOISE = SNR + 1``.
    mu_1 : Estimate
        Input photon number at which the SNR would be 1, ``mu_in / SNR``; infinite without signal.
    classical : ClassicalLimit or None
        Fidelity to be beaten at this input and end-to-end efficiency; None without signal.
    """

    efficiency: Estimate
    internal_efficiency: Estimate
    leak: Estimate
    mu_in: Estimate
    snr: Estimate
    sbr: Estimate
    mu_1: Estimate
    classical: ClassicalLimit | None


def storage(
    *,
    ref: Gate,
    leak: Gate,
    out: Gate,
    noise: Gate,
    dark: Gate,
    detector_efficiency: float,
    setup_transmission: float = 1.0,
    seed: int = 1,
) -> Storage:
    """Work out the figures; intervals from draws of what each gate's clicks allow.

    Parameters
    ----------
    ref : Gate
        Input past the memory, or with the memory off.
    leak : Gate
        Write window with the memory on.
    out : Gate
        Read gate.
    noise : Gate
        Read gate with the input blocked.
    dark : Gate
        All blocked.
    detector_efficiency, setup_transmission : float
        Of the detector; of filters and fibres behind the memory, measured apart. Above 0, at most
        1, and taken as exact.
    seed : int
        Of the draws.

    Raises
    ------
    GateError
        No trials, clicks that are not 0 to the trials less 1, or a reference not above the dark
        gate.
    ValueError
        An efficiency or transmission out of range.
    """
    gates = dict(zip(GATES, (ref, leak, out, noise, dark), strict=True))
    for name, gate in gates.items():
        _require_usable(name, gate)
    for name, value in (("detector", detector_efficiency), ("setup", setup_transmission)):
        if not 0 < value <= 1:
            raise ValueError(f"{name}: must be above 0 and at most 1, got {value}")
    if ref.mean <= dark.mean:
        raise GateError("ref", f"{ref.mean:.3g} a trial", f"more than the {dark.mean:.3g} of dark")
    generator = np.random.default_rng(seed)
    means = {name: np.array([gate.mean]) for name, gate in gates.items()}
    draws = {name: gate.draw(generator) for name, gate in gates.items()}
    factors = (detector_efficiency, setup_transmission)
    values, spreads = _figures(means, *factors), _figures(draws, *factors)
    figures = {name: estimate(float(value[0]), spreads[name]) for name, value in values.items()}
    efficiency, mu_in = figures["efficiency"].value, figures["mu_in"].value
    stored = 0 < efficiency <= 1
    return Storage(**figures, classical=classical_limit(mu_in, efficiency) if stored else None)


def _figures(
    means: dict[str, Floats], detector_efficiency: float, setup_transmission: float
) -> dict[str, Floats]:
    noise = means["noise"]
    signal = means["out"] - noise
    sent = means["ref"] - means["dark"]
    mu_in = sent / detector_efficiency
    with np.errstate(divide="ignore", invalid="ignore"):
        efficiency = signal / sent
        snr = np.where(noise > 0, signal / noise, np.where(signal > 0, np.inf, 0.0))
        mu_1 = np.where(signal > 0, mu_in * noise / signal, np.inf)
    return {
        "efficiency": efficiency,
        "internal_efficiency": efficiency / setup_transmission,
        "leak": (means["leak"] - means["dark"]) / sent,
        "mu_in": mu_in,
        "snr": snr,
        "sbr": snr + 1,
        "mu_1": mu_1,
    }


def _require_usable(name: str, gate: Gate) -> None:
    if gate.trials < 1:
        raise GateError(name, f"{gate.trials} trials", "at least 1")
    if not 0 <= gate.clicks < gate.trials:
        found = f"{gate.clicks} clicks in {gate.trials} trials"
        raise GateError(name, found, "0 to one less than the trials (attenuate the input)")
