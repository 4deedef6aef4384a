"""The list of runs is right whatever happens to its index."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from qnlab.errors import Aborted, StoreError
from qnlab.runs.catalogue import FILE, find_run, list_runs
from qnlab.runs.recovery import recover
from qnlab.runs.verification import verify
from tests.runs.made import a_run


@pytest.fixture
def home(tmp_path):
    """One success, one abort, one crash."""
    with a_run(tmp_path):
        pass
    with pytest.raises(Aborted), a_run(tmp_path) as run:  # noqa: PT012
        run.abort("operator")
        run.checkpoint()
    with a_run(tmp_path / "other") as run:
        dead = tmp_path / run.folder.relative_to(tmp_path / "other")
        shutil.copytree(run.folder, dead)
    shutil.rmtree(tmp_path / "other")
    return tmp_path


def statuses(home, **chosen):
    return [entry.exit_status for entry in list_runs(home, **chosen)]


def indexed(home):
    with closing(sqlite3.connect(home / FILE)) as index:
        rows = index.execute("SELECT entry FROM runs").fetchall()
    return sorted(json.loads(row[0])["exit_status"] for row in rows)


def test_runs_are_listed_oldest_first_and_only_ended_ones_are_indexed(home):
    for _ in range(2):
        entries = list_runs(home)
        assert [entry.exit_status for entry in entries] == ["success", "abort", "crashed"]
        assert (entries[1].reason, entries[0].reason) == ("operator", "")
        assert "qnlab runs recover" in entries[2].reason
        facts = entries[0].as_dict()
        assert (facts["procedure"], facts["bench"], facts["seed"], facts["simulated"]) == (
            "p", "b", 5, True,
        )  # fmt: skip
        assert facts["duration_s"] == 0
        assert indexed(home) == ["abort", "success"]


def test_a_run_in_progress_is_running(home):
    with a_run(home):
        assert statuses(home)[-1] == "running"
    assert statuses(home)[-1] == "success"


def test_a_recovered_run_is_a_failed_one(home):
    dead = list_runs(home, status="crashed")[0]
    recover(find_run(home, dead.run))
    assert (list_runs(home)[-1].exit_status, list_runs(home)[-1].reason) == ("fail", "crashed")


def test_filters(home):
    assert statuses(home, status="abort") == ["abort"]
    assert statuses(home, limit=2) == ["abort", "crashed"]
    assert statuses(home, limit=0) == []
    assert statuses(home, procedure="q") == []
    now = datetime.now(UTC)
    assert len(list_runs(home, since=now - timedelta(hours=1))) == 3
    assert list_runs(home, since=(now + timedelta(hours=1)).replace(tzinfo=None)) == []


def test_a_run_that_was_removed_or_changed_is_not_listed_as_it_was(home):
    first, second, _ = list_runs(home)
    shutil.rmtree(first.folder)
    stop = home / second.folder / "stop.json"
    stop.write_text(json.dumps(json.loads(stop.read_text()) | {"reason": "qber_abort"}))
    entries = list_runs(home)
    assert len(entries) == 2
    assert entries[0].run == second.run
    assert entries[0].reason == "qber_abort"
    assert indexed(home) == ["abort"]


@pytest.mark.parametrize("name", ["start.json", "stop.json"])
@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"uid": 1, "started": "?"}'])
def test_a_garbled_document_is_a_damaged_run_and_hides_no_other(home, name, text):
    first = list_runs(home)[0]
    (home / first.folder / name).write_text(text)
    entries = {entry.run: entry for entry in list_runs(home)}
    assert len(entries) == 3
    assert entries[first.run].exit_status == "damaged"
    assert entries[first.run].reason


def test_a_run_without_its_start_document_is_damaged_not_gone(home):
    first = list_runs(home)[0]
    (home / first.folder / "start.json").unlink()
    entries = {entry.run: entry for entry in list_runs(home)}
    assert len(entries) == 3
    assert entries[first.run].exit_status == "damaged"
    assert verify(home / first.folder).problems[0] == "start.json: missing"


def test_the_index_heals_from_any_damage(home):
    right = list_runs(home)
    good = (home / FILE).read_bytes()
    damages = [b"", b"no database", good[: len(good) // 2], good[:100] + bytes(len(good) - 100)]
    for damage in damages:
        for path in home.glob(FILE + "*"):
            path.unlink()
        (home / FILE).write_bytes(damage)
        assert list_runs(home) == right
        assert indexed(home) == ["abort", "success"]


def test_no_flipped_byte_of_the_index_makes_a_wrong_list(home):
    right = list_runs(home)
    good = (home / FILE).read_bytes()
    for position in range(0, len(good), 41):
        for path in home.glob(FILE + "*"):
            path.unlink()
        flipped = good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
        (home / FILE).write_bytes(flipped)
        assert list_runs(home) == right, position


def test_the_index_of_another_layout_is_made_again(home):
    right = list_runs(home)
    with closing(sqlite3.connect(home / FILE)) as index, index:
        index.execute("DROP TABLE runs")
        index.execute("PRAGMA user_version = 99")
    assert list_runs(home) == right


def test_a_home_whose_index_cannot_be_written_is_listed_all_the_same(home):
    right = list_runs(home)
    for path in home.glob(FILE + "*"):
        path.unlink()
    (home / FILE).mkdir()
    assert list_runs(home) == right


def test_many_processes_list_at_once(home):
    code = (
        "import sys; from pathlib import Path; from qnlab.runs.catalogue import list_runs; "
        "print([[e.exit_status for e in list_runs(Path(sys.argv[1]))] for _ in range(20)])"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, home], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for child in children:
        said, _ = child.communicate(timeout=60)
        assert said.strip() == str([["success", "abort", "crashed"]] * 20)


def test_a_run_is_found_by_its_first_letters(home):
    entry = list_runs(home)[0]
    assert find_run(home, entry.run[:13]).name == entry.run
    with pytest.raises(StoreError, match="no run begins with 'zz'"):
        find_run(home, "zz")
    with pytest.raises(StoreError, match=f"3 runs begin with '': .*{entry.run}"):
        find_run(home, "")
    with pytest.raises(StoreError, match="holds no runs"):
        find_run(home / "elsewhere", "a")
    assert list_runs(home / "elsewhere") == []


def test_thousands_of_runs_are_listed_in_the_time_of_their_stat_calls(home):
    entry = list_runs(home)[0]
    original = home / entry.folder
    for number in range(2000):
        copy = original.with_name(f"{number:08d}{entry.run[8:]}")
        copy.mkdir()
        for name in ("start.json", "stop.json"):
            os.link(original / name, copy / name)
    assert len(list_runs(home)) == 2003
    begin = datetime.now(UTC)
    assert len(list_runs(home)) == 2003
    again = datetime.now(UTC) - begin
    assert again.total_seconds() < 1
