"""A small bench file to spoil, and how to read what the loader says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qnlab.bench import BenchFile, load_bench
from qnlab.errors import BenchError

GOOD = """
[bench]
name = "small"
clock = "virtual"
[sites.alice]
[sites.bob]
[instruments.laser]
site = "alice"
role = "LaserSource"
driver = "sim"
address = "laser"
[instruments.laser.settings]
power_w = 1e-3
[instruments.tagger]
site = "bob"
role = "TimeTagger"
driver = "sim"
address = "tagger"
channels = { H = 1 }
[links.quantum]
from = "alice"
to = "bob"
[limits]
"laser.power_w" = [0.0, 2e-3]
[world]
seed = 3
fibre_km = 25.0
[procedures.bb84]
block_s = 1.0
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write the good file with texts replaced."""

    def writer(*changes: tuple[str, str]) -> Path:
        text = GOOD
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} must be there once"
            text = text.replace(old, new)
        path = tmp_path / "small.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return writer


@pytest.fixture
def load_changed(write: Callable[..., Path]) -> Callable[..., BenchFile]:
    """Load the good file with texts replaced, and overrides."""

    def loader(*changes: tuple[str, str], **overrides: object) -> BenchFile:
        return load_bench(write(*changes), overrides)

    return loader


@pytest.fixture
def problems(write: Callable[..., Path]) -> Callable[..., tuple[str, ...]]:
    """The problems that the loader finds in the good file with texts replaced."""

    def finder(*changes: tuple[str, str], **overrides: object) -> tuple[str, ...]:
        with pytest.raises(BenchError) as caught:
            load_bench(write(*changes), overrides)
        return caught.value.problems

    return finder
