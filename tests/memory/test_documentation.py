"""The example of the documentation runs and gives what the text around it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "memory.md"


def test_the_example_of_five_gates(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    exec(code, {})
    efficiency, low, high = map(float, capsys.readouterr().out.split())
    assert efficiency == pytest.approx(0.1274, abs=1e-4)
    assert low < 0.6134 < high
