"""An open bench: instruments by name and role, one clock, one way to make everything safe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from qnlab.bench.file import BenchFile
from qnlab.clock import Clock, VirtualClock, WallClock
from qnlab.errors import BenchError, NotSupported, OutOfRange
from qnlab.home import home_folder
from qnlab.plugins import available, load
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
    """What a driver gets besides: clock, seed, the simulated world, tighter limits.

    `wires` holds the wire simulators that run, by instrument.
    """

    clock: Clock
    seed: int
    world: object | None
    limits: Mapping[str, tuple[float, float]]
    wires: dict[str, Any] = field(default_factory=dict)


class Bench:
    """Opened by `open_bench`; leaving it brings every instrument to its safe state."""

    def __init__(
        self, file: BenchFile, context: BenchContext, home: Path, instruments: dict[str, Any]
    ) -> None:
        self.file = file
        self.name = file.bench.name
        self.seed = context.seed
        self.simulated = file.simulated
        self.clock = context.clock
        self.home = home
        self.instruments: Mapping[str, Any] = instruments
        self.wires: Mapping[str, Any] = context.wires

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
        """Make every instrument safe; all are tried, also when one fails. Works in any thread.

        Raises
        ------
        ExceptionGroup
            What failed, after all were tried.
        """
        _raise_all("not safe", _try_all(item.safe_state for item in self.instruments.values()))

    def close(self) -> None:
        """Make every instrument safe and release it, last opened first; all are tried.

        Raises
        ------
        ExceptionGroup
            What failed, after all were tried.
        """
        _raise_all("not closed cleanly", _release(self.instruments, self.wires))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


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
        An instrument cannot be had as the file wants it; what was opened is made safe and closed.
    """
    context = bench_context(file, seed)
    instruments: dict[str, Any] = {}
    try:
        for name in file.instruments:
            connect(file, name, context, instruments)
    except BaseException as error:
        for problem in _release(instruments, context.wires):
            error.add_note(str(problem))
        raise
    home = home_folder() if home is None else home
    return Bench(file, context, home, instruments)


def bench_context(file: BenchFile, seed: int | None = None) -> BenchContext:
    """Clock, seed and world of a bench; every instrument is connected within them."""
    clock: Clock = VirtualClock() if file.bench.clock == "virtual" else WallClock()
    table = dict(file.world or {})
    chosen = int(table.pop("seed", 0))
    chosen = chosen if seed is None else seed
    world = None
    if file.world is not None:
        world = load("worlds", "sim")(table, clock=clock, seed=chosen, where=file.label)
    return BenchContext(clock, chosen, world, {})


def connect(file: BenchFile, name: str, context: BenchContext, opened: dict[str, Any]) -> None:
    """Connect the instrument `name` of `file` into `opened`, and set it up.

    Raises
    ------
    BenchError
        It is of another role, or cannot be set as the file says.
    InstrumentError
        It cannot be reached, or fails.
    """
    item = file.instruments[name]
    prefix = f"{name}."
    limits = {
        key.removeprefix(prefix): bounds
        for key, bounds in file.limits.items()
        if key.startswith(prefix)
    }
    spec = InstrumentSpec(name, **item.model_dump())
    if is_wired(file, name):
        spec = replace(spec, address=start_wire(file, name, context))
    with _named(file.label, f"limits.{name}"):
        instrument = load("drivers", item.driver)(spec, replace(context, limits=limits))
    opened[name] = instrument
    if instrument.role != item.role:
        raise BenchError(
            f"{file.label}: instruments.{name}.role: at address {item.address!r} is a device of "
            f"role {instrument.role}, not {item.role}"
        )
    with _named(file.label, f"instruments.{name}.settings"):
        instrument.apply(item.settings)


def is_wired(file: BenchFile, name: str) -> bool:
    """True if a real driver is to talk to a simulator of the instrument's wire."""
    item = file.instruments[name]
    return item.address.partition(":")[0] == "sim" and item.driver in available("wires")


def start_wire(file: BenchFile, name: str, context: BenchContext) -> str:
    """Start the wire simulator of the instrument `name` on the world; its address.

    Raises
    ------
    BenchError
        There is nothing in the world for it.
    """
    item = file.instruments[name]
    with _named(file.label, f"instruments.{name}"):
        wire = load("wires", item.driver)(InstrumentSpec(name, **item.model_dump()), context)
    context.wires[name] = wire
    return str(wire.address)


@contextmanager
def _named(label: str, table: str) -> Iterator[None]:
    """Name file and key of what a driver or an instrument refuses."""
    try:
        yield
    except BenchError as error:
        raise BenchError(*(f"{label}: {problem}" for problem in error.problems)) from error
    except (OutOfRange, NotSupported) as error:
        key = f"{table}.{error.command}" if error.command else table
        got = "" if error.last is None else f", got {error.last}"
        problem = f"{error.problem}; expected {error.expected}{got}"
        raise BenchError(f"{label}: {key}: {problem}") from error


def _try_all(actions: Iterable[Callable[[], None]]) -> list[Exception]:
    errors: list[Exception] = []
    for action in actions:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - one broken device must not keep others unsafe
            errors.append(error)
    return errors


def _release(instruments: Mapping[str, Any], wires: Mapping[str, Any]) -> list[Exception]:
    """Make all safe first, then close all; last opened first; then the simulated wires."""
    last_first = list(instruments.values())[::-1]
    closing = [item.close for item in (*last_first, *wires.values())]
    return _try_all([i.safe_state for i in last_first] + closing)


def _raise_all(what: str, errors: list[Exception]) -> None:
    if errors:
        raise ExceptionGroup(what, errors)
