"""What the real instruments share: a link, a table of settings, and what a lost link means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.drivers.transports import ByteStream, Channel, Link
from qnlab.errors import ProtocolError, Timeout
from qnlab.instruments.base import Health, Identity, Instrument, Setting
from qnlab.instruments.settings import Entry, SettingTable
from qnlab.values import Alarm, Reading

POLL_S = 0.02


class DrivenInstrument(Instrument):
    """An instrument behind a link; subclasses greet the device and list its settings.

    Settings named in `never_restored` are not applied again after a reconnection: they would bring
    a device back that has become safe.
    """

    never_restored: frozenset[str] = frozenset()
    _together: Callable[[Mapping[str, Setting]], None] | None = None

    def __init__(self, spec: InstrumentSpec, context: BenchContext, stream: ByteStream) -> None:
        self.name = spec.name
        self._clock = context.clock
        self._simulated = context.world is not None
        self._place = spec.address
        self._tighter = context.limits
        self._table: SettingTable
        self._taken: dict[str, Setting] = {}
        self.link = Link(self.name, stream, greet=self._greet)

    def _greet(self, channel: Channel) -> None:
        """First words on every connection: nothing older may be taken for an answer after it."""
        raise NotImplementedError

    def _entries(self) -> Mapping[str, Entry]:
        """All settings; the device may be asked for its ranges."""
        raise NotImplementedError

    def open(self) -> Self:
        """Connect for the first time."""
        try:
            self.link.reconnect()
            self._table = SettingTable(
                self.name, self._clock, self._entries(), self._tighter, self._together
            )
        except BaseException:
            self.link.close()
            raise
        return self

    def settings(self) -> dict[str, Reading]:
        return self._table.read()

    def apply(self, settings: Mapping[str, Setting]) -> dict[str, Reading]:
        taken = self._table.apply(settings)
        self._remember({name: reading.value for name, reading in taken.items()})
        return taken

    def _remember(self, taken: Mapping[str, Setting]) -> None:
        kept = {name: value for name, value in taken.items() if name not in self.never_restored}
        self._taken.update(kept)

    def health(self) -> Health:
        return Health(Alarm.NONE)

    def reconnect(self) -> None:
        self.link.reconnect()
        lost = {
            name: value
            for name, value in self._taken.items()
            if self._table.read_one(name).value != value
        }
        self._table.apply(lost)

    def close(self) -> None:
        self.link.close()

    def _reading(self, value: float, unit: str, field: str, alarm: Alarm = Alarm.NONE) -> Reading:
        return Reading(value, unit, self._clock.now(), f"{self.name}.{field}", alarm)

    def _wait(self, done: Callable[[], bool], command: str, within_s: float) -> None:
        """Ask until `done`, on the bench's clock.

        Raises
        ------
        Timeout
            Not within `within_s`.
        """
        deadline = self._clock.now() + within_s
        while not done():
            if self._clock.now() >= deadline:
                raise Timeout(self.name, f"not done within {within_s:g} s", command=command)
            self._clock.sleep(POLL_S)

    def _identity_of(self, idn: str) -> Identity:
        """Of the four fields of an answer to ``*IDN?`` (IEEE 488.2, 10.14)."""
        fields = [field.strip() for field in idn.split(",")]
        if len(fields) != 4 or not all(fields):
            raise ProtocolError(
                self.name, "no identity", command="*IDN?",
                expected="vendor, model, serial number, firmware", last=idn,
            )  # fmt: skip
        vendor, model, serial, firmware = fields
        return Identity(vendor, model, serial, firmware, self._simulated)
