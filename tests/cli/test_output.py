"""What commands print is JSON that any reader accepts, and tables with aligned columns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qnlab.cli.options import overrides
from qnlab.cli.output import plain, print_json, print_values, text
from qnlab.errors import BenchError


def test_numbers_of_any_kind_become_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(
        {
            "a": np.float64(0.5),
            "b": np.int64(3),
            "c": np.array([1.0, np.nan]),
            "d": float("inf"),
            "e": Path("x"),
            "f": (True, None),
            "g": {1: "x"},
            "h": np.bool_(False),
        }
    )
    assert json.loads(capsys.readouterr().out) == {
        "a": 0.5, "b": 3, "c": [1.0, None], "d": None,
        "e": "x", "f": [True, None], "g": {"1": "x"}, "h": False,
    }  # fmt: skip
    assert plain(2**70) == 2**70


def test_values_are_aligned_and_tables_follow(capsys: pytest.CaptureFixture[str]) -> None:
    print_values(
        {"run": "x", "qber": {"key": 0.0123456789, "test": None}, "rows": [{"n": 1}, {"m": True}]}
    )
    assert capsys.readouterr().out.splitlines() == [
        "run   x",
        "qber  key 0.0123457, test -",
        "",
        "rows",
        "  n  m",
        "  1  -",
        "  -  yes",
    ]


def test_empty_collections_are_a_dash() -> None:
    assert text({}) == text([]) == "-"


def test_overrides_are_toml_values_or_plain_texts() -> None:
    given = [
        "a.b=3",
        "a.c=3.5",
        "a.d=true",
        "a.e=[1, 2]",
        'a.f="x y"',
        "a.g=50 m",
        "a.h=",
        "a.i=k=v",
    ]
    assert overrides(given) == {
        "a.b": 3, "a.c": 3.5, "a.d": True, "a.e": [1, 2],
        "a.f": "x y", "a.g": "50 m", "a.h": "", "a.i": "k=v",
    }  # fmt: skip


def test_a_value_cannot_smuggle_in_another_key() -> None:
    assert overrides(["a.b=1\nworld = 2"]) == {"a.b": "1\nworld = 2"}


@pytest.mark.parametrize("given", ["", "x", "=3"])
def test_an_override_without_key_or_sign(given: str) -> None:
    with pytest.raises(BenchError, match="needs KEY=VALUE"):
        overrides([given])
