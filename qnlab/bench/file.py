"""The bench file: what is on the bench, where, and how it is set. TOML, validated."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qnlab.bench.quantities import convert_quantities
from qnlab.errors import BenchError
from qnlab.plugins import available, load

Scalar = bool | int | float | str


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Head(_Table):
    """Table ``[bench]``."""

    name: str
    summary: str = ""
    clock: Literal["virtual", "wall"] = "wall"


class Site(_Table):
    """Table ``[sites.<name>]``."""

    summary: str = ""


class InstrumentTable(_Table):
    """Table ``[instruments.<name>]``."""

    site: str
    role: str
    driver: str
    address: str
    settings: dict[str, Scalar] = Field(default_factory=dict)
    channels: dict[str, int] = Field(default_factory=dict)


class Link(_Table):
    """Table ``[links.<name>]``."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    start: str = Field(alias="from")
    end: str = Field(alias="to")


class BenchFile(_Table):
    """A whole bench file. `source` is the file it came from."""

    source: str
    bench: Head
    sites: dict[str, Site]
    instruments: dict[str, InstrumentTable]
    links: dict[str, Link] = Field(default_factory=dict)
    limits: dict[str, tuple[float, float]] = Field(default_factory=dict)
    world: dict[str, Any] | None = None
    procedures: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        """True if the bench has a simulated world."""
        return self.world is not None


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
        One line a problem: file, key, what is wrong and what would be right.
    """
    path = _find(source)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"{path.name}: not TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{path}: cannot be read: {error}") from None
    for key, value in (overrides or {}).items():
        _override(path.name, data, key, value)
    problems: list[str] = []
    data = convert_quantities(path.name, data, problems)
    try:
        bench = BenchFile.model_validate({**data, "source": str(path)})
    except ValidationError as error:
        problems += [_line(path.name, dict(e)) for e in error.errors()]
        raise BenchError(*problems) from None
    problems += _cross_checks(path.name, bench)
    if problems:
        raise BenchError(*problems)
    return bench


def _find(source: str | Path) -> Path:
    known = packaged_benches()
    if str(source) in known:
        return known[str(source)]
    path = Path(source)
    if path.suffix == ".toml" or path.exists():
        return path
    raise BenchError(
        f"no bench {str(source)!r}; packaged are {', '.join(known)}, or give a TOML file"
    )


def _override(name: str, data: dict[str, Any], dotted: str, value: object) -> None:
    *parents, last = dotted.split(".")
    table: Any = data
    for part in parents:
        if not isinstance(table, dict):
            raise BenchError(f"{name}: {dotted}: {part!r} lies below a plain value")
        table = table.setdefault(part, {})
    if not parents or not isinstance(table, dict):
        raise BenchError(f"{name}: {dotted}: not a key of a table, such as world.fibre_km")
    table[last] = value


def _line(name: str, error: dict[str, Any]) -> str:
    where = [str(part) for part in error["loc"] if part not in ("bool", "int", "float", "str")]
    key = ".".join(where)
    if error["type"] == "missing":
        return f"{name}: {key}: is missing"
    if error["type"] == "extra_forbidden":
        known = _fields(where)
        near = difflib.get_close_matches(where[-1], known, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"
        return f"{name}: {key}: unknown key{hint}"
    return f"{name}: {key}: {error['msg']}, got {error['input']!r}"


def _fields(where: list[str]) -> list[str]:
    tables: dict[str, type[BaseModel]] = {
        "bench": Head,
        "sites": Site,
        "instruments": InstrumentTable,
        "links": Link,
    }
    model = tables.get(where[0], BenchFile) if len(where) > 1 else BenchFile
    return [field.alias or key for key, field in model.model_fields.items() if key != "source"]


def _cross_checks(name: str, bench: BenchFile) -> Iterable[str]:
    drivers = available("drivers")
    roles = load("roles", "names")()
    addresses: dict[tuple[str, str], str] = {}
    for key, item in bench.instruments.items():
        where = f"{name}: instruments.{key}"
        if item.site not in bench.sites:
            yield f"{where}.site: no site {item.site!r}; sites are {', '.join(bench.sites)}"
        if item.role not in roles:
            near = difflib.get_close_matches(item.role, roles, 1)
            hint = f"did you mean {near[0]}?" if near else f"roles are {', '.join(roles)}"
            yield f"{where}.role: no role {item.role!r}; {hint}"
        if item.driver not in drivers:
            yield f"{where}.driver: no driver {item.driver!r}; installed: {', '.join(drivers)}"
        other = addresses.setdefault((item.driver, item.address), key)
        if other != key:
            yield f"{where}.address: {item.address!r} is also the address of instruments.{other}"
    for key, link in bench.links.items():
        for end in (link.start, link.end):
            if end not in bench.sites:
                yield f"{name}: links.{key}: no site {end!r}; sites are {', '.join(bench.sites)}"
    for key, (low, high) in bench.limits.items():
        if key.split(".")[0] not in bench.instruments:
            yield f"{name}: limits.{key}: no instrument {key.split('.')[0]!r}"
        if not low <= high:
            yield f"{name}: limits.{key}: [{low}, {high}] is not ordered"
