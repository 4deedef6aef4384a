"""``qnlab bench``: is this bench fit, and what is on it?"""

from __future__ import annotations

import json
import sys

import click

from qnlab.cli.options import json_option, overrides, set_option


@click.group()
def bench() -> None:
    """Check or show a bench."""


@bench.command()
@click.argument("name", metavar="BENCH")
@set_option
@json_option
def check(name: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Validate BENCH, open every instrument and ask it how it is.

    Example: qnlab bench check bb84-25km
    """
    from qnlab.bench import load_bench, open_bench

    with open_bench(load_bench(name, overrides(settings))) as opened:
        rows = []
        for key, item in opened.instruments.items():
            health, identity = item.health(), item.identity
            rows.append(
                {
                    "instrument": key,
                    "role": item.role,
                    "model": identity.model,
                    "serial": identity.serial,
                    "simulated": identity.simulated,
                    "alarm": health.alarm.name.lower(),
                    "problems": list(health.problems),
                }
            )
    if as_json:
        click.echo(json.dumps({"bench": name, "instruments": rows}))
    else:
        for row in rows:
            state = "; ".join(row["problems"]) or "ok"
            click.echo(f"{row['instrument']:<14} {row['role']:<24} {row['model']:<34} {state}")
    sys.exit(0 if all(row["alarm"] == "none" for row in rows) else 1)


@bench.command()
@click.argument("name", metavar="BENCH")
@set_option
@json_option
def show(name: str, settings: tuple[str, ...], as_json: bool) -> None:
    """What BENCH says, overrides included.

    Example: qnlab bench show bb84-25km --set world.fibre_km=50
    """
    from qnlab.bench import load_bench

    file = load_bench(name, overrides(settings))
    data = file.model_dump(by_alias=True)
    if as_json:
        click.echo(json.dumps(data))
        return
    click.echo(f"{file.bench.name}: {file.bench.summary}\nfile {file.source}")
    for key, item in file.instruments.items():
        click.echo(f"  {key:<14} {item.role:<24} {item.driver}:{item.address} at {item.site}")
    for key, value in (file.world or {}).items():
        click.echo(f"  world.{key} = {value}")
