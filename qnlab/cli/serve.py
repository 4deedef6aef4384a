"""``qnlab serve``: a bench host, for GUI, scripts and monitoring."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from qnlab.cli.options import home_option, json_option, overrides, set_option
from qnlab.cli.output import print_json


@click.command()
@click.argument("bench", metavar="BENCH")
@click.option(
    "--listen", default="127.0.0.1:7447", show_default=True, metavar="HOST:PORT",
    help="Where clients reach it; other than loopback needs the three TLS files.",
)  # fmt: skip
@click.option("--authority", type=click.Path(path_type=Path, exists=True), help="TLS: CA file.")
@click.option("--certificate", type=click.Path(path_type=Path, exists=True), help="TLS: own.")
@click.option("--key", type=click.Path(path_type=Path, exists=True), help="TLS: private key.")
@click.option("--seed", type=click.IntRange(0), help="Root of all simulated randomness.")
@set_option
@home_option
@json_option
def serve(
    bench: str,
    listen: str,
    authority: Path | None,
    certificate: Path | None,
    key: Path | None,
    seed: int | None,
    settings: tuple[str, ...],
    home: Path,
    as_json: bool,
) -> None:
    """Own BENCH and serve it until Ctrl-C, which leaves every instrument in its safe state.

    Simulated benches follow the wall clock. One line tells when clients may come.

    Example: qnlab serve bb84-25km --listen 127.0.0.1:7447
    """
    from qnlab.host import Host
    from qnlab.port.network import Credentials, Gateway

    files = (authority, certificate, key)
    if any(files) and not all(files):
        raise click.UsageError("--authority, --certificate and --key belong together")
    credentials = (
        Credentials(authority, certificate, key) if authority and certificate and key else None
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Host(bench, home=home, seed=seed, overrides=overrides(settings)) as host:
        gateway = Gateway(host.bus, listen, credentials)
        facts = {"bench": host.bench.name, "simulated": host.bench.simulated, "address": listen}
        if as_json:
            print_json(facts)
        else:
            click.echo(f"{host.bench.name} is served at {listen}; Ctrl-C stops it")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("stopping: every instrument to its safe state", err=True)
        finally:
            gateway.close()
