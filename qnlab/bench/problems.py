"""One clear problem for every key of a table that does not fit its model."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from qnlab.errors import BenchError

_WORDS = {
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "dict_type": "a table",
    "model_type": "a table",
    "list_type": "a list",
    "tuple_type": "a list",
}


def suggestion(word: str, known: Iterable[str], what: str) -> str:
    """``did you mean x?`` if a known word is near, else the list of all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"{what}: {', '.join(names) or 'none'}"


def bench_error(where: str, problems: Mapping[str, str]) -> BenchError:
    """One line ``where: key: problem`` for each key; what cannot be printed is escaped."""
    return BenchError(*(_printable(f"{where}: {key}: {text}") for key, text in problems.items()))


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def validation_problems(
    error: ValidationError, model: type[BaseModel], prefix: str = ""
) -> dict[str, str]:
    """What is wrong with a table: ``problem; what would be right`` by dotted key.

    Parameters
    ----------
    error : ValidationError
        What `model` said.
    model : type of BaseModel
        The model, to tell what it knows.
    prefix : str
        Dotted key of the table that was validated.
    """
    found: dict[str, list[tuple[dict[str, Any], list[str]]]] = {}
    for item in error.errors(include_url=False):
        path = _path(item["loc"], model)
        key = ".".join(part for part in (prefix, *path) if part)
        found.setdefault(key, []).append((dict(item), path))
    return {
        key: _needs([item for item, _ in items]) or _problem(*items[0], model)
        for key, items in found.items()
    }


def _needs(items: list[dict[str, Any]]) -> str | None:
    """``needs a number or a text`` for a value of the wrong kind, else None."""
    words = list(dict.fromkeys(_WORDS[item["type"]] for item in items if item["type"] in _WORDS))
    return f"needs {' or '.join(words)}, got {_short(items[0]['input'])}" if words else None


def _problem(item: dict[str, Any], path: Sequence[str], model: type[BaseModel]) -> str:
    kind = item["type"]
    if kind == "missing":
        if isinstance(item["loc"][-1], int):
            return f"is missing; the list is too short: {_short(item['input'])}"
        return f"is missing; {_purpose(path, model)}"
    if kind == "extra_forbidden":
        return f"unknown key; {suggestion(path[-1], _fields(path[:-1], model), 'known here')}"
    message = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{message}, got {_short(item['input'])}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _path(loc: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    """The location without the names that pydantic adds for the members of a union."""
    path = [str(part) for part in loc]
    while path and path[-1] in {"bool", "int", "float", "str"} and _field(path, model) is None:
        path.pop()
    return path


def _field(path: Sequence[str], model: type[BaseModel]) -> FieldInfo | None:
    return _fields(path[:-1], model).get(path[-1]) if path else None


def _fields(path: Sequence[str], model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields of the table at `path`, by the keys of the file."""
    owner: type[BaseModel] | None = model
    rest = list(path)
    while rest and owner is not None:
        field = _by_key(owner).get(rest.pop(0))
        owner = None
        if field is not None:
            owner = _model_in(field.annotation)
            if owner is not None and getattr(field.annotation, "__origin__", None) is dict:
                rest = rest[1:]
    return _by_key(owner) if owner is not None and not rest else {}


def _by_key(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None


def _purpose(path: Sequence[str], model: type[BaseModel]) -> str:
    field = _field(path, model)
    return field.description if field is not None and field.description else "it must be given"
