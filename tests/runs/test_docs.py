"""What docs/runs.md shows works as it stands there."""

import re
from pathlib import Path

import pytest

from tests.runs.made import a_run, chunk

PAGE = Path(__file__).parents[2] / "docs" / "runs.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    with a_run(tmp_path) as run:
        run.record("block", n=1, link_loss_db=5.0)
        run.record("block", n=2, link_loss_db=5.5)
        for k in range(3):
            run.recorder("tags").write(chunk(k))
    return run.folder


def run_snippet(opening, folder):
    (code,) = [text for text in SNIPPETS if text.startswith(opening)]
    names = {"folder": folder}
    exec(code, names)
    return names


def test_events_as_a_table(folder):
    names = run_snippet("import json", folder)
    assert names["table"].to_pydict() == {"n": [1, 2], "link_loss_db": [5.0, 5.5]}
    assert all(len(line) <= 100 for line in SNIPPETS[0].splitlines())


def test_tags_with_pyarrow(folder):
    names = run_snippet("import pyarrow.parquet", folder)
    assert names["t"].tolist() == [t for k in range(3) for t in chunk(k).t.tolist()]
    assert names["ch"].tolist() == [ch for k in range(3) for ch in chunk(k).ch.tolist()]


def test_documents_and_tags_with_qnlab(folder):
    names = run_snippet("from qnlab.runs", folder)
    assert names["tags"] == sum(len(chunk(k)) for k in range(3))
    assert names["documents"][-1][0] == "stop"


def test_all_snippets_are_tested():
    assert len(SNIPPETS) == 3
