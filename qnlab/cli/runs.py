"""``qnlab runs``: what was run, and whether it is still as it was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qnlab.cli.options import home_option, json_option
from qnlab.cli.output import print_json, print_rows, print_values
from qnlab.errors import FormatError, StoreError

if TYPE_CHECKING:
    from qnlab.runs.catalogue import Entry

FAILED = 1
_STATUSES = ("success", "abort", "fail", "crashed", "running", "damaged")

uids_argument = click.argument("uids", nargs=-1, metavar="[UID]...")
all_option: Callable[[Any], Any] = click.option(
    "--all", "everything", is_flag=True, help="All runs."
)


@click.group()
def runs() -> None:
    """List, show, verify and recover runs.

    Example: qnlab runs list
    """


@runs.command("list")
@click.option("--procedure", metavar="NAME", help="Only runs of this procedure.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    metavar="DATE",
    help="Only runs begun then or later (UTC): 2026-01-31 or 2026-01-31T12:00.",
)
@click.option("--status", type=click.Choice(_STATUSES), help="Only runs that ended so.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the N newest.")
@home_option
@json_option
def list_runs(
    procedure: str | None,
    since: datetime | None,
    status: str | None,
    limit: int | None,
    home: Path,
    as_json: bool,
) -> None:
    """All runs, oldest first.

    Example: qnlab runs list --procedure bb84 --status success --limit 20
    """
    from qnlab.runs import catalogue

    entries = catalogue.list_runs(
        home, procedure=procedure, since=since, status=status, limit=limit
    )
    if as_json:
        print_json({"runs": [entry.as_dict() for entry in entries]})
        return
    if not entries:
        chosen = procedure or since or status
        click.echo(f"{home}: {'no such runs' if chosen else 'no runs yet'}")
        return
    head = ("run", "started (UTC)", "procedure", "bench", "duration (s)", "status", "reason")
    print_rows([head, *(_row(entry) for entry in entries)])


def _row(entry: Entry) -> tuple[object, ...]:
    started = (entry.started or "")[:19].replace("T", " ")
    kind, place, length = entry.procedure, entry.bench, entry.duration_s
    return entry.run[:8], started, kind, place, length, entry.exit_status, entry.reason


@runs.command()
@click.argument("uid")
@home_option
@json_option
def show(uid: str, home: Path, as_json: bool) -> None:
    """One run; the first letters of its UID are enough.

    Example: qnlab runs show 4f2a
    """
    from qnlab.runs.catalogue import find_run
    from qnlab.runs.summary import summarise

    row = summarise(find_run(home, uid))
    if as_json:
        print_json(row)
    else:
        print_values(row)


@runs.command()
@uids_argument
@all_option
@home_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context, uids: tuple[str, ...], everything: bool, home: Path, as_json: bool
) -> None:
    """Compare runs with their manifests and documents; exit status 1 if something is wrong.

    Example: qnlab runs verify --all
    """
    from qnlab.runs.verification import verify as verify_run

    found = [verify_run(folder) for folder in _chosen(home, uids, everything)]
    good = all(result.state in ("whole", "running") for result in found)
    if as_json:
        print_json({"whole": good, "runs": [result.as_dict() for result in found]})
    else:
        for result in found:
            click.echo(f"{result.run[:8]}  {result.state}, {result.files} files as written")
            for problem in result.problems:
                click.echo(f"          {problem}")
    if not good:
        ctx.exit(FAILED)


@runs.command()
@uids_argument
@all_option
@home_option
@json_option
@click.pass_context
def recover(
    ctx: click.Context, uids: tuple[str, ...], everything: bool, home: Path, as_json: bool
) -> None:
    """Close runs whose process died, keeping all that was whole. Whole runs stay as they are.

    With --all, runs in progress are left alone. Exit status 1 if a run cannot be closed.

    Example: qnlab runs recover --all
    """
    from qnlab.runs.ownership import is_owned
    from qnlab.runs.recovery import recover as recover_run

    folders = _chosen(home, uids, everything)
    done: list[Mapping[str, Any]] = []
    problems: list[str] = []
    for folder in folders:
        if everything and is_owned(folder):
            continue
        try:
            done.append(recover_run(folder).as_dict())
        except (StoreError, FormatError) as error:
            problems.append(str(error))
    if as_json:
        print_json({"runs": done, "problems": problems})
    else:
        for row in done:
            counts = ", ".join(f"{n} in {name}" for name, n in row["num_events"].items()) or "none"
            what = f"closed; events and chunks kept: {counts}" if row["changed"] else "whole"
            torn = f"; {row['torn_bytes']} torn bytes set apart" if row["torn_bytes"] else ""
            click.echo(f"{row['run'][:8]}  {what}{torn}")
        for problem in problems:
            click.echo(f"qnlab: {problem}", err=True)
    if problems:
        ctx.exit(FAILED)


@runs.command()
@click.argument("uid")
@click.option("--pdf", is_flag=True, help="Write the figures as report.pdf, too.")
@home_option
@json_option
def report(uid: str, pdf: bool, home: Path, as_json: bool) -> None:
    """Write a run's report anew: an HTML file that stands alone, and a picture.

    Example: qnlab runs report 4f2a
    """
    from qnlab.runs.catalogue import find_run
    from qnlab.runs.report import write_pdf, write_report

    folder = find_run(home, uid)
    page, picture = write_report(folder)
    written = {"report": str(page), "picture": str(picture)}
    if pdf:
        written["pdf"] = str(write_pdf(folder))
    if as_json:
        print_json(written)
    else:
        print_values(written)


def _chosen(home: Path, uids: tuple[str, ...], everything: bool) -> list[Path]:
    from qnlab.runs.catalogue import find_run, run_folders

    if everything == bool(uids):
        raise click.UsageError("name runs by the first letters of their UIDs, or give --all")
    if not everything:
        return [find_run(home, uid) for uid in uids]
    folders = run_folders(home)
    if not folders:
        raise StoreError(f"{home}: holds no runs; --home or $QNLAB_HOME says where they are")
    return folders
