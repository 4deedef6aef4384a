"""``qnlab key-length``: the key a finite block allows, with every bound on the way."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import IO

import click

from qnlab.errors import QnlabError
from qnlab.procedures.qkd.bounds import (
    Basis,
    Bbm92Length,
    BoundInputError,
    DecoyCounts,
    KeyLength,
    OneDecoySource,
    TwoDecoySource,
    lim2014,
    rusca2018,
    tomamichel2012,
    tomamichel2017,
    wiesemann2024,
)

ONE_DECOY = {"wiesemann2024": wiesemann2024, "rusca2018": rusca2018}
BBM92 = {"tomamichel2017": tomamichel2017, "tomamichel2012": tomamichel2012}
METHODS: dict[str, tuple[str, ...]] = {
    "bb84-1-decoy": tuple(ONE_DECOY),
    "bb84-2-decoy": ("lim2014",),
    "bbm92": tuple(BBM92),
}
DECOY_KEYS = {
    "intensities",
    "probabilities",
    "key",
    "test",
    "leak_ec_bits",
    "eps_sec",
    "eps_cor",
}
BBM92_KEYS = {"n", "k", "qber", "leak_ec_bits", "eps_sec", "eps_cor"}
OPTIONAL_KEYS = {"tag_bits"}

EPILOG = """\b
Example:
  echo '{"n": 90000, "k": 10000, "qber": 0.02, "leak_ec_bits": 15000, "tag_bits": 128,
         "eps_sec": 1e-10, "eps_cor": 1e-15}' | qnlab key-length bbm92 --json
"""


class _Refused(click.ClickException):
    """Unusable input: one line, exit status 2."""

    exit_code = 2


@click.command(name="key-length", epilog=EPILOG)
@click.argument("protocol", type=click.Choice(list(METHODS)))
@click.option("--method", help="Proof to use; the first of its protocol where left out.")
@click.option(
    "--input",
    "source",
    type=click.File("r", encoding="utf-8"),
    default="-",
    help="JSON file with the block's figures; standard input where left out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def key_length(protocol: str, method: str | None, source: IO[str], as_json: bool) -> None:
    """Compute the secret length of one block for PROTOCOL.

    \b
    bb84-1-decoy  methods wiesemann2024, rusca2018; bb84-2-decoy  method lim2014:
      {"intensities": [..], "probabilities": [..], "key": {"detections": [..], "errors": [..]},
       "test": {"detections": [..], "errors": [..]}, "leak_ec_bits", "eps_sec", "eps_cor"}
      with one entry an intensity, brightest first; "tag_bits" where the tag is longer.
    bbm92  methods tomamichel2017, tomamichel2012:
      {"n", "k", "qber", "leak_ec_bits", "tag_bits", "eps_sec", "eps_cor"}
    """
    try:
        chosen = _method(protocol, method)
        result = compute(protocol, chosen, _parse(source))
    except QnlabError as error:
        raise _Refused(str(error)) from error
    if as_json:
        click.echo(json.dumps({"protocol": protocol, "method": chosen, **_row(result)}))
        return
    click.echo(f"{protocol}, {chosen}")
    for name, value in _row(result).items():
        click.echo(
            f"  {name:<22}{value:>20,.6g}"
            if isinstance(value, float)
            else f"  {name:<22}{value:>20,}"
        )


def compute(protocol: str, method: str, table: Mapping[str, object]) -> KeyLength | Bbm92Length:
    """Validate `table` and compute the length.

    Raises
    ------
    BoundInputError
        For an unknown or missing key, a value of the wrong kind, or one outside the proof's domain.
    """
    if protocol == "bbm92":
        return _bbm92(BBM92[method], table)
    _require_keys("input", table, DECOY_KEYS)
    counts = DecoyCounts(_basis(table, "key"), _basis(table, "test"))
    leak, eps_sec, eps_cor = (_number(table, k) for k in ("leak_ec_bits", "eps_sec", "eps_cor"))
    tag = _number(table, "tag_bits") if "tag_bits" in table else None
    intensities, probabilities = (_numbers(table, k) for k in ("intensities", "probabilities"))
    if protocol == "bb84-2-decoy":
        three = TwoDecoySource(
            _triple("intensities", intensities), _triple("probabilities", probabilities)
        )
        return lim2014(three, counts, leak, eps_sec, eps_cor, tag)
    two = OneDecoySource(_pair("intensities", intensities), _pair("probabilities", probabilities))
    return ONE_DECOY[method](two, counts, leak, eps_sec, eps_cor, tag)


def _bbm92(bound: Callable[..., Bbm92Length], table: Mapping[str, object]) -> Bbm92Length:
    _require_keys("input", table, BBM92_KEYS)
    return bound(
        _whole(table, "n"),
        _whole(table, "k"),
        _number(table, "qber"),
        _number(table, "leak_ec_bits"),
        _number(table, "eps_sec"),
        _number(table, "eps_cor"),
        _number(table, "tag_bits") if "tag_bits" in table else None,
    )


def _method(protocol: str, method: str | None) -> str:
    allowed = METHODS[protocol]
    if method is None:
        return allowed[0]
    if method not in allowed:
        raise BoundInputError("--method", method, f"for {protocol}: {', '.join(allowed)}")
    return method


def _parse(source: IO[str]) -> Mapping[str, object]:
    try:
        table = json.load(source, object_pairs_hook=_unique)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BoundInputError("input", str(error), "one JSON object") from error
    if not isinstance(table, dict):
        raise BoundInputError("input", type(table).__name__, "one JSON object")
    return table


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BoundInputError(twice, "given twice", "each key once")
    return table


def _require_keys(
    where: str, table: Mapping[str, object], required: set[str], optional: set[str] = OPTIONAL_KEYS
) -> None:
    known = ", ".join(sorted(required | optional))
    for key in sorted(table.keys() - required - optional):
        raise BoundInputError(where, key, f"only the keys {known}")
    for key in sorted(required - table.keys()):
        raise BoundInputError(key, "nothing", f"a value; the keys are {known}")


def _basis(table: Mapping[str, object], name: str) -> Basis:
    inner = table[name]
    if not isinstance(inner, dict):
        raise BoundInputError(name, inner, 'an object with "detections" and "errors"')
    _require_keys(name, inner, {"detections", "errors"}, set())
    try:
        return Basis(_numbers(inner, "detections"), _numbers(inner, "errors"))
    except BoundInputError as error:
        raise BoundInputError(f"{name}.{error.field}", error.value, error.expected) from error


def _number(table: Mapping[str, object], key: str) -> float:
    return _as_number(key, table[key])


def _as_number(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BoundInputError(field, value, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise BoundInputError(field, "an integer beyond 1e308", "a smaller number") from error


def _whole(table: Mapping[str, object], key: str) -> int:
    number = _number(table, key)
    if not number.is_integer():
        raise BoundInputError(key, table[key], "a whole number >= 1")
    return int(number)


def _numbers(table: Mapping[str, object], key: str) -> tuple[float, ...]:
    values = table[key]
    if not isinstance(values, list):
        raise BoundInputError(key, values, "a list of numbers, one an intensity")
    return tuple(_as_number(f"{key}[{i}]", value) for i, value in enumerate(values))


def _pair(key: str, values: tuple[float, ...]) -> tuple[float, float]:
    if len(values) != 2:
        raise BoundInputError(key, values, "2 entries")
    return values[0], values[1]


def _triple(key: str, values: tuple[float, ...]) -> tuple[float, float, float]:
    if len(values) != 3:
        raise BoundInputError(key, values, "3 entries")
    return values[0], values[1], values[2]


def _row(result: KeyLength | Bbm92Length) -> dict[str, int | float]:
    return dataclasses.asdict(result)
