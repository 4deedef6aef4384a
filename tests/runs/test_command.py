"""``qnlab runs`` as a person calls it."""

import json
import shutil
import sys

import pytest

from qnlab.cli import main
from tests.runs.made import a_run, chunk


@pytest.fixture
def qnlab(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("QNLAB_HOME", str(tmp_path))

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["qnlab", "runs", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call


@pytest.fixture
def whole(tmp_path):
    with a_run(tmp_path) as run:
        run.record("count", n=0)
        run.recorder("tags").write(chunk(1))
        run.result({"secret_bits": 5})
    return run.folder


@pytest.fixture
def dead(tmp_path):
    with a_run(tmp_path / "other") as run:
        for n in range(3):
            run.record("count", n=n)
        folder = tmp_path / run.folder.relative_to(tmp_path / "other")
        shutil.copytree(run.folder, folder)
    shutil.rmtree(tmp_path / "other")
    return folder


def test_list(qnlab, whole, dead):
    code, out, _ = qnlab("list", "--json")
    assert code == 0
    assert [(row["run"], row["exit_status"]) for row in json.loads(out)["runs"]] == [
        (whole.name, "success"), (dead.name, "crashed"),
    ]  # fmt: skip
    out = qnlab("list", "--status", "crashed", "--limit", "1")[1]
    assert dead.name[:8] in out
    assert whole.name[:8] not in out
    assert "no such runs" in qnlab("list", "--since", "2999-01-01")[1]


def test_an_empty_home_is_a_sentence(qnlab, tmp_path):
    assert qnlab("list") == (0, f"{tmp_path}: no runs yet\n", "")
    for words in (["show", "a"], ["report", "a"], ["verify", "--all"], ["recover", "--all"]):
        code, out, err = qnlab(*words)
        assert (code, out) == (1, "")
        assert err.startswith(f"qnlab: {tmp_path}: holds no runs")


def test_show(qnlab, whole):
    row = json.loads(qnlab("show", whole.name[:8], "--json")[1])
    assert row["streams"] == [
        {"stream": "count", "events": 1, "tags": None},
        {"stream": "tags", "events": 1, "tags": len(chunk(1))},
    ]
    assert (row["result"], row["report"], row["cause"]) == ({"secret_bits": 5}, None, "")
    assert f"tags    1       {len(chunk(1))}" in qnlab("show", whole.name)[1]


def test_an_ambiguous_uid_names_the_candidates(qnlab, whole, dead):
    code, _, err = qnlab("show", "")
    assert code == 1
    assert whole.name in err
    assert dead.name in err


def test_verify_and_recover(qnlab, whole, dead):
    code, out, _ = qnlab("verify", "--all", "--json")
    assert (code, json.loads(out)["whole"]) == (1, False)
    assert qnlab("verify", whole.name)[0] == 0
    code, out, _ = qnlab("recover", "--all")
    assert code == 0
    assert f"{dead.name[:8]}  closed; events and chunks kept: 3 in count" in out
    assert f"{whole.name[:8]}  whole" in out
    assert qnlab("verify", "--all")[0] == 0
    (whole / "tags-000001.parquet").unlink()
    code, out, _ = qnlab("verify", "--all")
    assert code == 1
    assert "tags-000001.parquet: missing" in out


def test_recover_tells_what_it_cannot_close_and_closes_the_rest(qnlab, whole, dead):
    (whole / "stop.json").unlink()
    (whole / "start.json").write_text("{")
    code, out, _ = qnlab("recover", "--all", "--json")
    told = json.loads(out)
    assert code == 1
    assert [row["run"] for row in told["runs"]] == [dead.name]
    assert "start.json: cannot be read" in told["problems"][0]


def test_a_run_in_progress_is_left_alone(qnlab, tmp_path):
    with a_run(tmp_path) as run:
        assert json.loads(qnlab("recover", "--all", "--json")[1]) == {"runs": [], "problems": []}
        assert qnlab("verify", "--all")[0] == 0
        code, _, err = qnlab("recover", run.uid)
        assert code == 1
        assert "a living process writes this run" in err
        assert qnlab("list", "--status", "running")[1].count(run.uid[:8]) == 1


@pytest.mark.parametrize("words", [["verify"], ["recover", "--all", "a"]])
def test_which_runs_must_be_said(qnlab, whole, words):
    code, _, err = qnlab(*words)
    assert code == 2
    assert "--all" in err


def test_report(qnlab, whole):
    told = json.loads(qnlab("report", whole.name[:8], "--pdf", "--json")[1])
    assert sorted(told) == ["pdf", "picture", "report"]
    assert json.loads(qnlab("show", whole.name, "--json")[1])["report"] == told["report"]
    assert qnlab("verify", whole.name)[0] == 0
