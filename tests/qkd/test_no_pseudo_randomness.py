"""Property 33: no module on a key path can reach a pseudo-random generator."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY_PATHS = [*(ROOT / "procedures" / "qkd").rglob("*.py"), *(ROOT / "keys").rglob("*.py")]


@pytest.mark.parametrize("path", KEY_PATHS, ids=lambda p: str(p.relative_to(ROOT)))
def test_p33_no_simulation_generator(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not any(a.name.split(".")[0] == "random" for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module not in ("random", "numpy.random", "scipy.stats")
        elif isinstance(node, ast.Attribute):
            assert not (
                node.attr == "random"
                and isinstance(node.value, ast.Name)
                and node.value.id in ("np", "numpy")
            )
