"""The tomography command: figures as JSON, a picture, and what is wrong with a table and where."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from qnlab.procedures.tomography import CountsError, read_counts
from qnlab.procedures.tomography.command import tomography

JAMES = Path(__file__).with_name("james2001.csv")
PHOTON = "setting,counts\nH,5210\nV,4790\nD,9430\nA,570\nR,5100\nL,4900\n"


def test_the_installed_command_prints_one_json_object() -> None:
    program = Path(sys.executable).with_name("qnlab")
    said = subprocess.run(
        [program, "tomography", JAMES, "--json", "--bootstraps", "50"],
        capture_output=True,
        text=True,
        check=True,
    )
    table = json.loads(said.stdout)
    likely = table["maximum_likelihood"]
    assert (table["qubits"], table["settings"], table["bootstraps"]) == (2, 16, 50)
    assert likely["fidelity"]["phi+"]["value"] == pytest.approx(0.960, abs=5e-4)
    assert 0.002 < likely["fidelity"]["phi+"]["error"] < 0.006
    real = likely["density_matrix"]["real"]
    assert sum(real[k][k] for k in range(4)) == pytest.approx(1)
    assert [item["value"] for item in table["linear"]["eigenvalues"]] == pytest.approx(
        [1.02155, 0.06812, -0.02440, -0.06527], abs=1e-5
    )


def test_one_qubit_for_people_and_as_a_picture(tmp_path: Path) -> None:
    source, picture = tmp_path / "photon.csv", tmp_path / "photon.png"
    source.write_text(PHOTON, encoding="utf-8")
    said = CliRunner().invoke(tomography, [str(source), "--plot", str(picture)])
    assert said.exit_code == 0, said.output
    assert "fidelity to D" in said.output
    assert "0.943" in said.output
    assert "concurrence" not in said.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    source = tmp_path / "photon.csv"
    source.write_text(PHOTON, encoding="utf-8")
    where = tmp_path / "missing" / "photon.png"
    said = CliRunner().invoke(tomography, [str(source), "--plot", str(where)])
    assert said.exit_code == 2
    assert "cannot write" in said.output


def test_a_garbled_table_is_one_line_and_exit_status_2(tmp_path: Path) -> None:
    source = tmp_path / "bad.csv"
    source.write_bytes(b"setting,counts\nH,\xff\n")
    program = Path(sys.executable).with_name("qnlab")
    said = subprocess.run([program, "tomography", source], capture_output=True, text=True)
    assert said.returncode == 2
    assert said.stdout == ""
    assert len(said.stderr.splitlines()) == 1
    assert "expected CSV in UTF-8" in said.stderr


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("", "t.csv: row 1", "'setting,counts'"),
        ("state,counts\nH,1\n", "t.csv: row 1", "'setting,counts'"),
        ("setting,counts\n", "t.csv", "one row a setting"),
        ("setting,counts\nH,1\n\nV\n", "t.csv: row 4", "2: setting,counts"),
        ("setting,counts\nH,1,2\n", "t.csv: row 2", "2: setting,counts"),
        ("setting,counts\nX,1\n", "t.csv: row 2, column setting", "one letter of H V D A R L"),
        ("setting,counts\nHVD,1\n", "t.csv: row 2, column setting", "one letter of H V D A R L"),
        ("setting,counts\nHV,1\nH,2\n", "t.csv: row 3, column setting", "as many letters"),
        ("setting,counts\nH,1\nh,2\n", "t.csv: row 3, column setting", "each setting once"),
        ("setting,counts\nH,1\nV,-2\n", "t.csv: row 3, column counts", "a whole number"),
        ("setting,counts\nH,1.5\n", "t.csv: row 2, column counts", "a whole number"),
        ("setting,counts\nH,\n", "t.csv: row 2, column counts", "a whole number"),
        ("setting,counts\nH,99999999999999999\n", "t.csv: row 2, column counts", "to 2^53"),
        ('setting,counts\nH,"1\n', "t.csv: row 2", "plain CSV"),
        ("setting,counts\nH,1\nV,1\nD,1\nA,1\n", "t.csv", "a complete set, such as H V D R"),
        ("setting,counts\nHH,1\nVV,1\n", "t.csv", "a complete set, such as all 16 pairs"),
        ("setting,counts\nH,0\nV,0\nD,0\nR,0\n", "t.csv", "detections at some setting"),
    ],
)
def test_what_is_wrong_where_and_what_would_be_right(text: str, where: str, expected: str) -> None:
    with pytest.raises(CountsError) as caught:
        read_counts(text.splitlines(keepends=True), "t.csv")
    assert caught.value.where == where
    assert expected in caught.value.expected


def test_case_blanks_and_empty_lines_do_not_matter() -> None:
    table = read_counts(["Setting, Counts\n", "\n", " h ,1\n", "v,2\n", "d,3\n", "r,4\n"], "t.csv")
    assert table.settings == ("H", "V", "D", "R")
    assert table.counts == (1, 2, 3, 4)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_as_a_table(text: str) -> None:
    try:
        table = read_counts(["setting,counts\n", *text.splitlines(keepends=True)], "t.csv")
    except CountsError:
        return
    assert len(table.settings) == len(table.counts) >= 4
