"""Ports of the memory's world that other worlds have not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from qnlab.instruments.pulse_generator import TimingTable
from qnlab.sim_backends.world import optics
from qnlab.sim_backends.world.ports import RetarderPort
from qnlab.sim_backends.world.world import World

OUTPUTS = ("sync", "prepare", "signal", "bypass", "write", "control")


@dataclass
class GeneratorPort:
    """Pulse generator: drives modulators and shutters of the memory, and marks on the tagger."""

    world: World
    outputs: tuple[str, ...] = OUTPUTS
    resolution_s: float = 1e-11
    enabled: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(OUTPUTS, True))
    table: TimingTable = field(default_factory=lambda: TimingTable(1e-5, ((),)))
    started_ps: int | None = None
    next_trial: int = 0

    def start(self, now_ps: int) -> None:
        """Play from the first row on."""
        self.started_ps, self.next_trial = now_ps, 0


@dataclass
class WaveplatePort(RetarderPort):
    """Wave plates one behind the other; angles of their fast axes in degrees.

    Parameters
    ----------
    retardances : tuple of float
        rad, in the order that light passes them.
    """

    retardances: tuple[float, ...] = ()

    def rotation(self) -> np.ndarray:
        """Rotation of the Poincare sphere, shape (3, 3)."""
        return optics.waveplates(self.settled, self.retardances)


def waveplate_port(world: World, retardances: tuple[float, ...]) -> WaveplatePort:
    """Plates with all axes at 0."""
    n = len(retardances)
    return WaveplatePort(
        world, "waveplates", 0.0, 360.0, "deg", (), 0.0, (0.0,) * n, [0.0] * n, retardances
    )
