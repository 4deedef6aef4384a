"""Alice's simulated instruments: laser, modulators, attenuator, power meter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from qnlab.clock import Clock
from qnlab.errors import InterlockOpen, OutOfRange
from qnlab.instruments.base import Health, Setting
from qnlab.instruments.roles import (
    Attenuator,
    AttenuatorCapabilities,
    Codes,
    Emission,
    Indices,
    IntensityModulator,
    IntensityModulatorCapabilities,
    LaserCapabilities,
    LaserSource,
    PowerMeter,
    PowerMeterCapabilities,
    StateModulator,
    StateModulatorCapabilities,
)
from qnlab.instruments.settings import Entry, SettingTable, on_grid
from qnlab.sim_backends.devices.common import SimulatedInstrument
from qnlab.sim_backends.world.ports import (
    AttenuatorPort,
    IntensityPort,
    LaserPort,
    PowerMeterPort,
    StatePort,
)
from qnlab.values import Alarm, Limits, Reading

Tighter = Mapping[str, tuple[float, float]]
C_BAND = Limits(1.52e-6, 1.57e-6, "m")


class SimulatedLaser(SimulatedInstrument, LaserSource):
    """A pulsed laser on the world's laser port."""

    model = "simulated laser"
    repetition_hz = Limits(1e6, 1e9, "Hz")

    def __init__(self, name: str, clock: Clock, port: LaserPort, tighter: Tighter) -> None:
        super().__init__(name, clock, port.world)
        self._port = port
        c = self.capabilities = LaserCapabilities(
            Limits(*port.tuning_m, "m"), Limits(0.0, 1e-2, "W"), self.repetition_hz
        )
        entries = {
            key: Entry(
                limits.unit, partial(getattr, port, key), partial(setattr, port, key), limits
            )
            for key, limits in (
                ("power_w", c.power_w),
                ("wavelength_m", c.wavelength_m),
                ("repetition_hz", self.repetition_hz),
            )
        }
        self._table = SettingTable(name, clock, entries, tighter)

    def health(self) -> Health:
        if self._port.interlock_open:
            return Health(Alarm.MAJOR, ("the interlock is open",))
        return Health(Alarm.NONE)

    def emission(self) -> Emission:
        if self._port.interlock_open:
            return Emission.INTERLOCK
        return Emission.ON if self._port.emitting else Emission.OFF

    def enable(self) -> None:
        if self._port.interlock_open:
            raise InterlockOpen(self.name, "the interlock is open", command="enable")
        with self._world.changing():
            self._port.emitting = True

    def disable(self) -> None:
        with self._world.changing():
            self._port.emitting = False

    def power(self) -> Reading:
        return self._reading(self._port.emitted_w, "W", "power")

    def safe_state(self) -> None:
        self.disable()


class SimulatedIntensityModulator(SimulatedInstrument, IntensityModulator):
    """An intensity modulator with its random pattern, on the world's port."""

    model = "simulated intensity modulator"
    most_levels = 4

    def __init__(self, name: str, clock: Clock, port: IntensityPort, tighter: Tighter) -> None:
        super().__init__(name, clock, port.world)
        self._port = port
        self._tighter = tighter
        self._ranges = SettingTable(name, clock, self._entries(self.most_levels), tighter)
        self.capabilities = IntensityModulatorCapabilities(
            Limits(1, self.most_levels), port.extinction_db, Limits(1e6, 1e9, "Hz")
        )
        self._list_settings()

    def _entries(self, levels: int) -> dict[str, Entry]:
        return {
            f"{field}.{k}": Entry("", partial(self._get, field, k), limits=Limits(0.0, 1.0))
            for k in range(levels)
            for field in ("transmission", "probability")
        }

    def _list_settings(self) -> None:
        entries = self._entries(len(self._port.transmissions))
        tighter = {name: bounds for name, bounds in self._tighter.items() if name in entries}
        self._table = SettingTable(self.name, self._clock, entries, tighter, self._send)

    def _get(self, field: str, k: int) -> float:
        taken = {
            "transmission": self._port.real_transmissions(),
            "probability": self._port.probabilities,
        }
        return taken[field][k]

    def _send(self, checked: Mapping[str, Setting]) -> None:
        after = {
            "transmission": list(self._port.transmissions),
            "probability": list(self._port.probabilities),
        }
        for name, value in checked.items():
            field, k = name.split(".")
            after[field][int(k)] = float(value)
        self._check_probabilities(after["probability"])
        self._port.configure(tuple(after["transmission"]), tuple(after["probability"]))

    def _check_probabilities(self, probabilities: Sequence[float]) -> None:
        if not math.isclose(sum(probabilities), 1.0, abs_tol=1e-9):
            raise OutOfRange(
                self.name, "probabilities do not sum to 1", command="probability", expected=1.0,
                last=sum(probabilities),
            )  # fmt: skip

    def configure(
        self, transmissions: Sequence[float], probabilities: Sequence[float]
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        levels = self.capabilities.levels
        levels.check(len(transmissions), device=self.name, setting="levels")
        if len(transmissions) != len(probabilities):
            raise OutOfRange(
                self.name, "as many probabilities as transmissions are needed", command="configure",
                expected=len(transmissions), last=len(probabilities),
            )  # fmt: skip
        for field, values in (("transmission", transmissions), ("probability", probabilities)):
            for k, value in enumerate(values):
                limits = self._ranges.limits(f"{field}.{k}") or Limits(0.0, 1.0)
                limits.check(value, device=self.name, setting=f"{field}.{k}")
        self._check_probabilities(probabilities)
        self._port.configure(tuple(transmissions), tuple(probabilities))
        self._list_settings()
        return self._port.real_transmissions(), self._port.probabilities

    def record(self, pulses: Indices) -> Codes:
        return self._port.record(pulses)

    def safe_state(self) -> None:
        """A modulator emits nothing of its own."""


class SimulatedStateModulator(SimulatedInstrument, StateModulator):
    """A polarization modulator with its random pattern, on the world's port."""

    model = "simulated state modulator"
    capabilities = StateModulatorCapabilities("polarization", 2, Limits(1e6, 1e9, "Hz"))

    def __init__(self, name: str, clock: Clock, port: StatePort, tighter: Tighter) -> None:
        super().__init__(name, clock, port.world)
        self._port = port
        entry = Entry(
            "",
            lambda: port.key_basis_probability,
            lambda value: port.configure(float(value)),
            Limits(0.0, 1.0),
        )
        self._table = SettingTable(name, clock, {"key_basis_probability": entry}, tighter)

    def record(self, pulses: Indices) -> Codes:
        return self._port.record(pulses)

    def safe_state(self) -> None:
        """A modulator emits nothing of its own."""


class SimulatedAttenuator(SimulatedInstrument, Attenuator):
    """A variable attenuator with a shutter, on the world's port."""

    model = "simulated attenuator"
    capabilities = AttenuatorCapabilities(Limits(0.0, 110.0, "dB"), 0.001, C_BAND)

    def __init__(self, name: str, clock: Clock, port: AttenuatorPort, tighter: Tighter) -> None:
        super().__init__(name, clock, port.world)
        self._port = port
        entries = {
            "attenuation_db": Entry(
                "dB", lambda: port.attenuation_db, self._send, self.capabilities.attenuation_db
            ),
            "shutter_closed": Entry(
                "", lambda: port.shutter_closed, partial(setattr, port, "shutter_closed")
            ),
        }
        self._table = SettingTable(name, clock, entries, tighter)

    def _send(self, value: Setting) -> None:
        limits = self._table.limits("attenuation_db") or self.capabilities.attenuation_db
        self._port.attenuation_db = on_grid(float(value), self.capabilities.resolution_db, limits)

    def attenuation(self) -> Reading:
        return self._table.read_one("attenuation_db")

    def set_attenuation(self, attenuation_db: float) -> float:
        return float(self.apply({"attenuation_db": attenuation_db})["attenuation_db"].value)

    def safe_state(self) -> None:
        with self._world.changing():
            self._port.shutter_closed = True


class SimulatedPowerMeter(SimulatedInstrument, PowerMeter):
    """A power meter on a tap in front of the attenuator."""

    model = "simulated power meter"
    capabilities = PowerMeterCapabilities(Limits(1e-10, 0.02, "W"), C_BAND)

    def __init__(self, name: str, clock: Clock, port: PowerMeterPort, tighter: Tighter) -> None:
        super().__init__(name, clock, port.world)
        self._port = port
        self._values = {"wavelength_m": 1.55e-6, "averaging_s": 0.01}
        limits = {"wavelength_m": C_BAND, "averaging_s": Limits(1e-3, 10.0, "s")}
        entries = {
            key: Entry(
                limit.unit,
                partial(self._values.__getitem__, key),
                partial(self._values.__setitem__, key),
                limit,
            )
            for key, limit in limits.items()
        }
        self._table = SettingTable(name, clock, entries, tighter)

    def power(self) -> Reading:
        self._clock.sleep(self._values["averaging_s"])
        self._world.sync()
        return self._reading(self._port.power_w(), "W", "power")

    def safe_state(self) -> None:
        """A meter is always safe."""
