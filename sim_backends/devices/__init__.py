"""The roles on the world's ports; driver ``sim`` of a bench file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.errors import BenchError
from qnlab.instruments.base import Instrument
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
from qnlab.sim_backends.world import World, ports

_DEVICES: dict[type, Callable[..., Instrument]] = {
    ports.LaserPort: SimulatedLaser,
    ports.IntensityPort: SimulatedIntensityModulator,
    ports.StatePort: SimulatedStateModulator,
    ports.AttenuatorPort: SimulatedAttenuator,
    ports.PowerMeterPort: SimulatedPowerMeter,
    ports.RetarderPort: SimulatedPolarizationController,
    ports.DetectorPort: SimulatedDetector,
    ports.TaggerPort: SimulatedTimeTagger,
}


def connect(spec: InstrumentSpec, context: BenchContext) -> Instrument:
    """The simulated instrument on the port ``spec.address`` of the bench's world.

    Raises
    ------
    BenchError
        No world, or no such port.
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
    return _DEVICES[type(port)](spec.name, context.clock, port, context.limits)
