"""The roles on the world's ports; driver ``sim`` of a bench file."""

from __future__ import annotations

from typing import Any

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.errors import BenchError
from qnlab.instruments.base import Instrument
from qnlab.sim_backends.devices.pulse_generator import SimulatedPulseGenerator
from qnlab.sim_backends.devices.receivers import (
    SimulatedDetector,
    SimulatedPolarizationController,
    SimulatedTimeTagger,
)
from qnlab.sim_backends.devices.sources import (
    SimulatedAttenuator,
    SimulatedIntensityModulator,
    SimulatedLaser,
    SimulatedPowerMeter,
    SimulatedStateModulator,
)
from qnlab.sim_backends.world import World, memory_ports, ports

_DEVICES: dict[type, Any] = {
    ports.LaserPort: SimulatedLaser,
    ports.IntensityPort: SimulatedIntensityModulator,
    ports.StatePort: SimulatedStateModulator,
    ports.AttenuatorPort: SimulatedAttenuator,
    ports.PowerMeterPort: SimulatedPowerMeter,
    ports.RetarderPort: SimulatedPolarizationController,
    ports.DetectorPort: SimulatedDetector,
    ports.TaggerPort: SimulatedTimeTagger,
    memory_ports.GeneratorPort: SimulatedPulseGenerator,
    memory_ports.WaveplatePort: SimulatedPolarizationController,
}


def connect(spec: InstrumentSpec, context: BenchContext) -> Instrument:
    """The simulated instrument on the port ``spec.address`` of the bench's world.

    Raises
    ------
    BenchError
        No world, no such port, or the device there is of another role.
    """
    world: Any = context.world
    if not isinstance(world, World):
        raise BenchError(f"instruments.{spec.name}: driver sim needs a [world] table in the bench")
    port = world.ports.get(spec.address)
    if port is None:
        known = ", ".join(sorted(world.ports))
        raise BenchError(
            f"instruments.{spec.name}.address: no port {spec.address!r} in the world, "
            f"which has {known}"
        )
    device = _DEVICES[type(port)]
    if device.role != spec.role:
        raise BenchError(
            f"instruments.{spec.name}.role: at address {spec.address!r} is a device of role "
            f"{device.role}, not {spec.role}"
        )
    made: Instrument = device(spec.name, context.clock, port, context.limits)
    return made
