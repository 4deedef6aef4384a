"""The roles: what a procedure may ask of a device, one small interface each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from qnlab.instruments.base import Instrument
from qnlab.instruments.flyer import TagFlyer
from qnlab.instruments.pulse_generator import PulseGenerator
from qnlab.tags import TagChunk
from qnlab.values import Limits, Reading

if TYPE_CHECKING:
    from qnlab.runs import Run

Indices = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]


# --- time taggers -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TimeTaggerCapabilities:
    """Frozen ranges of a time tagger."""

    channels: tuple[int, ...]
    resolution_ps: float
    jitter_rms_ps: float
    dead_time_ps: Limits
    delay_ps: Limits
    threshold_v: Limits
    max_rate_hz: float
    streaming: bool
    external_reference: bool


class TagStream(Protocol):
    """A running acquisition."""

    def read(self, timeout_s: float = 1.0) -> TagChunk:
        """Next chunk, waiting for it; consecutive chunks are contiguous in time.

        Raises
        ------
        Timeout
            No chunk within `timeout_s`.
        """

    def close(self) -> None:
        """Stop the acquisition. Idempotent."""

    def __enter__(self) -> TagStream: ...

    def __exit__(self, *error: object) -> None: ...


class TimeTagger(Instrument):
    """Registers the times of electrical pulses on its channels.

    Settings a channel: ``ch{n}.enabled``, ``ch{n}.threshold_v``, ``ch{n}.rising``,
    ``ch{n}.delay_ps``, ``ch{n}.dead_time_ps``.
    """

    role = "TimeTagger"
    exposure_s = 0.1

    capabilities: TimeTaggerCapabilities

    def measure(self) -> dict[str, Reading]:
        """Counts of each enabled channel within `exposure_s`."""
        counts = self.counts(self.exposure_s)
        settings = self.settings()
        return {
            f"ch{n}": replace(
                settings[f"ch{n}.enabled"], value=count, source=f"{self.name}.ch{n}", limits=None
            )
            for n, count in counts.items()
        }

    @abstractmethod
    def counts(self, duration_s: float) -> dict[int, int]:
        """Tags on each enabled channel during `duration_s`, counted from now.

        Raises
        ------
        DataLoss
            The tagger lost tags in that time.
        """

    @abstractmethod
    def open_stream(self, channels: Sequence[int] | None = None) -> TagStream:
        """Start streaming the enabled channels, or those of `channels` among them."""

    def flyer(self, run: Run, duration_s: float) -> TagFlyer:
        """This tagger as one that records into `run` by itself, for `duration_s`."""
        return TagFlyer(self, run, duration_s)


# --- detectors --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DetectorCapabilities:
    """Frozen ranges of a single-photon detector; a range of None means not adjustable."""

    technology: str
    efficiency: float
    wavelength_m: Limits
    bias_unit: str
    bias: Limits | None
    dead_time_s: Limits | None
    temperature_k: Limits | None
    max_count_rate_hz: float


class SinglePhotonDetector(Instrument):
    """One detector channel. Settings: ``enabled``, ``bias``, ``dead_time_s``, ``temperature_k``."""

    role = "SinglePhotonDetector"
    exposure_s = 0.1

    capabilities: DetectorCapabilities

    def measure(self) -> dict[str, Reading]:
        """Count rate over `exposure_s`."""
        return {"count_rate": self.count_rate(self.exposure_s)}

    @abstractmethod
    def enable(self) -> None:
        """Bias the detector so that it counts."""

    @abstractmethod
    def disable(self) -> None:
        """Take the bias away."""

    @abstractmethod
    def count_rate(self, duration_s: float) -> Reading:
        """Rate of output pulses averaged over `duration_s`, Hz."""

    @abstractmethod
    def latched(self) -> bool:
        """True if the output is stuck and only `reset` brings it back."""

    @abstractmethod
    def reset(self) -> None:
        """Clear a latched state."""


# --- polarization -----------------------------------------------------------------------------


class ActuatorKind(StrEnum):
    """How a polarization controller acts, and so the unit of its positions."""

    PADDLES = "paddles"
    SQUEEZERS = "squeezers"
    WAVEPLATES = "waveplates"
    ENDLESS = "endless"


@dataclass(frozen=True, slots=True)
class PolarizationCapabilities:
    """Frozen ranges of a polarization controller; one entry an actuator."""

    kind: ActuatorKind
    limits: tuple[Limits, ...]
    resolution: tuple[float, ...]
    settle_s: float
    needs_homing: bool

    @property
    def actuators(self) -> int:
        return len(self.limits)


class PolarizationController(Instrument):
    """Turns the state of polarization. Positions are in the unit of the actuators' limits.

    Settings: ``position.{i}`` for each actuator i.
    """

    role = "PolarizationController"

    capabilities: PolarizationCapabilities

    def measure(self) -> dict[str, Reading]:
        """Positions of the actuators, which are settings too: ``position.{i}``."""
        settings = self.settings()
        keys = [f"position.{i}" for i in range(self.capabilities.actuators)]
        return {key: settings[key] for key in keys}

    @abstractmethod
    def positions(self) -> tuple[float, ...]:
        """Where the actuators are now."""

    @abstractmethod
    def move(self, positions: Sequence[float]) -> tuple[float, ...]:
        """Go there, wait until settled, return the positions really taken."""

    @abstractmethod
    def home(self) -> None:
        """Find the reference position; does nothing where none is needed."""

    @abstractmethod
    def stop(self, success: bool = True) -> None:
        """Stop moving at once."""


# --- sources and modulators -------------------------------------------------------------------


class Emission(StrEnum):
    """State of a laser's emission."""

    OFF = "off"
    ENABLING = "enabling"
    ON = "on"
    FAULT = "fault"
    INTERLOCK = "interlock"


@dataclass(frozen=True, slots=True)
class LaserCapabilities:
    """Frozen ranges of a laser; `repetition_hz` None for a continuous one."""

    wavelength_m: Limits
    power_w: Limits
    repetition_hz: Limits | None


class LaserSource(Instrument):
    """A laser. Settings: ``power_w``, ``wavelength_m``, ``repetition_hz``."""

    role = "LaserSource"

    capabilities: LaserCapabilities

    def measure(self) -> dict[str, Reading]:
        """Power emitted."""
        return {"power": self.power()}

    @abstractmethod
    def emission(self) -> Emission:
        """State of the emission now."""

    @abstractmethod
    def enable(self) -> None:
        """Turn emission on; returns when it is on.

        Raises
        ------
        InterlockOpen
            The interlock forbids emission.
        """

    @abstractmethod
    def disable(self) -> None:
        """Turn emission off. Never refused."""

    @abstractmethod
    def power(self) -> Reading:
        """Power emitted now, W."""


@dataclass(frozen=True, slots=True)
class IntensityModulatorCapabilities:
    """Frozen ranges of an intensity modulator; `transmissions` of its levels, 1 = open."""

    levels: Limits
    extinction_db: float
    rate_hz: Limits


class IntensityModulator(Instrument):
    """Carves pulses to one of a few levels, chosen at random pulse by pulse, and keeps a record.

    Settings: ``transmission.{k}`` and ``probability.{k}`` for each level k. Level 0 is the signal.
    """

    role = "IntensityModulator"

    capabilities: IntensityModulatorCapabilities

    @abstractmethod
    def configure(
        self, transmissions: Sequence[float], probabilities: Sequence[float]
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Set levels (relative to open) and their probabilities; return what was taken."""

    @abstractmethod
    def record(self, pulses: Indices) -> Codes:
        """Level chosen for each pulse number; pulse 0 is the first after the epoch."""


@dataclass(frozen=True, slots=True)
class StateModulatorCapabilities:
    """Frozen properties of a qubit-state modulator."""

    encoding: str
    bases: int
    rate_hz: Limits


class StateModulator(Instrument):
    """Prepares one of four BB84 states pulse by pulse, at random, and keeps a record.

    Code of a state: ``2 * basis + bit``; basis 0 is the key basis (H/V), 1 the test basis (D/A).
    Setting: ``key_basis_probability``.
    """

    role = "StateModulator"

    capabilities: StateModulatorCapabilities

    @abstractmethod
    def record(self, pulses: Indices) -> Codes:
        """State code of each pulse number."""


# --- auxiliaries ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AttenuatorCapabilities:
    """Frozen ranges of a variable attenuator."""

    attenuation_db: Limits
    resolution_db: float
    wavelength_m: Limits


class Attenuator(Instrument):
    """A variable optical attenuator. Settings: ``attenuation_db``, ``shutter_closed``."""

    role = "Attenuator"

    capabilities: AttenuatorCapabilities

    def measure(self) -> dict[str, Reading]:
        """Attenuation."""
        return {"attenuation": self.attenuation()}

    @abstractmethod
    def attenuation(self) -> Reading:
        """Attenuation now, dB."""

    @abstractmethod
    def set_attenuation(self, attenuation_db: float) -> float:
        """Set it; return the value taken, dB."""


@dataclass(frozen=True, slots=True)
class PowerMeterCapabilities:
    """Frozen ranges of an optical power meter."""

    power_w: Limits
    wavelength_m: Limits


class PowerMeter(Instrument):
    """Measures mean optical power. Settings: ``wavelength_m``, ``averaging_s``."""

    role = "PowerMeter"

    capabilities: PowerMeterCapabilities

    def measure(self) -> dict[str, Reading]:
        """Power received."""
        return {"power": self.power()}

    @abstractmethod
    def power(self) -> Reading:
        """Mean power over the averaging time, W."""


def role_names() -> tuple[str, ...]:
    """Names of all roles, as a bench file uses them."""
    return tuple(sorted(item.role for item in _ROLES))


_ROLES = (
    TimeTagger,
    SinglePhotonDetector,
    PolarizationController,
    LaserSource,
    IntensityModulator,
    StateModulator,
    Attenuator,
    PowerMeter,
    PulseGenerator,
)
