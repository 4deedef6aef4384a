"""Values that leave an instrument: number, unit, limits, alarm state, time and source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from qnlab.errors import OutOfRange


class Alarm(IntEnum):
    """Alarm severity of a value, ordered by gravity."""

    NONE = 0
    MINOR = 1
    MAJOR = 2
    INVALID = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """Closed interval that a setting must stay in.

    Parameters
    ----------
    low, high : float
        Bounds, both allowed.
    unit : str
        Unit of the bounds and of every value checked (``"dB"``, ``"V"``, ``"deg"``, ``""``).
    """

    low: float
    high: float
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"limits must be ordered, got {self.low}..{self.high} {self.unit}")

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g} {self.unit}".rstrip()

    def check(self, value: float, *, device: str, setting: str) -> float:
        """Return `value` unchanged, or raise `OutOfRange` (also for NaN)."""
        if math.isnan(value) or value not in self:
            raise OutOfRange(
                device, f"{setting} out of range", command=setting, expected=self, last=value
            )
        return value


@dataclass(frozen=True, slots=True)
class Reading:
    """One value with all that is needed to trust it.

    Parameters
    ----------
    value : float, int, bool or str
        SI number, or a state word.
    unit : str
        Unit; empty for counts, ratios and words.
    time_s : float
        Time of the reading on the bench clock, seconds since the epoch.
    source : str
        Instrument and field it came from, ``"laser.power"``.
    alarm : Alarm
        Alarm state at the time of the reading.
    limits : Limits, optional
        The range that a setting may take, or that a measurement should stay in.
    """

    value: float | int | bool | str
    unit: str
    time_s: float
    source: str
    alarm: Alarm = Alarm.NONE
    limits: Limits | None = None

    def __str__(self) -> str:
        number = f"{self.value:.6g}" if isinstance(self.value, float) else str(self.value)
        return f"{number} {self.unit}".rstrip()
