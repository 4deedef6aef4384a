"""What commands print: JSON that any reader accepts, and tables that people can read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import click


def plain(value: Any) -> Any:
    """`value` as JSON knows it: numbers that are not finite become null, paths become text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def print_json(value: Mapping[str, object]) -> None:
    """Print one JSON object on one line."""
    click.echo(json.dumps(plain(value), allow_nan=False))


def print_rows(rows: Sequence[Sequence[object]], indent: int = 0) -> None:
    """Print rows with aligned columns; the last column is left ragged."""
    cells = [[text(cell) for cell in row] for row in rows]
    if not cells:
        return
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(" " * indent + line.rstrip())


def print_values(values: Mapping[str, object], indent: int = 0) -> None:
    """Print ``name  value`` rows, nested mappings below their name, lists of mappings as tables."""
    simple = [(key, item) for key, item in values.items() if not _nested(item)]
    print_rows(simple, indent)
    for key, item in values.items():
        if not _nested(item):
            continue
        click.echo(f"\n{' ' * indent}{key}")
        if isinstance(item, Mapping):
            print_values(item, indent + 2)
        elif isinstance(item, Sequence):
            columns = list(dict.fromkeys(name for row in item for name in row))
            print_rows([columns, *([row.get(c) for c in columns] for row in item)], indent + 2)


def text(value: object) -> str:
    """One value for people: six digits, a dash for what is not there."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text(item)}" for key, item in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value)) or "-"
    return str(value)


def _nested(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_nested(item) for item in value.values())
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)
