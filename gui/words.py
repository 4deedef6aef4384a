"""Numbers as people read them: SI prefixes, uncertainty, ages."""

from __future__ import annotations

import math

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
_PLAIN = {"", "%", "dB", "dBm", "deg", "V"}
_FACTORS = {letter: 10.0**power for power, letter in _PREFIXES.items() if letter}


def quantity(value: float, unit: str = "", digits: int = 4) -> str:
    """`value` with an SI prefix before its unit; dB, %, degrees and bare numbers take none."""
    if not math.isfinite(value):
        return "-"
    if unit in _PLAIN:
        return f"{value:.{digits}g} {unit}".rstrip()
    power = 0 if value == 0 else math.floor(math.log10(abs(value)) / 3) * 3
    power = min(max(power, -15), 12)
    return f"{value / 10.0**power:.{digits}g} {_PREFIXES[power]}{unit}"


def rate(counts: float, seconds: float) -> str:
    """A count rate with its Poisson error, ``41,860 ± 290 /s``."""
    if seconds <= 0:
        return "-"
    error = math.sqrt(counts) / seconds
    return f"{counts / seconds:,.0f} ± {error:,.0f} /s"


def ratio(part: float, whole: float) -> tuple[float, float]:
    """A ratio in % and its binomial error."""
    if whole <= 0:
        return math.nan, math.nan
    p = part / whole
    return 100 * p, 100 * math.sqrt(max(p * (1 - p), 1 / whole) / whole)


def age(seconds: float) -> str:
    """How long ago, short."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def parsed(text: str, unit: str) -> float:
    """A number typed in: ``1.2 n``, ``1200 ps``, ``5e-4``, with or without the unit.

    Raises
    ------
    ValueError
        Not a number, or of another unit.
    """
    words = text.strip().replace("µ", "u")
    number = words.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%/ ")
    rest = words[len(number) :].strip()
    try:
        value = float(number)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if rest in ("", unit):
        return value
    prefix = rest.removesuffix(unit) if unit else rest
    if prefix in _FACTORS and (unit not in _PLAIN or not unit):
        return value * _FACTORS[prefix]
    raise ValueError(f"{text!r} should be in {unit or 'plain numbers'}")
