"""The benchmark commands, at a size that says nothing about speed."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_time_tags_print_each_figure_with_its_goal() -> None:
    command = [sys.executable, "-m", "benchmarks.timetags", "--json", "--tags", "40000"]
    for section in ("2-fold", "patterns", "import"):
        command += ["--only", section]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode in (0, 1), said.stderr
    found = json.loads(said.stdout)
    assert found.keys() == {"machine", "results"}
    by_name = {result["name"]: result for result in found["results"]}
    assert {"name", "value", "unit", "goal", "met"} <= by_name["2-fold / searchsorted"].keys()
    assert by_name["2-fold / searchsorted"]["goal"] == ">= 6"
    assert by_name["import qnlab"]["value"] > 0


def test_an_unknown_section_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks.timetags", "--only", "nothing"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "invalid choice: 'nothing'" in said.stderr


def test_post_processing_prints_each_figure_with_its_goal() -> None:
    command = [sys.executable, "-m", "benchmarks.postprocessing", "--json", "--repeats", "1"]
    command += ["--keys", "2"]
    for section in ("failures", "tags", "chain"):
        command += ["--only", section]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode in (0, 1), said.stderr
    by_name = {result["name"]: result for result in json.loads(said.stdout)["results"]}
    assert by_name["lan: failed keys of 1e5 bits"]["value"] == 0
    assert by_name["BBM92: secret key, a core a party"]["goal"] == ">= 5"
