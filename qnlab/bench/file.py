"""The bench file: what is on the bench, where, and how it is set. TOML, validated."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qnlab.bench.problems import bench_error, suggestion, validation_problems
from qnlab.bench.quantities import convert_quantities
from qnlab.errors import BenchError
from qnlab.plugins import available, load

Scalar = bool | int | float | str


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Head(_Table):
    """Table ``[bench]``."""

    name: str = Field(description="give the bench a name")
    summary: str = ""
    clock: Literal["virtual", "wall"] = "wall"


class Site(_Table):
    """Table ``[sites.<name>]``."""

    summary: str = ""


class InstrumentTable(_Table):
    """Table ``[instruments.<name>]``."""

    site: str = Field(description="name one of the sites")
    role: str = Field(description="name what the instrument is, such as TimeTagger")
    driver: str = Field(description="name an installed driver, such as sim")
    address: str = Field(description="say where the driver finds the instrument")
    settings: dict[str, Scalar] = Field(default_factory=dict)
    channels: dict[str, int] = Field(default_factory=dict)


class Link(_Table):
    """Table ``[links.<name>]``."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    start: str = Field(alias="from", description="name one of the sites")
    end: str = Field(alias="to", description="name one of the sites")


class BenchFile(_Table):
    """A whole bench file. `source` is the file it came from."""

    source: str
    bench: Head = Field(description="add a table [bench] with the name of the bench")
    sites: dict[str, Site] = Field(description="add a table [sites.NAME] for each site")
    instruments: dict[str, InstrumentTable] = Field(
        description="add a table [instruments.NAME] for each instrument"
    )
    links: dict[str, Link] = Field(default_factory=dict)
    limits: dict[str, tuple[float, float]] = Field(default_factory=dict)
    world: dict[str, Any] | None = None
    procedures: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name of the file, as messages give it."""
        return Path(self.source).name

    @property
    def simulated(self) -> bool:
        """True if the bench has a simulated world."""
        return self.world is not None


_TABLES = [name for name in BenchFile.model_fields if name != "source"]
_NAMED = ("sites", "instruments", "links")
_REPLAY = "replay"
"""The driver that plays recordings back by whatever clock the bench has."""


def packaged_benches() -> dict[str, Path]:
    """Benches that come with qnlab or a plug-in, by name."""
    found: dict[str, Path] = {}
    for point in available("benches").values():
        folder = resources.files(point.module)
        for item in folder.iterdir():
            if item.name.endswith(".toml"):
                found[item.name.removesuffix(".toml")] = Path(str(item))
    return dict(sorted(found.items()))


def load_bench(source: str | Path, overrides: Mapping[str, object] | None = None) -> BenchFile:
    """Read and check a bench file.

    Parameters
    ----------
    source : str or Path
        Name of a packaged bench, or path of a TOML file.
    overrides : mapping, optional
        Dotted keys and their values, as ``--set`` gives them.

    Raises
    ------
    BenchError
        One line a problem: file, key, what is wrong and what would be right. All at once.
    """
    path = _find(source)
    data = _read(path)
    problems: dict[str, str] = {}
    if "source" in data:
        problems["source"] = f"unknown key; known here: {', '.join(_TABLES)}"
    for key, value in (overrides or {}).items():
        _override(data, key, value, problems)
    data = convert_quantities(data, problems)
    bench = None
    try:
        bench = BenchFile.model_validate({**data, "source": str(path)})
    except ValidationError as error:
        problems = validation_problems(error, BenchFile) | problems
    if bench is not None:
        problems = dict(_cross_checks(bench)) | problems
    if bench is None or problems:
        raise bench_error(path.name, problems)
    return bench


def _find(source: str | Path) -> Path:
    known = packaged_benches()
    if str(source) in known:
        return known[str(source)]
    path = Path(source)
    if path.suffix == ".toml" or path.is_file():
        return path
    hint = suggestion(str(source), known, "packaged are")
    raise BenchError(f"no bench {str(source)!r}; {hint} or give the path of a TOML file")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8").replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"{path.name}: not TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise BenchError(f"{path.name}: not UTF-8 text: byte {error.start}") from None
    except RecursionError:
        raise BenchError(f"{path.name}: not TOML: nested too deeply") from None
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror or error}") from None


def _override(data: dict[str, Any], dotted: str, value: object, problems: dict[str, str]) -> None:
    """Set one key; what is wrong with it goes to `problems`."""
    parents, last = _split(dotted)
    if not parents or not all([*parents, last]):
        problems[dotted] = "no such key; give a key of a table, such as world.fibre_km"
        return
    if parents[0] not in _TABLES:
        problems[dotted] = f"no such key; {suggestion(parents[0], _TABLES, 'tables are')}"
        return
    if parents[0] == "world" and "world" not in data:
        problems[dotted] = "no such key; the bench has no [world], it is not simulated"
        return
    table: Any = data
    for depth, part in enumerate(parents):
        if depth == 1 and parents[0] in _NAMED and part not in table:
            problems[dotted] = f"no such key; {suggestion(part, table, f'{parents[0]} are')}"
            return
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            problems[dotted] = f"no such key; {part} is a plain value, not a table"
            return
    table[last] = value


def _split(dotted: str) -> tuple[list[str], str]:
    """Tables and key; keys of limits and of settings hold dots themselves."""
    parts = dotted.split(".")
    if parts[0] == "limits":
        depth = 1
    elif parts[0] == "instruments" and parts[2:3] == ["settings"]:
        depth = 3
    else:
        depth = len(parts) - 1
    return parts[:depth], ".".join(parts[depth:])


Problem = tuple[str, str]


def _cross_checks(bench: BenchFile) -> Iterable[Problem]:
    """Problems between tables: names that lead nowhere, addresses given twice."""
    yield from _instrument_checks(bench)
    yield from _limit_checks(bench)
    for key, link in bench.links.items():
        for end, site in (("from", link.start), ("to", link.end)):
            if site not in bench.sites:
                hint = suggestion(site, bench.sites, "sites are")
                yield f"links.{key}.{end}", f"no site {site!r}; {hint}"
    known = available("procedures")
    for key in bench.procedures:
        if key not in known:
            hint = suggestion(key, known, "installed are")
            yield f"procedures.{key}", f"no procedure {key!r}; {hint}"
    seed = (bench.world or {}).get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        yield "world.seed", f"needs a whole number from 0 on, got {seed!r}"
    real = any(item.driver != _REPLAY for item in bench.instruments.values())
    if bench.bench.clock == "virtual" and bench.world is None and real:
        yield "bench.clock", "a virtual clock needs a [world]; real instruments follow 'wall'"


def _instrument_checks(bench: BenchFile) -> Iterable[Problem]:
    drivers = available("drivers")
    roles = load("roles", "names")()
    addresses: dict[tuple[str, str], str] = {}
    for name, item in bench.instruments.items():
        where = f"instruments.{name}"
        for field, value, known, kind in (
            ("site", item.site, bench.sites, "sites are"),
            ("role", item.role, roles, "roles are"),
            ("driver", item.driver, drivers, "installed are"),
        ):
            if value not in known:
                hint = suggestion(value, known, kind)
                yield f"{where}.{field}", f"no {field} {value!r}; {hint}"
        other = addresses.setdefault((item.driver, item.address), name)
        if other != name:
            yield (
                f"{where}.address",
                f"{item.address!r} is also the address of instruments.{other}; "
                "every instrument needs its own",
            )


def _limit_checks(bench: BenchFile) -> Iterable[Problem]:
    for key, (low, high) in bench.limits.items():
        instrument, _, setting = key.partition(".")
        if not setting:
            yield f"limits.{key}", 'needs a key in quotes, "instrument.setting"'
        elif instrument not in bench.instruments:
            hint = suggestion(instrument, bench.instruments, "instruments are")
            yield f"limits.{key}", f"no instrument {instrument!r}; {hint}"
        if not low <= high:
            yield f"limits.{key}", f"[{low:g}, {high:g}] is not ordered; give [low, high]"
