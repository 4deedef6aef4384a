"""``qnlab list``, ``qnlab bench`` and the root command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from qnlab.cli.main import cli

Qnlab = Callable[..., Any]


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of all commands below `group`."""
    found = []
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            found.append((*path, name))
            if isinstance(command, click.Group):
                found += every_command(command, (*path, name))
    return found


@pytest.mark.parametrize("path", every_command(cli), ids=" ".join)
def test_every_command_has_help_with_an_example(qnlab: Qnlab, path: tuple[str, ...]) -> None:
    said = qnlab(*path, "--help")
    assert said.code == 0
    example = said.out.partition("Example:")[2]
    assert f"qnlab {path[0]}" in " ".join(example.split())


def test_every_command_that_prints_figures_has_json() -> None:
    def leaf(path: tuple[str, ...]) -> click.Command:
        command: click.Command = cli
        for name in path:
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), name)
            assert found is not None
            command = found
        return command

    leaves = [p for p in every_command(cli) if not isinstance(leaf(p), click.Group)]
    without = [p for p in leaves if all("--json" not in o.opts for o in leaf(p).params)]
    assert without == []


def test_an_unknown_command_is_a_wrong_call(qnlab: Qnlab) -> None:
    said = qnlab("rum")
    assert said.code == 2
    assert "No such command 'rum'" in said.err


def test_a_plug_in_that_registers_no_command_is_left_out(qnlab: Qnlab, plugin: Path) -> None:
    said = qnlab("notacommand")
    assert said.code == 2
    assert "No such command 'notacommand'" in said.err


def test_list_knows_what_is_installed(qnlab: Qnlab, plugin: Path) -> None:
    told = json.loads(qnlab("list", "--json").out)
    assert told["procedures"]["probe"] == "read a power meter"
    assert "bb84" in told["procedures"]
    assert told["drivers"]["lab"] == "A meter of the lab."
    assert set(told["drivers"]) >= {"lab", "replay", "sim"}
    assert "bb84-25km" in told["benches"]
    assert {"bench", "key-length", "keys", "list", "run", "runs", "tags"} <= set(told["commands"])
    lines = qnlab("list").out.splitlines()
    assert "procedures" in lines
    assert any(line.split() == ["probe", "read", "a", "power", "meter"] for line in lines)


def test_check_of_a_good_bench(qnlab: Qnlab) -> None:
    told = json.loads(qnlab("bench", "check", "bb84-25km", "--json").out)
    assert told["fit"] is True
    assert told["procedures"] == {"bb84": []}
    assert [row["instrument"] for row in told["instruments"]][:2] == ["laser", "intensity"]
    assert all(row["simulated"] and row["problems"] == [] for row in told["instruments"])


def test_check_names_what_lacks(qnlab: Qnlab, lab: Callable[..., Path]) -> None:
    said = qnlab("bench", "check", lab("open"))
    assert said.code == 1
    assert said.out.split() == ["a", "PowerMeter", "a:", "gone", "at", "open"]
    said = qnlab("bench", "check", lab("alarm"), "--json")
    assert said.code == 1
    told = json.loads(said.out)
    assert told["fit"] is False
    assert told["instruments"][0]["problems"] == ["too hot"]


def test_check_of_a_garbled_file_is_a_line_a_problem(qnlab: Qnlab, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[bench]\nnam = 1\n[sites.a]\n[instruments]\n", encoding="utf-8")
    said = qnlab("bench", "check", path)
    assert said.code == 2
    assert said.err.splitlines() == [
        "qnlab: x.toml: bench.name: is missing; give the bench a name",
        "qnlab: x.toml: bench.nam: unknown key; did you mean name?",
    ]


def test_show_has_the_overrides(qnlab: Qnlab) -> None:
    words = ("bench", "show", "bb84-25km", "--set", "world.fibre_km='50000 m'")
    told = json.loads(qnlab(*words, "--json").out)
    assert told["world"]["fibre_km"] == 50.0
    assert told["links"] == {"quantum": {"from": "alice", "to": "bob"}}
    assert told["simulated"] is True
    lines = [line.split() for line in qnlab(*words).out.splitlines()]
    assert ["fibre_km", "50"] in lines
    assert ["quantum", "alice", "to", "bob"] in lines
