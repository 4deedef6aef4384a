"""What every instrument is, whatever its role."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

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
    """

    name: str

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
