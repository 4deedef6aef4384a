"""The simulated world: physics behind ports. Ground truth (`truth`) is for tests alone."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from qnlab.bench.problems import bench_error, validation_problems
from qnlab.clock import Clock
from qnlab.sim_backends.world.config import WorldConfig
from qnlab.sim_backends.world.world import World

__all__ = ["World", "WorldConfig", "create"]


def create(table: Mapping[str, object], *, clock: Clock, seed: int, where: str) -> World:
    """A world of the settings in a bench's ``[world]`` table.

    Raises
    ------
    BenchError
        One line a problem, with file and key.
    """
    try:
        config = WorldConfig.model_validate(dict(table))
    except ValidationError as error:
        raise bench_error(where, validation_problems(error, WorldConfig, "world")) from None
    return World(config, clock, seed)
