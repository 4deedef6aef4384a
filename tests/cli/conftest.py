"""The command line as a person calls it, and a lab of real (not simulated) meters."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from qnlab.cli import main

PLUGIN = Path(__file__).parent.parent / "bench" / "plugin"
LAB = """
[bench]
name = "lab"
[sites.here]
[instruments.a]
site = "here"
role = "PowerMeter"
driver = "lab"
address = "1 {failing}"
[procedures.probe]
"""


class Said(NamedTuple):
    """Exit status and what was printed."""

    code: int
    out: str
    err: str


Qnlab = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("QNLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def qnlab(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Qnlab:
    """Call the program in this process."""

    def call(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["qnlab", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return Said(int(caught.value.code or 0), out, err)

    return call


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The plug-in of the tests, as if it were installed."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    yield PLUGIN
    sys.modules.pop("lab_plugin", None)


@pytest.fixture
def lab(tmp_path: Path, plugin: Path) -> Callable[[str], Path]:
    """A bench file with one meter that fails as asked."""

    def write(failing: str = "") -> Path:
        path = tmp_path / "lab.toml"
        path.write_text(LAB.format(failing=failing), encoding="utf-8")
        return path

    return write
