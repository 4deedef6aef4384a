"""Whatever differs from manifest and documents is found and named."""

import json
import shutil

import pytest

from qnlab.runs.disk import sha256
from qnlab.runs.recovery import recover
from qnlab.runs.verification import verify
from tests.runs.made import a_run, chunk


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    with a_run(tmp_path_factory.mktemp("home")) as run:
        for n in range(3):
            run.record("block", n=n)
            run.recorder("tags").write(chunk(n))
    return run.folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / original.name)


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())


def enter_again(folder, name, **facts):
    """What someone does who changes a file and hides it in the manifest."""
    manifest = manifest_of(folder)
    path = folder / name
    entry = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    manifest["files"][name] = manifest["files"].get(name, {}) | entry | facts
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_good_run_is_whole(folder):
    found = verify(folder)
    assert (found.state, found.problems, found.files) == ("whole", (), 4)
    assert sorted(manifest_of(folder)["files"]) == [
        "events.jsonl", "start.json", "stop.json", "tags-000001.parquet",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["start.json", "events.jsonl", "stop.json", "tags-000001.parquet", "manifest.json"]
)
def test_a_flipped_bit_anywhere_is_found(folder, name):
    path = folder / name
    good = path.read_bytes()
    for position in range(0, len(good), max(1, len(good) // 60)):
        bad = bytearray(good)
        bad[position] ^= 4
        path.write_bytes(bad)
        if name == "manifest.json" and json_equal(good, bad):
            continue
        found = verify(folder)
        assert found.state == "damaged", position
        assert found.problems
    path.write_bytes(good)
    assert verify(folder).state == "whole"


def json_equal(a, b):
    """Whether a flip changed white space only."""
    try:
        return json.loads(a) == json.loads(b)
    except ValueError:
        return False


def test_a_missing_and_a_further_file_are_named(folder):
    (folder / "tags-000001.parquet").unlink()
    (folder / "notes.txt").write_text("?")
    problems = verify(folder).problems
    assert "tags-000001.parquet: missing" in problems
    assert "notes.txt: not in the manifest" in problems


def test_reports_may_lie_beside(folder):
    (folder / "report.html").write_text("")
    assert verify(folder).state == "whole"


def test_an_event_that_was_taken_out_is_missed_even_if_the_manifest_agrees(folder):
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"seq_num":2' not in line]
    assert len(kept) == len(lines) - 1
    path.write_text("".join(kept))
    enter_again(folder, "events.jsonl")
    assert any("event 3 of 'block', expected 2" in text for text in verify(folder).problems)


def test_a_count_of_the_stop_document_is_compared(folder):
    stop = json.loads((folder / "stop.json").read_text())
    stop["num_events"]["block"] = 4
    (folder / "stop.json").write_text(json.dumps(stop))
    enter_again(folder, "stop.json")
    assert [text[:22] for text in verify(folder).problems] == ["stop.json: num_events "]


def test_rows_of_manifest_documents_and_file_are_compared(folder):
    enter_again(folder, "tags-000001.parquet", rows=7, chunks=2)
    problems = " ".join(verify(folder).problems)
    assert "by its stream_resource, 7 by the manifest" in problems
    assert "3 chunks by its stream_datum, 2 by the manifest" in problems
    assert "in 3 chunks, the manifest says 7 in 2" in problems


def test_an_exchanged_segment_is_found_even_if_the_manifest_agrees(folder, tmp_path):
    with a_run(tmp_path / "other") as run:
        for k in range(3):
            run.recorder("tags").write(chunk(k, most=9))
    shutil.copy(run.folder / "tags-000001.parquet", folder)
    enter_again(folder, "tags-000001.parquet")
    assert any("tags-000001.parquet: holds" in text for text in verify(folder).problems)


def test_a_document_of_another_run_is_found(folder, tmp_path):
    moved = folder.rename(tmp_path / "another name")
    assert any("is not the name of the folder" in text for text in verify(moved).problems)


def test_a_run_that_is_written_is_not_judged(tmp_path):
    with a_run(tmp_path) as run:
        run.record("block", n=0)
        assert verify(run.folder).state == "running"
        with pytest.raises(Exception, match="a living process writes this run"):
            recover(run.folder)
    assert verify(run.folder).state == "whole"
