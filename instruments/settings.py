"""`SettingTable`: an implementation lists its settings once; reading and applying follow."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qnlab.clock import Clock
from qnlab.errors import NotSupported, OutOfRange
from qnlab.instruments.base import Setting
from qnlab.values import Limits, Reading


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting: how to read it, how to set it, what it may be.

    Parameters
    ----------
    unit : str
    get : callable
        Reads the value from the device.
    set : callable, optional
        Sends a checked value to the device; None for a value that can only be read, or where the
        table sends several settings together.
    limits : Limits, optional
        None for booleans and words.
    """

    unit: str
    get: Callable[[], Setting]
    set: Callable[[Setting], None] | None = None
    limits: Limits | None = None


class SettingTable:
    """Settings of one instrument by name.

    Parameters
    ----------
    device : str
        Name of the instrument, for errors and sources.
    clock : Clock
        Times of readings.
    entries : mapping of str to Entry
    tighter : mapping of str to (low, high), optional
        Limits of the bench, which hold besides those of the device.
    together : callable, optional
        Sends checked settings in one go, where the device takes them as a whole; it may still
        refuse what only shows in combination, before it sends anything.
    """

    def __init__(
        self,
        device: str,
        clock: Clock,
        entries: Mapping[str, Entry],
        tighter: Mapping[str, tuple[float, float]] | None = None,
        together: Callable[[Mapping[str, Setting]], None] | None = None,
    ) -> None:
        self._device = device
        self._clock = clock
        self._entries = dict(entries)
        self._limits = {
            name: self._narrowed(name, entry.limits, tighter or {})
            for name, entry in self._entries.items()
        }
        for name in tighter or {}:
            self._known(name)
        self._together = together

    def limits(self, name: str) -> Limits | None:
        """What a setting may be: the device's range and the bench's; None if not a number."""
        return self._limits[name]

    def _narrowed(
        self, name: str, limits: Limits | None, tighter: Mapping[str, tuple[float, float]]
    ) -> Limits | None:
        if name not in tighter:
            return limits
        if limits is None:
            raise NotSupported(
                self._device, f"{name} has no limits", command=name, expected="a numeric setting"
            )
        low, high = tighter[name]
        if high < limits.low or low > limits.high:
            raise OutOfRange(
                self._device, "limits beyond those of the device", command=name,
                expected=limits, last=f"{low:g}..{high:g}",
            )  # fmt: skip
        return Limits(max(low, limits.low), min(high, limits.high), limits.unit)

    def read(self) -> dict[str, Reading]:
        """All settings as the device has them."""
        return {name: self.read_one(name) for name in self._entries}

    def read_one(self, name: str) -> Reading:
        """One setting as the device has it."""
        entry = self._entries[name]
        return Reading(
            entry.get(),
            entry.unit,
            self._clock.now(),
            f"{self._device}.{name}",
            limits=self._limits[name],
        )

    def apply(self, settings: Mapping[str, Setting]) -> dict[str, Reading]:
        """Check all, then send all; return the values taken.

        Raises
        ------
        OutOfRange
            A value outside its limits or of the wrong kind; nothing was sent.
        NotSupported
            No setting of that name; nothing was sent.
        """
        checked = {name: self.check(name, value) for name, value in settings.items()}
        if checked and self._together:
            self._together(checked)
        else:
            for name, value in checked.items():
                self._setter(name)(value)
        return {name: self.read_one(name) for name in checked}

    def check(self, name: str, value: Setting) -> Setting:
        """`value` if it may be set, else an error."""
        self._known(name)
        if not self._together:
            self._setter(name)
        limits = self._limits[name]
        kind = type(self._entries[name].get())
        if limits is None:
            if not isinstance(value, kind):
                raise OutOfRange(
                    self._device, f"{name} of the wrong kind", command=name,
                    expected=kind.__name__, last=value,
                )  # fmt: skip
            return value
        if isinstance(value, (bool, str)):
            raise OutOfRange(
                self._device, f"{name} of the wrong kind", command=name, expected=limits, last=value
            )
        return limits.check(value, device=self._device, setting=name)

    def _setter(self, name: str) -> Callable[[Setting], None]:
        setter = self._entries[name].set
        if setter is None:
            raise NotSupported(self._device, f"{name} can only be read", command=name)
        return setter

    def _known(self, name: str) -> None:
        if name not in self._entries:
            near = difflib.get_close_matches(name, self._entries, 1)
            hint = f"{near[0]}?" if near else "one of " + ", ".join(sorted(self._entries))
            raise NotSupported(self._device, f"no setting {name!r}", command=name, expected=hint)


def on_grid(value: float, step: float, limits: Limits) -> float:
    """The multiple of `step` nearest to `value` of those within `limits`."""
    low, high = math.ceil(limits.low / step - 1e-9), math.floor(limits.high / step + 1e-9)
    nearest = min(max(round(value / step), low), high) * step
    return min(max(nearest, limits.low), limits.high)
