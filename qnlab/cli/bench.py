"""``qnlab bench``: is this bench fit, and what is on it?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from qnlab.cli.options import json_option, overrides, set_option
from qnlab.cli.output import print_json, print_rows, print_values, text

if TYPE_CHECKING:
    from qnlab.bench import BenchFile, InstrumentCheck


@click.group()
def bench() -> None:
    """Check or show a bench.

    Example: qnlab bench check bb84-25km
    """


@bench.command()
@click.argument("name", metavar="BENCH")
@set_option
@json_option
@click.pass_context
def check(ctx: click.Context, name: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Validate BENCH, open every instrument and ask it how it is.

    The exit status is 1 if an instrument or a procedure of the bench lacks something, 2 if the file
    cannot be used.

    Example: qnlab bench check bb84-25km --set world.fibre_km=50
    """
    from qnlab.bench import check_bench, load_bench

    file = load_bench(name, overrides(settings))
    checks, procedures = check_bench(file)
    fit = not any(item.problems for item in checks) and not any(procedures.values())
    if as_json:
        rows = [asdict(item) for item in checks]
        print_json(
            {"bench": file.bench.name, "fit": fit, "instruments": rows, "procedures": procedures}
        )
    else:
        _print_checks(checks, procedures)
    ctx.exit(0 if fit else 1)


def _print_checks(checks: list[InstrumentCheck], procedures: dict[str, list[str]]) -> None:
    print_rows(
        [
            (item.instrument, item.role, item.model, item.serial, "; ".join(item.problems) or "ok")
            for item in checks
        ]
    )
    for name, problems in procedures.items():
        click.echo(f"procedure {name}: {'; '.join(problems) or 'ok'}")


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
    if as_json:
        print_json(file.model_dump(by_alias=True) | {"simulated": file.simulated})
    else:
        _print_file(file)


def _print_file(file: BenchFile) -> None:
    click.echo(f"{file.bench.name}: {file.bench.summary}")
    print_values({"file": file.source, "clock": file.bench.clock, "simulated": file.simulated})
    click.echo("\nsites")
    print_rows([(name, site.summary) for name, site in file.sites.items()], 2)
    click.echo("\ninstruments")
    print_rows(
        [
            (name, item.site, item.role, item.driver, item.address, text(item.settings))
            for name, item in file.instruments.items()
        ],
        2,
    )
    if file.links:
        click.echo("\nlinks")
        print_rows([(name, link.start, "to", link.end) for name, link in file.links.items()], 2)
    tables = {"limits": file.limits, "world": file.world or {}}
    tables |= {f"procedure {name}": table for name, table in file.procedures.items()}
    for title, table in tables.items():
        if table:
            click.echo(f"\n{title}")
            print_rows(list(table.items()), 2)
