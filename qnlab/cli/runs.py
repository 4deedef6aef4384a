"""``qnlab runs``: what was run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from qnlab.cli.options import home_option, json_option
from qnlab.errors import StoreError


@click.group()
def runs() -> None:
    """List and show runs.

    Example: qnlab runs list
    """


def _summary(folder: Path) -> dict[str, Any]:
    from qnlab.runs import read_documents

    documents = dict(read_documents(folder))
    start, stop = documents.get("start", {}), documents.get("stop", {})
    return {
        "run": folder.name,
        "procedure": start.get("procedure"),
        "bench": start.get("bench"),
        "seed": start.get("seed"),
        "simulated": start.get("simulated"),
        "started": start.get("started"),
        "exit_status": stop.get("exit_status", "crashed"),
        "reason": stop.get("reason", "no stop document: the process died"),
        "result": stop.get("result", {}),
        "folder": str(folder),
    }


def _folders(home: Path) -> list[Path]:
    return sorted(path.parent for path in home.glob("runs/*/*/*/start.json"))


def _find(home: Path, uid: str) -> Path:
    found = [folder for folder in _folders(home) if folder.name.startswith(uid)]
    if len(found) != 1:
        raise StoreError(f"{home}: {len(found)} runs begin with {uid!r}, one is needed")
    return found[0]


@runs.command("list")
@home_option
@json_option
def list_runs(home: Path, as_json: bool) -> None:
    """All runs, oldest first.

    Example: qnlab runs list
    """
    rows = sorted((_summary(f) for f in _folders(home)), key=lambda row: row["started"] or "")
    if as_json:
        click.echo(json.dumps([{k: v for k, v in row.items() if k != "result"} for row in rows]))
        return
    for row in rows:
        click.echo(
            f"{row['run'][:8]}  {row['started'] or '':<32.19}  {row['procedure'] or '':<12} "
            f"{row['bench'] or '':<14} {row['exit_status']:<8} {row['reason']}"
        )


@runs.command()
@click.argument("uid")
@home_option
@json_option
def show(uid: str, home: Path, as_json: bool) -> None:
    """One run; the first letters of its UID are enough.

    Example: qnlab runs show 4f2a
    """
    row = _summary(_find(home, uid))
    if as_json:
        click.echo(json.dumps(row))
        return
    for key, value in row.items():
        click.echo(f"{key:<12} {json.dumps(value) if key == 'result' else value}")


@runs.command()
@click.argument("uid")
@home_option
@json_option
def report(uid: str, home: Path, as_json: bool) -> None:
    """Write a run's report anew: an HTML file that stands alone, and a picture.

    Example: qnlab runs report 4f2a
    """
    from qnlab.runs.report import write_report

    page, picture = write_report(_find(home, uid))
    if as_json:
        click.echo(json.dumps({"report": str(page), "picture": str(picture)}))
    else:
        click.echo(f"report  {page}\npicture {picture}")
