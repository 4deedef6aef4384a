"""Entry of the command line: commands load only when they are called."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from qnlab import __version__
from qnlab.errors import QnlabError
from qnlab.plugins import available

_CORE = {
    "bench": "qnlab.cli.bench:bench",
    "list": "qnlab.cli.listing:listing",
    "run": "qnlab.cli.run:run",
    "runs": "qnlab.cli.runs:runs",
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
    "key-length": "secret key length of a block by a published bound",
    "keys": "what the key stores hold (never the keys)",
    "list": "procedures, benches and drivers at hand",
    "run": "run a procedure on a bench",
    "runs": "list and show what was run",
    "tags": "time-tag files: info, coincidences, histograms",
}


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qnlab")
def cli() -> None:
    """Quantum-network laboratory: instruments, procedures, keys."""


def main() -> None:
    """Run the command line; an error on purpose is one clear message and exit code 2."""
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except QnlabError as error:
        click.echo(f"qnlab: {error}", err=True)
        sys.exit(2)
