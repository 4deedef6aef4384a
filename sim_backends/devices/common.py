"""What the simulated instruments share."""

from __future__ import annotations

from collections.abc import Mapping

from qnlab.clock import Clock
from qnlab.instruments.base import Health, Identity, Instrument, Setting
from qnlab.instruments.settings import SettingTable
from qnlab.sim_backends.world import World
from qnlab.values import Alarm, Reading


class SimulatedInstrument(Instrument):
    """Identity, settings and health of a device on a port; subclasses make the table."""

    model: str

    def __init__(self, name: str, clock: Clock, world: World) -> None:
        self.name = name
        self._clock = clock
        self._world = world
        self._table: SettingTable

    @property
    def identity(self) -> Identity:
        return Identity("qnlab", self.model, f"sim-{self.name}", "1", simulated=True)

    def settings(self) -> dict[str, Reading]:
        return self._table.read()

    def apply(self, settings: Mapping[str, Setting]) -> dict[str, Reading]:
        with self._world.changing():
            return self._table.apply(settings)

    def health(self) -> Health:
        return Health(Alarm.NONE)

    def reconnect(self) -> None:
        """The link to the world cannot break; settings stay."""

    def close(self) -> None:
        """Nothing to release."""

    def _reading(self, value: float, unit: str, field: str) -> Reading:
        return Reading(value, unit, self._clock.now(), f"{self.name}.{field}")
