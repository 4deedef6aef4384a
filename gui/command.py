"""``qnlab gui``: the window, attached to a bench host."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qnlab.cli.options import home_option, json_option, set_option
from qnlab.cli.output import print_json
from qnlab.errors import QnlabError

if TYPE_CHECKING:
    from qnlab.gui.window import Window

VIEWS = ("align", "qkd", "memory", "operate", "instruments")
PICTURED = {"bb84": {"duration_s": 60.0}, "memory-lifetime": {}}


@click.command()
@click.option("--bench", "bench_name", help="Start a host of one's own with this bench.")
@click.option("--connect", metavar="HOST:PORT", help="Attach to a host that runs already.")
@click.option("--view", type=click.Choice(VIEWS), default="align", help="Workspace to begin with.")
@click.option("--theme", type=click.Choice(("light", "dark")), default="light")
@click.option("--scale", type=click.FloatRange(0.8, 2.0), default=1.0, help="Size of the type.")
@click.option("--read-only", is_flag=True, help="Look, and STOP ALL, but change nothing.")
@click.option("--fullscreen", is_flag=True)
@click.option("--reset-layout", is_flag=True, help="Forget the layouts saved.")
@click.option("--seed", type=click.IntRange(0), help="Root of all simulated randomness.")
@click.option(
    "--screenshot",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Run the bench's main procedure, save a picture of each workspace, and end.",
)
@set_option
@home_option
@json_option
def gui(
    bench_name: str | None,
    connect: str | None,
    view: str,
    theme: str,
    scale: float,
    read_only: bool,
    fullscreen: bool,
    reset_layout: bool,
    seed: int | None,
    screenshot: Path | None,
    settings: tuple[str, ...],
    home: Path,
    as_json: bool,
) -> None:
    """Show a bench: align it, make keys, watch it for days.

    The window is a viewer and a remote control: it may be closed at any time. With --connect the
    host goes on; with --bench the host was started by the window and ends with it. --json tells at
    the end which pictures were saved.

    Example: qnlab gui --bench bb84-25km
    """
    if (bench_name is None) == (connect is None):
        raise click.UsageError(
            "give --bench NAME to start a host, or --connect HOST:PORT to attach"
        )
    if screenshot is not None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from qnlab.gui.hosting import OwnHost
    from qnlab.port.network import NetworkPort

    options = [word for setting in settings for word in ("--set", setting)]
    if seed is not None:
        options += ["--seed", str(seed)]
    own = OwnHost(bench_name, home, options) if bench_name is not None else None
    try:
        port = NetworkPort(own.address if own is not None else str(connect))
        try:
            window = _window(port, theme, scale, home / "gui", read_only, reset_layout)
            window.show_workspace(VIEWS.index(view))
            pictures: list[str] = []
            if screenshot is not None:
                pictures = _pictures(window, screenshot)
            else:
                _loop(window, fullscreen)
            if as_json:
                print_json({"pictures": pictures})
            else:
                click.echo("\n".join(pictures), nl=bool(pictures))
        finally:
            port.close()
    finally:
        if own is not None:
            own.close()


def _window(
    port: object, theme: str, scale: float, folder: Path, read_only: bool, reset_layout: bool
) -> Window:
    from PySide6.QtWidgets import QApplication

    from qnlab.gui import theme as themes
    from qnlab.gui.feed import Feed
    from qnlab.gui.window import Window

    application = QApplication.instance() or QApplication(["qnlab"])
    assert isinstance(application, QApplication)
    themes.apply(application, themes.THEMES[theme], scale)
    if reset_layout:
        for path in folder.glob("layout-*.json"):
            path.unlink()
    return Window(Feed(port), themes.THEMES[theme], folder, read_only=read_only)  # type: ignore[arg-type]


def _loop(window: Window, fullscreen: bool) -> None:
    from PySide6.QtWidgets import QApplication

    signal.signal(signal.SIGINT, lambda *_: window.close())
    (window.showFullScreen if fullscreen else window.show)()
    QApplication.exec()


def _pictures(window: Window, folder: Path) -> list[str]:
    """Run what the bench is for, keys or a memory, for a while, then save each workspace."""
    window.show()
    _until(window, lambda: bool(window.feed.bodies("instrument/")), 20)
    status = window.feed.body("host/status")
    procedure = "memory-lifetime" if "memory" in status["bench"] else "bb84"
    window.act("run.start", {"procedure": procedure, "parameters": PICTURED[procedure]})
    if procedure == "bb84":
        _until(window, lambda: len(window.feed.events.get("block", ())) > 6, 90)
    else:
        _until(window, lambda: bool(window.feed.body("run/result")), 300)
    saved = []
    for number, name in enumerate(VIEWS):
        window.show_workspace(number)
        begin = time.monotonic()
        _until(window, lambda begin=begin: time.monotonic() - begin > 1.5, 5)
        saved.append(str(window.save_picture(folder / f"{name}.png")))
    window.act("run.abort", {"reason": "pictures taken"})
    _until(window, lambda: window.feed.body("host/status").get("state") == "idle", 20)
    window.close()
    return saved


def _until(window: Window, condition: object, seconds: float) -> None:
    from PySide6.QtCore import QEventLoop
    from PySide6.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            raise QnlabError("the pictures cannot be taken: the bench does not make keys in time")
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 50)
