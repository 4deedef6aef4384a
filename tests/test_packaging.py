"""One package of several folders: the list is whole, bare imports refused, the start light."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("drivers", "gui", "instruments", "keys", "procedures", "sim_backends")
HEAVY = {"numba", "pyarrow", "matplotlib", "scipy", "pydantic", "pint", "PySide6"}


def _on_disk() -> set[str]:
    folders = [ROOT / "qnlab", *(ROOT / room for room in ROOMS)]
    found = set()
    for folder in folders:
        for init in folder.rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT).parts
            found.add(".".join(parts if parts[0] == "qnlab" else ("qnlab", *parts)))
    return found


def test_every_folder_is_packaged_and_every_package_has_a_folder() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(setup["tool"]["setuptools"]["packages"]) == _on_disk()


def _python(code: str, where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=where, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_refuses_its_bare_name(room: str) -> None:
    said = _python(f"import {room}", ROOT)
    assert said.returncode == 1
    assert f"import this package as qnlab.{room}" in said.stderr


@pytest.mark.parametrize("module", ["qnlab", "qnlab.cli"])
def test_the_start_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    said = _python(code, ROOT.parent)
    assert said.returncode == 0, said.stderr
    assert HEAVY.isdisjoint(said.stdout.split())
