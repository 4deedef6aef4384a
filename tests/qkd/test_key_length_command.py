"""The key-length command: same figures as the bounds, and one clear line for bad input."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from qnlab.procedures.qkd.key_length_command import key_length

TWO_DECOY = {
    "intensities": [0.4282842881234905, 0.17633237709382277, 0],
    "probabilities": [0.13805084558731817, 0.5128431335302637, 0.34910602088241816],
    "key": {
        "detections": [151365.01263440706, 234130.72520746535, 3015.1110343667656],
        "errors": [5551.848873684462, 9794.775217286584, 0],
    },
    "test": {
        "detections": [24580.59845773933, 38021.15986238035, 489.63252703763663],
        "errors": [901.5806591428209, 1590.6016351443823, 244.8162635197096],
    },
    "leak_ec_bits": 113756.10574087841,
    "eps_sec": 1e-10,
    "eps_cor": 1e-15,
}
ONE_DECOY = {
    "intensities": [0.5, 0.15],
    "probabilities": [0.7, 0.3],
    "key": {"detections": [2e7, 3e6], "errors": [2e5, 3e4]},
    "test": {"detections": [2e6, 3e5], "errors": [2e4, 3e3]},
    "leak_ec_bits": 2e6,
    "eps_sec": 1e-10,
    "eps_cor": 1e-15,
}
BBM92 = {
    "n": 90000,
    "k": 10000,
    "qber": 0.02,
    "leak_ec_bits": 15000,
    "tag_bits": 128,
    "eps_sec": 1e-10,
    "eps_cor": 1e-15,
}


def run(*arguments: str, table: object) -> tuple[int, str, str]:
    text = table if isinstance(table, str) else json.dumps(table)
    result = CliRunner().invoke(key_length, list(arguments), input=text)
    return result.exit_code, result.stdout, result.stderr


def test_the_published_two_decoy_point() -> None:
    code, out, _ = run("bb84-2-decoy", "--method", "lim2014", "--json", table=TWO_DECOY)
    answer = json.loads(out)
    assert code == 0
    assert answer["secret_bits"] == 41368
    assert answer["phase_error"] == pytest.approx(0.0816043, abs=5e-8)


def test_the_default_method_is_the_recommended_proof() -> None:
    default = run("bb84-1-decoy", "--json", table=ONE_DECOY)
    named = run("bb84-1-decoy", "--method", "wiesemann2024", "--json", table=ONE_DECOY)
    other = run("bb84-1-decoy", "--method", "rusca2018", "--json", table=ONE_DECOY)
    assert default == named
    assert json.loads(default[1])["secret_bits"] > 0
    assert json.loads(other[1])["secret_bits"] != json.loads(named[1])["secret_bits"]


def test_a_table_for_people_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "block.json"
    path.write_text(json.dumps(BBM92))
    code, out, _ = run("bbm92", "--input", str(path), table="")
    exact = json.loads(run("bbm92", "--json", table=BBM92)[1])["secret_bits"]
    assert code == 0
    assert f"{exact:,}" in out


def _changed(table: dict[str, object], path: tuple[str, ...], value: object) -> dict[str, object]:
    changed = copy.deepcopy(table)
    inner: dict[str, object] = changed
    for key in path[:-1]:
        inner = inner[key]  # type: ignore[assignment]
    inner[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("colour",), 1, "colour"),
        (("key", "gain"), [1, 2], "gain"),
        (("key", "errors"), [1, 2, 3], "key.errors"),
        (("intensities",), [0.5, 0.2, 0.1], "intensities"),
        (("test", "detections"), [2e6, -1], "test.detections[1]"),
        (("test", "errors"), [3e6, 1], "test.errors[0]"),
        (("test", "errors"), "none", "test.errors"),
        (("leak_ec_bits",), float("nan"), "leak_ec_bits"),
        (("leak_ec_bits",), True, "leak_ec_bits"),
        (("leak_ec_bits",), 10**400, "leak_ec_bits"),
        (("intensities",), [1000, 0.1], "intensities[0]"),
        (("eps_sec",), 0, "eps_sec"),
        (("eps_cor",), 1.0, "eps_cor"),
        (("key",), [1, 2], "key"),
    ],
)
def test_bad_input_names_the_key_and_exits_2(
    path: tuple[str, ...], value: object, said: str
) -> None:
    code, out, err = run("bb84-1-decoy", "--json", table=_changed(ONE_DECOY, path, value))
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert said in err
    assert "expected" in err


@pytest.mark.parametrize(
    ("arguments", "table", "said"),
    [
        (("bbm92",), {k: v for k, v in BBM92.items() if k != "n"}, "n: "),
        (("bbm92",), BBM92 | {"n": 1.5}, "n: "),
        (("bbm92",), "{", "input"),
        (("bbm92",), "[]", "input"),
        (("bbm92",), '{"n": 1, "n": 2}', "twice"),
        (("bbm92", "--method", "lim2014"), BBM92, "tomamichel2017"),
    ],
)
def test_unusable_requests_exit_2(arguments: tuple[str, ...], table: object, said: str) -> None:
    code, out, err = run(*arguments, "--json", table=table)
    assert (code, out) == (2, "")
    assert said in err


def test_help_shows_an_example() -> None:
    assert "Example:" in run("--help", table="")[1]
