"""Keys carry their unit; a value may be a number in it or a text with another unit of its kind."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pint

_SPELLED = (
    "s ms us ns ps fs h m km mm um nm rad mrad deg Hz kHz MHz GHz V mV A mA uA ohm K mK degC "
    "W mW uW nW dB dBm"
)
_UNITS = {unit.lower(): unit for unit in _SPELLED.split()}
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-zµ°/]+)\s*")
_LOGARITHMIC = {"dB": "qnlab_db", "dBm": "qnlab_dbm"}


def unit_of(key: str) -> str | None:
    """Unit that the last part of a dotted key ends in (``loss_db_per_km``: ``dB/km``), if any."""
    words = key.rsplit(".", 1)[-1].split("_")
    if words[-3:-2] and words[-2] == "per":
        above, below = _UNITS.get(words[-3]), _UNITS.get(words[-1])
        return f"{above}/{below}" if above and below else None
    if len(words) < 2 or "per" in words:
        return None
    return _UNITS.get(words[-1])


def convert_quantities(data: Any, problems: dict[str, str], key: str = "") -> Any:
    """`data` with every text quantity under a key with a unit turned into a number in that unit.

    A text that is no quantity, or is of another dimension, is put down in `problems` by its key.
    """
    if isinstance(data, dict):
        return {
            name: convert_quantities(item, problems, f"{key}.{name}" if key else name)
            for name, item in data.items()
        }
    unit = unit_of(key)
    if unit is None:
        return data
    if isinstance(data, list):
        return [_number(item, unit, problems, key) for item in data]
    return _number(data, unit, problems, key)


def _number(value: Any, unit: str, problems: dict[str, str], key: str) -> Any:
    if not isinstance(value, str):
        return value
    match = _QUANTITY.fullmatch(value)
    if match is None:
        problems[key] = f"needs a number in {unit}, or a text such as '1.5 {unit}', got {value!r}"
        return value
    import pint

    try:
        given = _registry().Quantity(float(match[1]), _spelled(match[2]))
        return float(given.to(_spelled(unit)).magnitude)
    except pint.UndefinedUnitError:
        problems[key] = f"unknown unit {match[2]!r}; give the value in {unit}"
    except pint.DimensionalityError:
        problems[key] = f"wrong unit {match[2]!r}; give the value in {unit}"
    except pint.PintError as error:
        problems[key] = f"{value!r} is no quantity ({error}); give the value in {unit}"
    return value


@cache
def _registry() -> pint.UnitRegistry[Any]:
    """Units, with dB and dBm as two kinds of their own: neither is ever turned into a ratio."""
    import pint

    registry: pint.UnitRegistry[Any] = pint.UnitRegistry()
    for name in _LOGARITHMIC.values():
        registry.define(f"{name} = [{name}]")
    return registry


def _spelled(unit: str) -> str:
    return "/".join(_LOGARITHMIC.get(part, part) for part in unit.split("/"))
