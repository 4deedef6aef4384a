"""Keys carry their unit; a value may be a number in it or a text with another unit of its kind."""

from __future__ import annotations

import re
from typing import Any

from qnlab.errors import BenchError

_UNITS = {
    suffix: suffix for suffix in ("s", "ms", "us", "ns", "ps", "m", "km", "nm", "um", "rad", "deg")
} | {
    "hz": "Hz",
    "khz": "kHz",
    "mhz": "MHz",
    "ghz": "GHz",
    "v": "V",
    "mv": "mV",
    "a": "A",
    "ma": "mA",
    "ua": "uA",
    "k": "K",
    "w": "W",
    "mw": "mW",
    "uw": "uW",
    "nw": "nW",
}
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-zµ°/%]+)\s*")


def convert_quantities(name: str, data: Any, problems: list[str], key: str = "") -> Any:
    """`data` with every text quantity under a key with a unit turned into a number in that unit.

    A text that is no quantity, or of another dimension, adds a line to `problems`.
    """
    if isinstance(data, dict):
        return {
            k: convert_quantities(name, v, problems, f"{key}.{k}" if key else k)
            for k, v in data.items()
        }
    last = key.rsplit(".", 1)[-1]
    unit = _UNITS.get(last.rsplit("_", 1)[-1]) if "_" in last and "_per_" not in last else None
    if unit is None or not isinstance(data, str):
        return data
    try:
        return _in_unit(data, unit)
    except BenchError as error:
        problems.append(f"{name}: {key}: {error}")
        return 0.0


def _in_unit(text: str, unit: str) -> float:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise BenchError(f"needs a number in {unit}, or a text such as '1.5 {unit}', got {text!r}")
    import pint

    registry = pint.application_registry
    try:
        return float(registry.Quantity(float(match[1]), match[2]).to(unit).magnitude)
    except pint.UndefinedUnitError:
        raise BenchError(f"unknown unit {match[2]!r}; needs a value in {unit}") from None
    except pint.DimensionalityError:
        raise BenchError(f"wrong unit {match[2]!r}; needs a value in {unit}") from None
