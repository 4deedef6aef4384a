"""``qnlab run``: what is printed, what is kept, and the exit status."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qnlab.plugins import available

Qnlab = Callable[..., Any]
Lab = Callable[..., Path]


PROCEDURES = sorted({*available("procedures"), "probe"})


@pytest.mark.parametrize(
    ("end", "code", "status", "reason", "detail"),
    [
        ("success", 0, "success", None, ""),
        ("abort", 1, "abort", "too_dark", "1 mW is not enough"),
        ("fail", 1, "fail", "Disconnected", "a: gone during the run [command 'POW?']"),
        (
            "clean-up",
            1,
            "fail",
            "clean_up",
            "a clean-up failed; the stop document of the run says which",
        ),
    ],
)
def test_json_is_one_object_with_the_outcome_and_what_was_found(
    qnlab: Qnlab, lab: Lab, home: Path,
    end: str, code: int, status: str, reason: str | None, detail: str,
) -> None:  # fmt: skip
    said = qnlab(
        "run",
        "probe",
        "--bench",
        lab(),
        "--seed",
        5,
        "--json",
        "--set",
        f"procedures.probe.end={end}",
    )
    assert said.code == code
    assert said.out.count("\n") == 1
    told = json.loads(said.out)
    assert told["procedure"] == "probe"
    assert told["simulated"] is False
    assert told["seed"] == 5
    assert (told["exit_status"], told["reason"], told["detail"]) == (status, reason, detail)
    assert told["power_w"] == 1e-3
    assert told["wall_s"] > 0
    assert told.get("done", False) is (end in {"success", "clean-up"})
    folder = Path(told["folder"])
    assert folder.is_relative_to(home / "runs")
    assert folder.name == told["run"]
    assert Path(told["report"]).read_text(encoding="utf-8").startswith("<!")
    if code:
        words = [status, reason, detail] if detail else [status, reason]
        assert said.err == ": ".join(map(str, words)) + "\n"
    else:
        assert said.err == ""


def test_without_json_a_table_and_the_places(qnlab: Qnlab, lab: Lab) -> None:
    said = qnlab("run", "probe", "--bench", lab())
    assert said.code == 0
    lines = said.out.splitlines()
    assert "exit_status  success" in lines
    assert "power_w      0.001" in lines
    assert lines[lines.index("meters") + 1].split() == ["item", "w"]
    assert lines[lines.index("meters") + 2].split() == ["a", "0.001"]
    assert any(line.startswith("report") and line.endswith("report.html") for line in lines)
    assert "simulated: keys of this run are not secret" not in lines


def test_progress_is_plain_lines_on_stderr_where_there_is_no_terminal(
    qnlab: Qnlab, lab: Lab
) -> None:
    said = qnlab("run", "probe", "--bench", lab(), "--duration", "0.3")
    lines = said.err.splitlines()
    assert 2 <= len(lines) <= 10
    assert lines[0] == "probe   0%  waiting"
    assert all(line.startswith("probe ") and line.endswith("%  waiting") for line in lines)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("prob",), f"no procedure named 'prob'; known: {', '.join(PROCEDURES)}"),
        (("probe", "--set", "procedures.probe.end=unfit"), "probe: no fibre is plugged in"),
        (
            ("probe", "--set", "procedures.probe.ende=1"),
            "lab.toml: procedures.probe.ende: unknown key; did you mean end?",
        ),
        (
            ("probe", "--set", "procedures.probe.duration_s='1 km'"),
            "lab.toml: procedures.probe.duration_s: wrong unit 'km'; give the value in s",
        ),
        (
            ("probe", "--set", "procedures.probe.duration_s=-1"),
            "lab.toml: procedures.probe.duration_s: "
            "should be greater than or equal to 0, got -1",
        ),
        (("probe", "--set", "duration"), "--set 'duration': needs KEY=VALUE, such as "
         "world.fibre_km=50"),
    ],
)  # fmt: skip
def test_what_cannot_start_is_one_line_and_leaves_no_run(
    qnlab: Qnlab, lab: Lab, home: Path, words: tuple[str, ...], line: str
) -> None:
    said = qnlab("run", *words, "--bench", lab())
    assert (said.code, said.out, said.err) == (2, "", f"qnlab: {line}\n")
    assert not (home / "runs").exists()


def test_an_instrument_that_cannot_be_opened_is_a_failure(
    qnlab: Qnlab, lab: Lab, home: Path
) -> None:
    said = qnlab("run", "probe", "--bench", lab("open"))
    assert (said.code, said.out, said.err) == (1, "", "qnlab: a: gone at open\n")
    assert not (home / "runs").exists()


def test_an_instrument_that_does_not_become_safe_spoils_a_good_run(qnlab: Qnlab, lab: Lab) -> None:
    said = qnlab("run", "probe", "--bench", lab("safe"), "--json")
    told = json.loads(said.out)
    assert said.code == 1
    assert (told["exit_status"], told["reason"]) == ("fail", "not_safe")
    assert told["detail"] == "a: gone at safe"
    assert told["power_w"] == 1e-3


def test_a_home_that_cannot_be_written_is_named(qnlab: Qnlab, lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    said = qnlab("run", "probe", "--bench", lab(), "--home", tmp_path / "file" / "below", "--json")
    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith(f"qnlab: {tmp_path / 'file' / 'below' / 'runs'}")
    assert said.err.count("\n") == 1


def test_wall_time_is_the_time_that_passed(qnlab: Qnlab, lab: Lab) -> None:
    begin = time.monotonic()
    told = json.loads(qnlab("run", "probe", "--bench", lab(), "--duration", "0.3", "--json").out)
    assert 0.3 <= told["wall_s"] <= time.monotonic() - begin
