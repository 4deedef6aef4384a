"""``qnlab list``: what is at hand."""

from __future__ import annotations

import json

import click

from qnlab.cli.options import json_option
from qnlab.plugins import available


@click.command("list")
@json_option
def listing(as_json: bool) -> None:
    """Procedures, benches and drivers that are installed.

    Example: qnlab list --json
    """
    from qnlab.bench import load_bench, packaged_benches

    found = {
        "procedures": {
            name: str(point.load().summary) for name, point in available("procedures").items()
        },
        "benches": {name: load_bench(name).bench.summary for name in packaged_benches()},
        "drivers": {name: point.value for name, point in available("drivers").items()},
    }
    if as_json:
        click.echo(json.dumps(found))
        return
    for kind, items in found.items():
        click.echo(kind)
        for name, summary in items.items():
            click.echo(f"  {name:<16} {summary}")
