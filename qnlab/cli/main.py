"""Entry of the command line: commands load only when they are called."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from qnlab import __version__
from qnlab.errors import InstrumentError, QnlabError, StoreError
from qnlab.plugins import available

_CORE = {
    "bench": "qnlab.cli.bench:bench",
    "list": "qnlab.cli.listing:listing",
    "run": "qnlab.cli.run:run",
    "runs": "qnlab.cli.runs:runs",
    "serve": "qnlab.cli.serve:serve",
    "sim": "qnlab.cli.sim:sim",
    "tags": "qnlab.cli.tags:tags",
}


class LazyGroup(click.Group):
    """Core commands by name, and those of the entry-point group ``qnlab.commands``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_CORE, *available("commands")})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in _CORE:
            module, attribute = _CORE[name].split(":")
            command = getattr(import_module(module), attribute)
        else:
            point = available("commands").get(name)
            command = point.load() if point else None
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _SUMMARY.get(name, "")) for name in self.list_commands(ctx)])


_SUMMARY = {
    "bench": "check or show a bench file",
    "gui": "desktop window on a bench",
    "key-length": "secret key length of a block by a published bound",
    "keys": "what the key stores hold (never the keys)",
    "list": "procedures, benches and drivers at hand",
    "run": "run a procedure on a bench",
    "runs": "list, show, verify and recover what was run",
    "serve": "own a bench and serve it to GUI, scripts and monitoring",
    "sim": "serve the simulated instruments of a bench to other software",
    "tags": "time tags: info, coincidences, histograms, convert, record",
    "tomography": "state of one or two qubits from counts",
}


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qnlab")
def cli() -> None:
    """Quantum-network laboratory: instruments, procedures, keys."""


def main() -> None:
    """Run the command line; an error on purpose is one clear message.

    The exit status is 2 for a wrong call, bench file or file to read, 1 for an instrument or a
    store that fails, 130 after Ctrl-C.
    """
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except QnlabError as error:
        _show(error)
        sys.exit(1 if isinstance(error, (InstrumentError, StoreError)) else 2)
    except ExceptionGroup as group:
        known, other = group.split(QnlabError)
        if known is None or other is not None:
            raise
        _show(known)
        sys.exit(1)


def _show(error: Exception) -> None:
    if isinstance(error, ExceptionGroup):
        for member in error.exceptions:
            _show(member)
        return
    for line in [*str(error).splitlines(), *getattr(error, "__notes__", ())]:
        click.echo(f"qnlab: {line}", err=True)
