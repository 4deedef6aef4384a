"""``qnlab keys``: look into key stores. Shows counts, ids and states, never a key."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qnlab.keys.figures import StoreReader

HOME = click.option(
    "--home",
    type=click.Path(path_type=Path),
    envvar="QNLAB_HOME",
    default=Path("~/qnlab"),
    show_default=True,
    help="Folder with runs and keys.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def keys() -> None:
    """Look into key stores and check their audit logs.

    Example: qnlab keys list
    """


@keys.command("list")
@HOME
@JSON
def list_stores(home: Path, as_json: bool) -> None:
    """List the key stores with the number of keys in each state.

    Example: qnlab keys list --json
    """
    from qnlab.keys.figures import reading

    stores = []
    for folder in _folders(home):
        with reading(folder) as reader:
            stores.append(_summary(home, reader))
    if as_json:
        click.echo(json.dumps({"stores": stores}))
        return
    if not stores:
        click.echo(f"no key stores below {_root(home)}")
    for store in stores:
        click.echo(_headline(store))
        for line in _figures(store):
            click.echo(f"  {line}")


@keys.command()
@click.argument("store")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Keys shown.")
@HOME
@JSON
def show(store: str, limit: int, home: Path, as_json: bool) -> None:
    """Show blocks and newest keys of STORE, named as `qnlab keys list` names it.

    Example: qnlab keys show bb84-25km/simulated/quantum/alice
    """
    from qnlab.keys.figures import reading

    with reading(_root(home) / store) as reader:
        summary = _summary(home, reader)
        blocks, newest = reader.blocks(), reader.keys(limit)
    if as_json:
        click.echo(json.dumps({"summary": summary, "blocks": blocks, "keys": newest}))
        return
    click.echo(_headline(summary))
    for block in blocks:
        click.echo(
            f"  block {block['block_id']}  {block['state']}  {block['keys']} keys  "
            f"epsilon {block['epsilon']:.3g}"
        )
    for key in newest:
        click.echo(f"  key {key['key_id']}  {key['state']}  {key['pair'] or ''}".rstrip())


@keys.group()
def audit() -> None:
    """Check audit logs.

    Example: qnlab keys audit verify
    """


@audit.command()
@HOME
@JSON
def verify(home: Path, as_json: bool) -> None:
    """Check every line of every audit log; exit status 1 when one is wrong.

    Example: qnlab keys audit verify --json
    """
    from qnlab.errors import StoreError
    from qnlab.keys.audit import LOG
    from qnlab.keys.audit import verify as verify_log
    from qnlab.keys.figures import reading
    from qnlab.keys.sealing import audit_key, unseal_store

    results: list[dict[str, Any]] = []
    for folder in _folders(home):
        name = _name(home, folder)
        result: dict[str, Any] = {"store": name, "ok": True, "lines": 0, "problem": None}
        try:
            with reading(folder) as reader:
                committed = int(reader.meta["audit_sequence"])
                key = audit_key(unseal_store(folder, reader.meta))
            result["lines"] = verify_log(folder / LOG, key, committed)
        except StoreError as error:
            result |= {"ok": False, "problem": str(error)}
        results.append(result)
    _report(results, as_json)
    if not all(result["ok"] for result in results):
        raise click.exceptions.Exit(1)


def _report(results: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"stores": results}))
        return
    for result in results:
        text = f"{result['lines']} lines, intact" if result["ok"] else result["problem"]
        click.echo(f"{result['store']}: {text}")


def _root(home: Path) -> Path:
    return home.expanduser() / "keys"


def _folders(home: Path) -> list[Path]:
    from qnlab.keys.database import DATABASE

    return sorted(path.parent for path in _root(home).rglob(DATABASE))


def _name(home: Path, folder: Path) -> str:
    return folder.relative_to(_root(home)).as_posix()


def _summary(home: Path, reader: StoreReader) -> dict[str, Any]:
    return {
        "store": _name(home, reader.folder),
        "link": reader.meta["link"],
        "site": reader.meta["site"],
        "simulated": reader.meta["simulated"] == "yes",
        **asdict(reader.statistics()),
    }


def _headline(store: dict[str, Any]) -> str:
    kind = "simulated: not secret" if store["simulated"] else "secret"
    return f"{store['store']}  ({kind})"


def _figures(store: dict[str, Any]) -> list[str]:
    states = ", ".join(f"{count} {state}" for state, count in store["keys"].items() if count)
    return [
        f"keys of 256 bits: {states or 'none'}",
        f"authentication key left: {store['authentication_remaining_bits']} bits",
        f"epsilon of all blocks: {store['epsilon_total']:.3g}",
    ]
