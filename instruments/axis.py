"""`Axis`: one numeric setting of an instrument, to be scanned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qnlab.errors import NotSupported
from qnlab.instruments.documents import Document, data_key, data_keys, events
from qnlab.instruments.status import Status
from qnlab.values import Reading

if TYPE_CHECKING:
    from qnlab.instruments.base import Instrument, Setting


class Axis:
    """A setting shaped like a motor of bluesky.

    Parameters
    ----------
    parent : Instrument
    setting : str
        One of its settings with limits.

    Raises
    ------
    NotSupported
        It has no such setting, or none with limits.
    """

    def __init__(self, parent: Instrument, setting: str) -> None:
        have = parent.settings()
        numeric = [name for name, reading in have.items() if reading.limits is not None]
        if setting not in numeric:
            raise NotSupported(
                parent.name, f"{setting!r} is no numeric setting", command=setting,
                expected="one of " + ", ".join(numeric),
            )  # fmt: skip
        self.parent = parent
        self.setting = setting
        self.name = data_key(parent.name, setting)

    @property
    def position(self) -> float:
        """The value now."""
        return float(self._reading().value)

    def set(self, value: Setting) -> Status:
        """Go to `value`; done when the instrument has taken it."""
        return Status.of(lambda: self.parent.apply({self.setting: value}))

    def read(self) -> Document:
        return events(self.parent.name, {self.setting: self._reading()})

    def describe(self) -> Document:
        return data_keys(self.parent.name, {self.setting: self._reading()})

    def read_configuration(self) -> Document:
        """Nothing: its configuration is that of the instrument."""
        return {}

    def describe_configuration(self) -> Document:
        """Nothing: its configuration is that of the instrument."""
        return {}

    def stop(self, success: bool = True) -> None:
        """Stop what the instrument moves."""
        self.parent.stop(success=success)

    def _reading(self) -> Reading:
        return self.parent.settings()[self.setting]
