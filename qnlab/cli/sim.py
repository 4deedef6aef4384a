"""``qnlab sim``: the simulated instruments of a bench, for other software."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import click

from qnlab.cli.options import json_option, overrides, set_option
from qnlab.cli.output import print_json, print_rows
from qnlab.errors import BenchError

if TYPE_CHECKING:
    from qnlab.bench import BenchContext, BenchFile


@click.group()
def sim() -> None:
    """Serve simulated instruments over their own protocols.

    Example: qnlab sim serve bb84-25km-wire
    """


@sim.command()
@click.argument("name", metavar="BENCH")
@set_option
@json_option
def serve(name: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Start a wire simulator of each instrument of BENCH that has one, until Ctrl-C.

    All stand on one simulated world that runs with the wall clock. The address of each is printed
    once all listen; any software that speaks the instrument's protocol can use it, ours with that
    address in a bench file.

    Example: qnlab sim serve bb84-25km-wire --json
    """
    from qnlab.bench import bench_context, load_bench

    file = load_bench(name, {**overrides(settings), "bench.clock": "wall"})
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    context = bench_context(file)
    try:
        _serve(file, context, as_json)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    finally:
        for wire in context.wires.values():
            wire.close()


def _serve(file: BenchFile, context: BenchContext, as_json: bool) -> None:
    from qnlab.bench import is_wired, start_wire

    rows = [
        {"instrument": name, "role": item.role, "driver": item.driver,
         "address": start_wire(file, name, context)}
        for name, item in file.instruments.items()
        if is_wired(file, name)
    ]  # fmt: skip
    if not rows:
        raise BenchError(
            f"{file.label}: no instrument to serve; it needs a driver with a wire simulator and "
            "address = 'sim'"
        )
    if as_json:
        print_json({"bench": file.bench.name, "instruments": rows})
    else:
        print_rows([tuple(row.values()) for row in rows])
    threading.Event().wait()
