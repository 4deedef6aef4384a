"""The simulated world: physics behind ports. Ground truth (`truth`) is for tests alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from qnlab.bench.problems import bench_error, validation_problems
from qnlab.clock import Clock
from qnlab.sim_backends.world.config import DecoyLinkConfig, PairLinkConfig
from qnlab.sim_backends.world.decoy_link import DecoyLink
from qnlab.sim_backends.world.memory_bench import MemoryBench
from qnlab.sim_backends.world.memory_config import MemoryConfig
from qnlab.sim_backends.world.pair_link import PairLink
from qnlab.sim_backends.world.world import World

__all__ = [
    "DecoyLink",
    "DecoyLinkConfig",
    "MemoryBench",
    "MemoryConfig",
    "PairLink",
    "PairLinkConfig",
    "World",
    "create",
]

Maker = Callable[[Any, Clock, int], World]

KINDS: dict[str, tuple[type[BaseModel], Maker]] = {
    "decoy-link": (DecoyLinkConfig, DecoyLink),
    "pair-link": (PairLinkConfig, PairLink),
    "memory": (MemoryConfig, MemoryBench),
}
DEFAULT_KIND = "decoy-link"


def create(table: Mapping[str, object], *, clock: Clock, seed: int, where: str) -> World:
    """A world of the settings in a bench's ``[world]`` table; its `kind` says which.

    Raises
    ------
    BenchError
        One line a problem, with file and key.
    """
    settings = dict(table)
    kind = settings.pop("kind", DEFAULT_KIND)
    if not isinstance(kind, str) or kind not in KINDS:
        known = ", ".join(repr(name) for name in KINDS)
        raise bench_error(where, {"world.kind": f"should be one of {known}, got {kind!r}"})
    config, make = KINDS[kind]
    try:
        made = config.model_validate(settings)
    except ValidationError as error:
        raise bench_error(where, validation_problems(error, config, "world")) from None
    return make(made, clock, seed)
