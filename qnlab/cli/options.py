"""Options that several commands share."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from qnlab.errors import BenchError
from qnlab.home import home_folder

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
set_option: Decorator = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a key of the bench."
)
home_option: Decorator = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=home_folder,
    help="Where runs and keys are kept; else $QNLAB_HOME, else ~/qnlab.",
)


def overrides(settings: Iterable[str]) -> dict[str, object]:
    """``KEY=VALUE`` texts as a mapping; values are TOML, else plain text."""
    found: dict[str, object] = {}
    for item in settings:
        key, sign, text = item.partition("=")
        if not sign or not key:
            raise BenchError(f"--set {item!r}: needs KEY=VALUE, such as world.fibre_km=50")
        found[key.strip()] = _value(text)
    return found


def _value(text: str) -> object:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text.strip()
    return table["value"] if len(table) == 1 else text.strip()
