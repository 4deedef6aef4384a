"""Ports: all that a simulated instrument can see and touch of the world.

A port is plain state. Whoever changes it does so inside ``world.changing()``, which first lets
the physics catch up to the clock with the settings as they were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from qnlab.sim_backends.world import kernels, optics
from qnlab.tags import TagChunk

if TYPE_CHECKING:
    from qnlab.sim_backends.world.config import LinkConfig
    from qnlab.sim_backends.world.decoy_link import DecoyLink
    from qnlab.sim_backends.world.world import World

PHOTON_ENERGY_M = 1.98644586e-25

Pulses = npt.NDArray[np.int64]
Part = slice | npt.NDArray[np.bool_]
E = TypeVar("E")


@dataclass
class LaserPort:
    """Pulsed laser at Alice's; `power_w` is its mean power when emitting."""

    world: World
    emitting: bool = False
    interlock_open: bool = False
    power_w: float = 1e-3
    wavelength_m: float = 1550.12e-9
    repetition_hz: float = 80e6
    tuning_m: tuple[float, float] = (1.52e-6, 1.57e-6)

    @property
    def emitted_w(self) -> float:
        """Mean power leaving the laser now, W."""
        return self.power_w if self.emitting and not self.interlock_open else 0.0

    @property
    def photons_per_pulse(self) -> float:
        """Mean photon number of a pulse at the laser."""
        return self.emitted_w / (self.repetition_hz * PHOTON_ENERGY_M / self.wavelength_m)


@dataclass
class IntensityPort:
    """Intensity modulator; `epochs` keeps which settings held from which pulse on."""

    world: DecoyLink
    key: np.uint64
    extinction_db: float
    transmissions: tuple[float, ...] = (1.0,)
    epochs: list[tuple[int, tuple[float, ...]]] = field(default_factory=lambda: [(0, (1.0,))])

    @property
    def probabilities(self) -> tuple[float, ...]:
        return self.epochs[-1][1]

    def configure(self, transmissions: tuple[float, ...], probabilities: tuple[float, ...]) -> None:
        """From the next pulse on."""
        with self.world.changing():
            self.transmissions = transmissions
            self.epochs.append((self.world.next_pulse, probabilities))

    def real_transmissions(self) -> tuple[float, ...]:
        """What the modulator lets through: no level lies below its extinction."""
        floor = 10 ** (-self.extinction_db / 10)
        return tuple(max(t, floor) for t in self.transmissions)

    def mean_transmission(self) -> float:
        """Averaged over the levels, as a power meter behind sees it."""
        pairs = zip(self.real_transmissions(), self.probabilities, strict=True)
        return sum(t * p for t, p in pairs)

    def record(self, pulses: np.ndarray) -> np.ndarray:
        """Level of each pulse number, shape (n,)."""
        out = np.empty(len(pulses), dtype=np.uint8)
        for part, probabilities in _epochs(pulses, self.epochs):
            found = np.empty(len(pulses[part]), dtype=np.uint8)
            kernels.levels(pulses[part], self.key, np.cumsum(probabilities), found)
            out[part] = found
        return out


@dataclass
class StatePort:
    """Polarization-state modulator; epochs as for the intensity."""

    world: DecoyLink
    key: np.uint64
    epochs: list[tuple[int, float]] = field(default_factory=lambda: [(0, 0.9)])

    @property
    def key_basis_probability(self) -> float:
        return self.epochs[-1][1]

    def configure(self, key_basis_probability: float) -> None:
        """From the next pulse on."""
        with self.world.changing():
            self.epochs.append((self.world.next_pulse, key_basis_probability))

    def record(self, pulses: np.ndarray) -> np.ndarray:
        """State code of each pulse number, shape (n,)."""
        out = np.empty(len(pulses), dtype=np.uint8)
        for part, key_basis in _epochs(pulses, self.epochs):
            found = np.empty(len(pulses[part]), dtype=np.uint8)
            kernels.states(pulses[part], self.key, key_basis, found)
            out[part] = found
        return out


def _epochs(pulses: Pulses, epochs: Sequence[tuple[int, E]]) -> Iterator[tuple[Part, E]]:
    """Which of `pulses`, in any order, lie in which epoch, and what was set in it.

    Parameters
    ----------
    epochs : sequence of (int, E)
        First pulse of each and its setting; pulses before the first one belong to it.
    """
    if not len(pulses):
        return
    lowest, highest = int(pulses.min()), int(pulses.max())
    starts = [first for first, _ in epochs[1:]]
    begin, end = bisect_right(starts, lowest), bisect_right(starts, highest)
    if begin == end:
        yield slice(None), epochs[begin][1]
        return
    number = np.searchsorted(starts, pulses, side="right")
    for k in range(begin, end + 1):
        yield number == k, epochs[k][1]


@dataclass
class AttenuatorPort:
    """Variable attenuator behind the modulators."""

    world: World
    attenuation_db: float = 100.0
    shutter_closed: bool = True

    @property
    def transmission(self) -> float:
        return 0.0 if self.shutter_closed else 10 ** (-self.attenuation_db / 10)


@dataclass
class PowerMeterPort:
    """Tap between the modulators and the attenuator."""

    world: DecoyLink

    def power_w(self) -> float:
        """Mean power at the attenuator's input now, W."""
        return self.world.laser.emitted_w * self.world.intensity.mean_transmission()


@dataclass
class RetarderPort:
    """Polarization controller in front of the receiver."""

    world: World
    kind: Literal["squeezers", "paddles", "waveplates"]
    low: float
    high: float
    unit: str
    half_wave: tuple[float, ...]
    hysteresis: float
    commands: tuple[float, ...]
    settled: list[float] = field(default_factory=list)

    def drive(self, commands: tuple[float, ...]) -> None:
        """Command the actuators; where they end up lags by the hysteresis."""
        with self.world.changing():
            self.commands = commands
            pairs = zip(self.settled, commands, strict=True)
            self.settled = [optics.play(at, to, self.hysteresis) for at, to in pairs]

    def rotation(self) -> np.ndarray:
        """Rotation of the Poincare sphere, shape (3, 3)."""
        if self.kind == "squeezers":
            return optics.squeezers(self.settled, self.half_wave)
        return optics.paddles(self.settled)


@dataclass
class TagQueue:
    """What one subscriber has not read yet."""

    channels: frozenset[int]
    chunks: deque[TagChunk] = field(default_factory=deque)
    seq: int = 0


@dataclass
class TaggerPort:
    """Bob's time tagger, channels 1 to 4 wired to the detectors."""

    world: World
    resolution_ps: float
    jitter_rms_ps: float
    max_rate_hz: float
    pulse_height_v: float = 0.6
    pulse_width_ps: float = 20_000.0
    enabled: list[bool] = field(default_factory=lambda: [True] * 4)
    threshold_v: list[float] = field(default_factory=lambda: [0.2] * 4)
    rising: list[bool] = field(default_factory=lambda: [True] * 4)
    delay_ps: list[float] = field(default_factory=lambda: [0.0] * 4)
    dead_time_ps: list[float] = field(default_factory=lambda: [0.0] * 4)
    queues: list[TagQueue] = field(default_factory=list)

    def sees(self, index: int) -> bool:
        """True if pulses of detector `index` cross the threshold of an enabled channel."""
        return self.enabled[index] and 0 < self.threshold_v[index] < self.pulse_height_v

    def lag_ps(self) -> list[float]:
        """From the arrival of a pulse to its tag, a channel: the chosen edge and the delay."""
        edges = [0.0 if rising else self.pulse_width_ps for rising in self.rising]
        return [edge + delay for edge, delay in zip(edges, self.delay_ps, strict=True)]

    def subscribe(self, channels: frozenset[int]) -> TagQueue:
        """Get every chunk from now on."""
        with self.world.changing():
            queue = TagQueue(channels)
            self.queues.append(queue)
            return queue

    def unsubscribe(self, queue: TagQueue) -> None:
        with self.world.changing():
            if queue in self.queues:
                self.queues.remove(queue)


@dataclass
class DetectorPort:
    """One detector; its pulses go to `tagger`."""

    world: World
    tagger: TaggerPort
    index: int
    efficiency: float
    dark_rate_hz: float
    dead_time_s: float
    recovery_s: float
    afterpulse_probability: float
    afterpulse_tau_s: float
    jitter_fwhm_s: float
    enabled: bool = False
    latched: bool = False
    avalanches: int = 0

    @property
    def live(self) -> bool:
        return self.enabled and not self.latched


def retarder_port(world: World, config: LinkConfig) -> RetarderPort:
    """The polarization controller that a world's settings describe, in the middle of its range."""
    if config.controller == "squeezers":
        rest: tuple[float, ...] = (70.0,) * 4
        kind: Literal["squeezers", "paddles"] = "squeezers"
        high, unit, half_wave = 140.0, "V", tuple(config.squeezer_half_wave_v)
    else:
        rest, kind, high, unit, half_wave = (80.0,) * 3, "paddles", 160.0, "deg", ()
    return RetarderPort(
        world, kind, 0.0, high, unit, half_wave, config.actuator_hysteresis, rest, list(rest)
    )


def tagger_port(world: World, config: LinkConfig) -> TaggerPort:
    """The time tagger that a world's settings describe."""
    return TaggerPort(
        world, config.tagger_resolution_ps, config.tagger_jitter_rms_ps, config.tagger_max_rate_hz
    )


def detector_port(world: World, config: LinkConfig, tagger: TaggerPort, index: int) -> DetectorPort:
    """The detector that a world's settings describe."""
    return DetectorPort(
        world=world,
        tagger=tagger,
        index=index,
        efficiency=config.detector_efficiency,
        dark_rate_hz=config.dark_rate_hz,
        dead_time_s=config.detector_dead_time_ns * 1e-9,
        recovery_s=config.detector_recovery_ns * 1e-9,
        afterpulse_probability=config.afterpulse_probability,
        afterpulse_tau_s=config.afterpulse_tau_us * 1e-6,
        jitter_fwhm_s=config.detector_jitter_fwhm_ps * 1e-12,
    )
