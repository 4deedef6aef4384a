"""The simulated pulse generator, on the port of a memory's world."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from qnlab.clock import Clock
from qnlab.errors import Busy
from qnlab.instruments.pulse_generator import (
    PulseGenerator,
    PulseGeneratorCapabilities,
    TimingTable,
    on_grid_of,
)
from qnlab.instruments.settings import Entry, SettingTable
from qnlab.sim_backends.devices.common import SimulatedInstrument
from qnlab.sim_backends.world.memory_bench import MemoryBench
from qnlab.sim_backends.world.memory_ports import GeneratorPort
from qnlab.values import Limits


class SimulatedPulseGenerator(SimulatedInstrument, PulseGenerator):
    """Plays a timing table on the world's modulators and shutters."""

    model = "simulated pulse generator"
    most_trials = 256

    def __init__(
        self,
        name: str,
        clock: Clock,
        port: GeneratorPort,
        tighter: Mapping[str, tuple[float, float]],
    ) -> None:
        super().__init__(name, clock, port.world)
        self._port = port
        self.capabilities = PulseGeneratorCapabilities(
            port.outputs, port.resolution_s, Limits(1e-8, 10.0, "s"), self.most_trials
        )
        entries = {
            f"output.{output}.enabled": Entry(
                "",
                partial(port.enabled.__getitem__, output),
                partial(port.enabled.__setitem__, output),
            )
            for output in port.outputs
        }
        self._table = SettingTable(name, clock, entries, tighter)

    def load(self, table: TimingTable) -> TimingTable:
        if self.running():
            raise Busy(self.name, "the generator is running: stop it first", command="load")
        taken = on_grid_of(table, self.capabilities, self.name)
        with self._world.changing():
            self._port.table = taken
        return taken

    def table(self) -> TimingTable:
        return self._port.table

    def start(self) -> None:
        world = self._world
        assert isinstance(world, MemoryBench)
        with world.changing():
            if not self.running():
                world.start_generator()

    def stop(self, success: bool = True) -> None:
        with self._world.changing():
            self._port.started_ps = None

    def running(self) -> bool:
        return self._port.started_ps is not None

    def safe_state(self) -> None:
        self.stop()
