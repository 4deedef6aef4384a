"""What light a trial of a memory sends to which detector, and when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qnlab.instruments.pulse_generator import Pulse
from qnlab.sim_backends.world import optics
from qnlab.sim_backends.world.memory import (
    CombMemory,
    ControlledMemory,
    HeraldedMemory,
    SpinWaveMemory,
)
from qnlab.sim_backends.world.memory_config import MemoryConfig, Platform

Floats = npt.NDArray[np.float64]

_UNPOLARISED = np.zeros(3)
_H = np.array([1.0, 0.0, 0.0])


@dataclass(frozen=True, slots=True)
class Emission:
    """Poissonian light of one trial, even from `start_s` to `stop_s` of it.

    Parameters
    ----------
    means : ndarray of float, shape (2,)
        Mean photons at the detectors behind the analyser, before their efficiency.
    """

    start_s: float
    stop_s: float
    means: Floats


@dataclass(frozen=True, slots=True)
class Pair:
    """Write and read of a heralded memory in one trial.

    Parameters
    ----------
    written, read : Pulse
        Stokes light comes with the write pulse, anti-Stokes light with the read pulse.
    retrieved : ndarray of float, shape (2,)
        Chance of an excitation to reach each of the detectors behind the analyser.
    """

    written: Pulse
    read: Pulse | None
    retrieved: Floats


@dataclass(frozen=True, slots=True)
class Plates:
    """Rotations of the sphere by the plates in front of the memory and of the detectors."""

    preparation: Floats
    analyser: Floats


def emissions(
    row: Sequence[Pulse], config: MemoryConfig, memory: Platform, photons_hz: float, plates: Plates
) -> list[Emission]:
    """Poissonian light of a trial; pairs of a heralded memory are not among it.

    Parameters
    ----------
    photons_hz : float
        In front of the memory while the signal is on.
    """
    found = []
    prepared = [p for p in row if p.output == "prepare"]
    controls = _of(row, "control")
    through = config.setup_transmission
    for signal in _of(row, "signal"):
        mu = photons_hz * (signal.stop_s - signal.start_s)
        sent = plates.preparation @ _H
        if any(_overlap(signal, bypass) for bypass in _of(row, "bypass")):
            found.append(_at(signal, mu, sent, config, plates))
        elif not any(p.start_s < signal.start_s for p in prepared):
            found.append(_at(signal, mu * through, sent, config, plates))
        else:
            found.append(_at(signal, mu * through * config.leak, sent, config, plates))
            recalled = recall(memory, signal, controls)
            if recalled is not None:
                kept = _stored(sent, recalled.start_s - signal.start_s, config)
                echo = Pulse(
                    "", recalled.start_s, recalled.start_s + signal.stop_s - signal.start_s
                )
                found.append(_at(echo, mu * through * recalled.efficiency, kept, config, plates))
    for control in controls:
        found.append(_at(control, config.control_noise * through, _UNPOLARISED, config, plates))
    return found


def fluorescence(
    row: Sequence[Pulse], period_s: float, config: MemoryConfig, plates: Plates
) -> list[Emission]:
    """Light that a prepared memory gives off until the end of the trial."""
    return [
        _at(
            Pulse("", p.stop_s, period_s),
            config.fluorescence_hz * (period_s - p.stop_s) * config.setup_transmission,
            _UNPOLARISED, config, plates,
        )
        for p in _of(row, "prepare")
    ]  # fmt: skip


def pairs(
    row: Sequence[Pulse], config: MemoryConfig, memory: HeraldedMemory, plates: Plates
) -> list[Pair]:
    """Writes of a trial, each with the first read behind it."""
    found = []
    for written in _of(row, "write"):
        read = next((c for c in _of(row, "control") if c.start_s >= written.stop_s), None)
        chance = 0.0
        if read is not None:
            kept = memory.retrieval.efficiency(read.start_s - written.stop_s)
            chance = kept * config.setup_transmission
        found.append(Pair(written, read, chance * _ports(_H, config, plates)))
    return found


@dataclass(frozen=True, slots=True)
class Recall:
    """When a stored pulse comes out, and how much of it."""

    start_s: float
    efficiency: float


def recall(memory: Platform, signal: Pulse, controls: Sequence[Pulse]) -> Recall | None:
    """What the memory gives back of `signal` with these control pulses; None if nothing.

    A controlled memory stores while a control pulse overlaps the signal and recalls with the next
    one. A comb gives its echo by itself, and a spin wave the later the longer the two transfer
    pulses lie apart. What is left after the first recall is lost.
    """
    match memory:
        case ControlledMemory():
            write = next((c for c in controls if _overlap(c, signal)), None)
            if write is None:
                return None
            read = next((c for c in controls if c.start_s >= write.stop_s), None)
            if read is None:
                return None
            return Recall(read.start_s, memory.efficiency(read.start_s - write.stop_s))
        case CombMemory():
            return Recall(signal.start_s + memory.storage_s, memory.efficiency())
        case SpinWaveMemory():
            echo = signal.start_s + memory.comb.storage_s
            transfers = [c for c in controls if c.start_s >= signal.stop_s]
            if not transfers or transfers[0].stop_s > echo:
                return Recall(echo, memory.comb.efficiency())
            if len(transfers) < 2:
                return None
            spin = transfers[1].start_s - transfers[0].start_s
            return Recall(echo + spin, memory.efficiency(spin))
        case HeraldedMemory():
            return None


def _of(row: Sequence[Pulse], output: str) -> list[Pulse]:
    return sorted((p for p in row if p.output == output), key=lambda p: p.start_s)


def _overlap(one: Pulse, other: Pulse) -> bool:
    return one.start_s < other.stop_s and other.start_s < one.stop_s


def _stored(stokes: Floats, seconds: float, config: MemoryConfig) -> Floats:
    """State after storage: shrunk, and turned about H/V by the phase between the two rails."""
    phase = 2 * math.pi * config.phase_khz * 1e3 * seconds
    turned: Floats = config.visibility * optics.rotation(_H, phase) @ stokes
    return turned


def _ports(stokes: Floats, config: MemoryConfig, plates: Plates) -> Floats:
    """Shares of both ports of the analyser, shape (2,)."""
    contrast = 1 - 2 * 10 ** (-config.analyser_extinction_db / 10)
    along = contrast * float((plates.analyser @ stokes)[0])
    return np.array([1 + along, 1 - along]) / 2


def _at(
    when: Pulse, photons: float, stokes: Floats, config: MemoryConfig, plates: Plates
) -> Emission:
    return Emission(when.start_s, when.stop_s, photons * _ports(stokes, config, plates))
