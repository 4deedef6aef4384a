"""``qnlab conformance``: do the instruments of a bench keep the contracts of their roles?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from qnlab.cli.options import json_option, overrides, set_option
from qnlab.cli.output import print_json, print_rows
from qnlab.errors import BenchError

if TYPE_CHECKING:
    from qnlab.bench import Bench
    from qnlab.instruments.contract import Outcome

BAD = ("violated", "failed")


@click.command()
@click.argument("name", metavar="BENCH")
@click.option("--instrument", "chosen", multiple=True, help="Only this one; may be repeated.")
@click.option("--yes", is_flag=True, help="Do not ask before real instruments are driven.")
@set_option
@json_option
@click.pass_context
def conformance(
    ctx: click.Context,
    name: str,
    chosen: tuple[str, ...],
    yes: bool,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check the instruments of BENCH against the contracts of their roles.

    The checks drive every instrument through its whole range: lasers emit, shutters open, actuators
    move to their ends. Limits and interlocks of the bench hold; after each check the instrument is
    made safe. The exit status is 1 if a promise is not kept.

    Example: qnlab conformance bb84-25km --instrument laser
    """
    from qnlab.bench import load_bench, open_bench

    file = load_bench(name, overrides(settings))
    absent = [item for item in chosen if item not in file.instruments]
    if absent:
        have = ", ".join(file.instruments)
        raise BenchError(f"{file.label}: no instrument {absent[0]!r}; it has {have}")
    if not (file.simulated or yes):
        click.confirm(
            f"Drive the real instruments of {file.bench.name} through their ranges?",
            abort=True,
            err=True,
        )
    with open_bench(file) as bench:
        found = _examined(bench, chosen or tuple(file.instruments))
    kept = not any(item.result in BAD for outcomes in found.values() for item in outcomes)
    if as_json:
        print_json({"bench": file.bench.name, "kept": kept, "instruments": _rows(found)})
    else:
        _print(found)
    ctx.exit(0 if kept else 1)


def _examined(bench: Bench, names: tuple[str, ...]) -> dict[str, list[Outcome]]:
    from qnlab.instruments.contract import Context, examine

    context = Context(bench.clock)
    return {name: examine(bench.instruments[name], context) for name in names}


def _rows(found: dict[str, list[Outcome]]) -> list[dict[str, str]]:
    return [
        {
            "instrument": name,
            "role": item.check.role,
            "check": item.check.name,
            "promise": item.check.statement,
            "result": item.result,
            "detail": item.detail,
        }
        for name, outcomes in found.items()
        for item in outcomes
    ]


def _print(found: dict[str, list[Outcome]]) -> None:
    for name, outcomes in found.items():
        passed = sum(item.result == "passed" for item in outcomes)
        click.echo(f"{name}: {passed} of {len(outcomes)} checks passed")
        print_rows(
            [
                (item.result, item.check.name, item.detail)
                for item in outcomes
                if item.result != "passed"
            ],
            2,
        )
