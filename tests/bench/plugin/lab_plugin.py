"""A plug-in for tests: power meters that break on demand, and a procedure that ends as asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from qnlab.bench import Bench, BenchContext, InstrumentSpec
from qnlab.errors import Aborted, Disconnected
from qnlab.instruments.base import Health, Identity, Setting
from qnlab.instruments.roles import PowerMeter, PowerMeterCapabilities
from qnlab.instruments.settings import Entry, SettingTable
from qnlab.runs import Run
from qnlab.values import Alarm, Limits, Reading

events: list[str] = []
"""What was done to the meters, in order: ``open a``, ``safe a``, ``close a``."""


class Meter(PowerMeter):
    """A meter whose address says at what it fails: ``1 open``, ``2 safe close``, ``3 alarm``."""

    capabilities = PowerMeterCapabilities(Limits(0, 1, "W"), Limits(1e-6, 2e-6, "m"))

    def __init__(self, spec: InstrumentSpec, context: BenchContext) -> None:
        self.name = spec.name
        self._clock = context.clock
        self._fails = spec.address.split()[1:]
        self._averaging_s = 0.1
        entry = Entry("s", lambda: self._averaging_s, self._set, Limits(1e-3, 10, "s"))
        self._table = SettingTable(self.name, context.clock, {"averaging_s": entry}, context.limits)
        self._do("open")

    def _set(self, value: Setting) -> None:
        self._averaging_s = float(value)

    def _do(self, what: str) -> None:
        events.append(f"{what} {self.name}")
        if what in self._fails:
            raise Disconnected(self.name, f"gone at {what}")
        if f"{what}-bug" in self._fails:
            raise ZeroDivisionError(f"a bug of {self.name} at {what}")

    @property
    def identity(self) -> Identity:
        return Identity("lab", "meter", self.name, "1", simulated=False)

    def settings(self) -> dict[str, Reading]:
        return self._table.read()

    def apply(self, settings: Mapping[str, Setting]) -> dict[str, Reading]:
        return self._table.apply(settings)

    def health(self) -> Health:
        self._do("health")
        return Health(Alarm.MAJOR, ("too hot",)) if "alarm" in self._fails else Health(Alarm.NONE)

    def safe_state(self) -> None:
        self._do("safe")

    def reconnect(self) -> None:
        self._do("reconnect")

    def close(self) -> None:
        self._do("close")

    def power(self) -> Reading:
        return Reading(1e-3, "W", self._clock.now(), f"{self.name}.power")


def connect(spec: InstrumentSpec, context: BenchContext) -> Meter:
    """A meter of the lab."""
    return Meter(spec, context)


class ProbeParameters(BaseModel):
    """Table ``[procedures.probe]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration_s: float = Field(0.0, ge=0, description="time to wait, on the clock of the bench")
    end: str = Field("success", description="success, abort, fail, clean-up or unfit")


class Probe:
    """Reads the first meter and ends as the parameters say."""

    name: ClassVar[str] = "probe"
    summary: ClassVar[str] = "read a power meter"
    Parameters: ClassVar[type[ProbeParameters]] = ProbeParameters

    def check(self, bench: Bench, parameters: ProbeParameters) -> list[str]:
        """It is unfit if it was asked to be."""
        return ["no fibre is plugged in"] if parameters.end == "unfit" else []

    def run(self, bench: Bench, run: Run, parameters: ProbeParameters) -> Mapping[str, object]:
        """Read, wait, end."""
        meter = bench.all(PowerMeter)[0]  # type: ignore[type-abstract]
        power = float(meter.power().value)
        run.record("power", power_w=power)
        run.result({"power_w": power, "meters": [{"item": meter.name, "w": power}]})
        begin = bench.clock.now()
        while (elapsed := bench.clock.now() - begin) < parameters.duration_s:
            run.checkpoint(elapsed / parameters.duration_s, "waiting")
            bench.clock.sleep(0.01)
        if parameters.end == "abort":
            raise Aborted("too_dark", "1 mW is not enough")
        if parameters.end == "fail":
            raise Disconnected(meter.name, "gone during the run", command="POW?")
        if parameters.end == "clean-up":
            run.cleanup(_fail_to_clean_up, meter.name)
        return {"done": True}


def _fail_to_clean_up(name: str) -> None:
    raise Disconnected(name, "gone at the clean-up")
