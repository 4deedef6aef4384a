"""``qnlab list``: what is at hand."""

from __future__ import annotations

import click

from qnlab.cli.options import json_option
from qnlab.cli.output import print_json, print_rows
from qnlab.plugins import available


@click.command("list")
@json_option
@click.pass_context
def listing(ctx: click.Context, as_json: bool) -> None:
    """Procedures, benches, drivers and commands that are installed.

    Example: qnlab list --json
    """
    from qnlab.bench import load_bench, packaged_benches

    found = {
        "procedures": {
            name: str(point.load().summary) for name, point in available("procedures").items()
        },
        "benches": {name: load_bench(name).bench.summary for name in packaged_benches()},
        "drivers": {
            name: _first_line(point.load().__doc__) for name, point in available("drivers").items()
        },
        "commands": _commands(ctx),
    }
    if as_json:
        print_json(found)
        return
    for kind, items in found.items():
        click.echo(kind)
        print_rows(list(items.items()), 2)


def _commands(ctx: click.Context) -> dict[str, str]:
    root = ctx.find_root()
    if not isinstance(root.command, click.Group):
        return {}
    commands = {
        name: root.command.get_command(root, name) for name in root.command.list_commands(root)
    }
    return {name: item.get_short_help_str(80) for name, item in commands.items() if item}


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n")[0].replace("``", "")
