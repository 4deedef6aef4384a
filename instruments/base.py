"""What every instrument is, whatever its role."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from qnlab.instruments.axis import Axis
from qnlab.instruments.documents import Document, data_keys, events
from qnlab.instruments.status import Status
from qnlab.values import Alarm, Reading

Setting = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the instrument says it is."""

    vendor: str
    model: str
    serial: str
    firmware: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class Health:
    """Is it fit to measure? `alarm` is the gravest of what `problems` lists."""

    alarm: Alarm
    problems: tuple[str, ...] = ()


class Instrument(ABC):
    """A named device of the bench; a context manager that is in its safe state when left.

    Settings have names with their unit (``"power_dbm"``); `apply` refuses an unknown name or an
    out-of-range value before anything is sent and returns what the device really took.

    The methods from `trigger` on have the shapes of ``bluesky.protocols``: bluesky's RunEngine
    drives every instrument as it is.
    """

    name: str
    parent: None = None
    _triggered: dict[str, Reading] | None = None
    _described: dict[str, Reading] | None = None

    @property
    @abstractmethod
    def identity(self) -> Identity: ...

    @abstractmethod
    def settings(self) -> dict[str, Reading]:
        """All settings as the device has them now, by name."""

    @abstractmethod
    def apply(self, settings: Mapping[str, Setting]) -> dict[str, Reading]:
        """Change settings; return the values taken. All are checked before the first is sent.

        Raises
        ------
        OutOfRange
            A value outside its limits; nothing was changed.
        NotSupported
            No setting of that name; nothing was changed.
        """

    @abstractmethod
    def health(self) -> Health: ...

    @abstractmethod
    def safe_state(self) -> None:
        """Bring the device to where it can do no harm: idempotent, under 1 s, from any state."""

    @abstractmethod
    def reconnect(self) -> None:
        """Drop the link and make it anew; settings that the device lost are applied again."""

    @abstractmethod
    def close(self) -> None:
        """Release the link. Idempotent; does not change the device's state."""

    def measure(self) -> dict[str, Reading]:
        """What the instrument is there to tell, measured now; nothing for one that only acts."""
        return {}

    def axis(self, setting: str) -> Axis:
        """One numeric setting, to be scanned."""
        return Axis(self, setting)

    def trigger(self) -> Status:
        """Start a measurement that the next `read` returns."""
        return Status.of(self._take)

    def _take(self) -> None:
        self._triggered = self._described = self.measure()

    def read(self) -> Document:
        """The measurement triggered last, or a new one; values, times and alarms by data key."""
        taken = self.measure() if self._triggered is None else self._triggered
        self._triggered = None
        self._described = taken
        return events(self.name, taken)

    def describe(self) -> Document:
        """Units, types and sources of what `read` returns."""
        if self._described is None:
            self._take()
        return data_keys(self.name, self._described or {})

    def read_configuration(self) -> Document:
        """All settings."""
        return events(self.name, self.settings())

    def describe_configuration(self) -> Document:
        """Units, types, sources and limits of all settings."""
        return data_keys(self.name, self.settings())

    def set(self, value: Mapping[str, Setting]) -> Status:
        """Apply settings; done when the device has taken them."""
        return Status.of(lambda: self.apply(value))

    def stop(self, success: bool = True) -> None:  # noqa: B027 - most instruments do not move
        """Stop moving at once; nothing to do for what does not move."""

    def stage(self) -> list[Instrument]:
        """Forget what was measured before."""
        self._triggered = None
        return [self]

    def unstage(self) -> list[Instrument]:
        """Forget what was measured and not read."""
        self._triggered = None
        return [self]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.safe_state()
        finally:
            self.close()
