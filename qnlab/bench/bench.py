"""An open bench: instruments by name and role, one clock, one way to make everything safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from qnlab.bench.file import BenchFile
from qnlab.clock import Clock, VirtualClock, WallClock
from qnlab.errors import BenchError, QnlabError
from qnlab.home import home_folder
from qnlab.plugins import load
from qnlab.values import Reading

if TYPE_CHECKING:
    from qnlab.runs import Run

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InstrumentSpec:
    """What the bench file says of one instrument."""

    name: str
    site: str
    role: str
    driver: str
    address: str
    settings: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    channels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BenchContext:
    """What a driver gets besides: clock, seed, the simulated world, tighter limits."""

    clock: Clock
    seed: int
    world: object | None
    limits: Mapping[str, tuple[float, float]]


class Bench:
    """Opened by `open_bench`; leaving it brings every instrument to its safe state."""

    def __init__(
        self, file: BenchFile, seed: int, clock: Clock, home: Path, instruments: dict[str, Any]
    ) -> None:
        self.file = file
        self.name = file.bench.name
        self.seed = seed
        self.simulated = file.simulated
        self.clock = clock
        self.home = home
        self.instruments: Mapping[str, Any] = instruments

    def all(self, role: type[T], *, site: str | None = None) -> list[T]:
        """Instruments of a role, in the order of the bench file."""
        return [
            item
            for name, item in self.instruments.items()
            if isinstance(item, role) and (site is None or self.file.instruments[name].site == site)
        ]

    def get(self, role: type[T], *, site: str | None = None, name: str | None = None) -> T:
        """The one instrument of a role.

        Raises
        ------
        BenchError
            None, or more than one.
        """
        where = f" at site {site!r}" if site else ""
        found = self.all(role, site=site)
        if name is not None:
            where += f" named {name!r}"
            found = [item for item in found if self.instruments.get(name) is item]
        if len(found) != 1:
            have = ", ".join(item.name for item in found) or "none"  # type: ignore[attr-defined]
            raise BenchError(
                f"{self.name}: exactly one {role.__name__}{where} is needed, found {have}"
            )
        return found[0]

    def channel_map(self, tagger: str) -> dict[str, int]:
        """Logical name to channel, as the bench file wires the tagger."""
        return dict(self.file.instruments[tagger].channels)

    def settings(self) -> dict[str, Reading]:
        """Settings of all instruments, by ``instrument.setting``."""
        return {
            f"{name}.{key}": reading
            for name, item in self.instruments.items()
            for key, reading in item.settings().items()
        }

    def run(self, procedure: str, **parameters: object) -> AbstractContextManager[Run]:
        """Open a run of `procedure` on this bench; the run folder is there before the block."""
        from qnlab.runs import start_run

        return start_run(
            self.home,
            procedure=procedure,
            parameters=parameters,
            bench=self.name,
            seed=self.seed,
            simulated=self.simulated,
            clock=self.clock,
            settings=self.settings(),
        )

    def safe_state(self) -> None:
        """Make every instrument safe; all are tried, also when one fails.

        Raises
        ------
        ExceptionGroup
            What failed, after all were tried.
        """
        _try_all([item.safe_state for item in self.instruments.values()], "safe state")

    def close(self) -> None:
        """Release every instrument, last opened first."""
        _try_all([item.close for item in reversed(list(self.instruments.values()))], "close")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:
            stack.callback(self.close)
            stack.callback(self.safe_state)


def _try_all(actions: list[Callable[[], None]], what: str) -> None:
    errors: list[Exception] = []
    for action in actions:
        try:
            action()
        except (QnlabError, OSError) as error:
            errors.append(error)
    if errors:
        raise ExceptionGroup(f"{what}: {len(errors)} instruments failed", errors)


def open_bench(file: BenchFile, *, seed: int | None = None, home: Path | None = None) -> Bench:
    """Connect and set up every instrument of a bench file.

    Parameters
    ----------
    file : BenchFile
    seed : int, optional
        Root of all simulated randomness; else ``world.seed`` of the file, else 0.
    home : Path, optional
        Where runs and keys are kept; else `qnlab.home.home_folder`.

    Raises
    ------
    BenchError, InstrumentError
        An instrument cannot be had; what was opened is closed again.
    """
    clock: Clock = VirtualClock() if file.bench.clock == "virtual" else WallClock()
    table = dict(file.world or {})
    chosen = int(table.pop("seed", 0))
    chosen = chosen if seed is None else seed
    where = Path(file.source).name
    world = (
        load("worlds", "sim")(table, clock=clock, seed=chosen, where=where) if file.world else None
    )
    instruments: dict[str, Any] = {}
    with ExitStack() as undo:
        for name, item in file.instruments.items():
            limits = {
                key.split(".", 1)[1]: bounds
                for key, bounds in file.limits.items()
                if key.split(".", 1)[0] == name
            }
            spec = InstrumentSpec(name, **item.model_dump())
            instrument = load("drivers", item.driver)(
                spec, BenchContext(clock, chosen, world, limits)
            )
            undo.callback(instrument.close)
            if instrument.role != item.role:
                raise BenchError(
                    f"{where}: instruments.{name}.role: {item.address!r} is a {instrument.role}, "
                    f"not a {item.role}"
                )
            instrument.apply(item.settings)
            instruments[name] = instrument
        undo.pop_all()
    return Bench(file, chosen, clock, home_folder() if home is None else home, instruments)
