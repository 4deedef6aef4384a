"""``qnlab tags``: look into time-tag files and run folders, convert them, record new ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qnlab.cli.options import home_option, json_option, set_option
from qnlab.errors import QnlabError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qnlab.tags.files import FileInfo, TagFile

_FILE = click.argument("file", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_STREAM = click.option("--stream", help="Tag stream of a run folder that has several.")


class UnknownChannel(QnlabError):
    """A channel was asked for that has no tags in the file."""


@click.group()
def tags() -> None:
    """Read, analyse, convert and record time tags.

    FILE is a time-tag file or the folder of a run; its format is recognised by what it holds.

    Example: qnlab tags info measurement.ptu
    """


@tags.command()
@_FILE
@_STREAM
@_JSON
def info(file: Path, stream: str | None, as_json: bool) -> None:
    """Count records, tags and channels of FILE.

    Example: qnlab tags info measurement.ptu --json
    """
    from qnlab.tags.files import open_tags

    figures = asdict(open_tags(file, stream).info())
    if float(figures["resolution_ps"]).is_integer():
        figures["resolution_ps"] = int(figures["resolution_ps"])
    _print(figures, as_json)


@tags.command()
@_FILE
@click.option("--channels", type=int, nargs=2, required=True, help="The two channels.")
@click.option("--window-ps", type=click.IntRange(1), required=True, help="Pairs have |dt| < this.")
@_STREAM
@_JSON
def coincidences(
    file: Path, channels: tuple[int, int], window_ps: int, stream: str | None, as_json: bool
) -> None:
    """Count all pairs of two channels of FILE.

    Example: qnlab tags coincidences measurement.ptu --channels 0 1 --window-ps 1000
    """
    from qnlab.tags.analysers import Coincidences
    from qnlab.tags.files import open_tags

    if channels[0] == channels[1]:
        raise click.BadParameter("the two channels must differ", param_hint="--channels")
    source = open_tags(file, stream)
    _require(source, channels)
    counter = Coincidences([channels], window_ps - 1)
    for chunk in source.chunks():
        counter.feed(chunk)
    pairs = counter.result().groups[channels]
    figures = {"channels": list(channels), "window_ps": window_ps, "pairs": pairs}
    _print(figures, as_json)


@tags.command()
@_FILE
@click.option("--start", type=int, required=True, help="Start channel.")
@click.option("--stop", type=int, required=True, help="Stop channel.")
@click.option("--bin-ps", type=click.IntRange(1), required=True, help="Bin width, ps.")
@click.option("--bins", type=click.IntRange(1, 10_000_000), required=True, help="Number of bins.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw into this PNG.")
@_STREAM
@_JSON
def histogram(
    file: Path,
    start: int,
    stop: int,
    bin_ps: int,
    bins: int,
    plot: Path | None,
    stream: str | None,
    as_json: bool,
) -> None:
    """Histogram of the delays of every stop after every start, from 0 on.

    Example: qnlab tags histogram measurement.ptu --start 0 --stop 1 --bin-ps 100 --bins 1000
    """
    from qnlab.tags.analysers import DelayHistogram
    from qnlab.tags.files import open_tags

    source = open_tags(file, stream)
    _require(source, (start, stop))
    delays = DelayHistogram(start, stop, bin_ps, bins)
    for chunk in source.chunks():
        delays.feed(chunk)
    counts = delays.result().counts.tolist()
    if plot is not None:
        _draw(counts, bin_ps, f"channel {start} to channel {stop}", plot)
    figures = {
        "start": start,
        "stop": stop,
        "bin_ps": bin_ps,
        "bins": bins,
        "counts": counts,
    }
    _print(figures, as_json)


@tags.command()
@_FILE
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "name",
    type=click.Choice(["ptu", "ptu-hydraharp2", "parquet", "a1"]),
    help="Format of OUT; else by its ending: .ptu, .parquet or .a1.",
)
@_STREAM
@_JSON
def convert(file: Path, out: Path, name: str | None, stream: str | None, as_json: bool) -> None:
    """Write the tags of FILE into OUT, in another format.

    OUT appears when it is complete, and not at all after an error or Ctrl-C. What the format
    cannot hold (gaps, markers) is left out and counted; tags are never left out.

    Example: qnlab tags convert measurement.ptu measurement.parquet
    """
    from qnlab.cli.progress import progress_view
    from qnlab.tags.files import open_tags
    from qnlab.tags.files.write import WRITERS, convert_tags

    chosen = name or out.suffix.removeprefix(".").lower()
    if chosen not in WRITERS:
        raise click.BadParameter(
            f"{out.suffix or 'no ending'} tells no format; give --format {'|'.join(WRITERS)}",
            param_hint="--format",
        )
    if out.exists():
        raise click.BadParameter(f"{out} is there already", param_hint="OUT")
    source = open_tags(file, stream)
    with progress_view("convert", silent=as_json) as view:
        written = convert_tags(source, out, chosen, view.update)
    _print({"input": str(file), "output": str(out), "format": chosen, **asdict(written)}, as_json)


@tags.command()
@click.argument("bench")
@click.option(
    "--duration", type=click.FloatRange(0, min_open=True), required=True, help="Time, seconds."
)
@click.option("--channels", help="Some channels only: names or numbers, with commas between.")
@click.option("--seed", type=click.IntRange(0), help="Root of all simulated randomness.")
@set_option
@home_option
@json_option
@click.pass_context
def record(
    ctx: click.Context,
    bench: str,
    duration: float,
    channels: str | None,
    seed: int | None,
    settings: tuple[str, ...],
    home: Path,
    as_json: bool,
) -> None:
    """Record the time taggers of BENCH into a run.

    Lasers and detectors are switched on, all else is as the bench sets it. Ctrl-C ends the
    recording; what was recorded stays. This is `qnlab run record`.

    Example: qnlab tags record bb84-25km --duration 10 --channels H,V
    """
    from qnlab.cli.run import run

    if channels is not None:
        wanted = [int(word) if word.isdecimal() else word for word in channels.split(",")]
        settings = (*settings, f"procedures.record.channels={json.dumps(wanted)}")
    ctx.invoke(
        run,
        procedure="record",
        bench_name=bench,
        duration=duration,
        seed=seed,
        settings=settings,
        home=home,
        as_json=as_json,
    )


def _require(source: TagFile, channels: Sequence[int]) -> None:
    figures: FileInfo = source.info()
    for channel in channels:
        if channel not in figures.channels:
            there = ", ".join(map(str, figures.channels)) or "none"
            raise UnknownChannel(f"{source.path}: no tags on channel {channel}; it has {there}")


def _print(figures: dict[str, object], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(figures))
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        if name == "counts" and isinstance(value, list):
            click.echo(f"{'total':<{width}}  {sum(value)}")
            click.echo(f"{'peak bin':<{width}}  {value.index(max(value))} ({max(value)})")
        elif isinstance(value, dict):
            text = ", ".join(f"{key}: {count}" for key, count in value.items())
            click.echo(f"{name:<{width}}  {text}")
        else:
            click.echo(f"{name:<{width}}  {value}")


def _draw(counts: list[int], bin_ps: int, title: str, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.stairs(counts, [k * bin_ps / 1000 for k in range(len(counts) + 1)], fill=True)
    axes.set(title=title, xlabel="delay / ns", ylabel=f"counts per {bin_ps} ps")
    try:
        figure.savefig(path, format="png", dpi=150)
    except OSError as error:
        raise click.BadParameter(
            f"cannot write {path}: {error.strerror}", param_hint="--plot"
        ) from error
