"""Progress of a run on stderr: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click


class ProgressView(Protocol):
    """Shows how far a run is."""

    def update(self, fraction: float | None, message: str) -> None:
        """The run has got this far."""


class SilentView:
    """Shows nothing."""

    def update(self, fraction: float | None, message: str) -> None:
        """Nothing."""


class PlainView:
    """A line for each new message and for each tenth of the way."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown: tuple[int, str] | None = None

    def update(self, fraction: float | None, message: str) -> None:
        step = (int(10 * (fraction or 0.0)), message)
        if step == self._shown:
            return
        self._shown = step
        percent = "" if fraction is None else f" {fraction:4.0%}"
        click.echo(f"{self._title}{percent}  {message}".rstrip(), err=True)


class LiveView:
    """One line that is drawn anew: bar, percent, time, message."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            Elapsed(),
            TextColumn("{task.fields[message]}", markup=False),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(title, total=None, message="")

    def __enter__(self) -> LiveView:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def update(self, fraction: float | None, message: str) -> None:
        total = None if fraction is None else 1.0
        self._progress.update(self._task, completed=fraction or 0.0, total=total, message=message)


@contextmanager
def progress_view(title: str, *, silent: bool) -> Iterator[ProgressView]:
    """The view that fits the terminal; none with `silent`."""
    if silent:
        yield SilentView()
    elif sys.stderr.isatty():
        with LiveView(title) as view:
            yield view
    else:
        yield PlainView(title)
