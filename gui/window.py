"""The window: workspaces, toolbar with STOP ALL, alarm banner, status bar."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence
from PySide6.QtWidgets import (
    QComboBox,
    QLabel,
    QMainWindow,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from qnlab.errors import QnlabError
from qnlab.gui import layouts, words
from qnlab.gui.feed import Feed
from qnlab.gui.launcher import Launcher
from qnlab.gui.palette import Palette
from qnlab.gui.theme import Theme
from qnlab.gui.widgets.banner import Banner
from qnlab.gui.workspaces.align import Align
from qnlab.gui.workspaces.instruments import Instruments
from qnlab.gui.workspaces.memory import Memory
from qnlab.gui.workspaces.operate import Operate
from qnlab.gui.workspaces.qkd import Qkd
from qnlab.gui.workspaces.workspace import Workspace

REDRAW_MS = 100
SAVE_LAYOUT_S = 2.0
TOAST_S = 6.0


class Window(QMainWindow):
    """All there is on the screen.

    Parameters
    ----------
    feed : Feed
    theme : Theme
    folder : Path
        Where layouts are kept.
    read_only : bool
        Nothing can be changed, but STOP ALL works.
    """

    def __init__(self, feed: Feed, theme: Theme, folder: Path, *, read_only: bool = False) -> None:
        super().__init__()
        self.feed, self.theme, self.folder, self.read_only = feed, theme, folder, read_only
        self.setWindowTitle("qnlab")
        self.resize(1600, 900)
        self._pending: list[tuple[str, Future[Any]]] = []
        self._frames: deque[float] = deque(maxlen=100)
        self._toast = ("", 0.0)
        self._saved = time.monotonic()
        self.workspaces: list[Workspace] = [
            kind(feed, theme, self.act) for kind in (Align, Qkd, Memory, Operate, Instruments)
        ]
        self.stack = QStackedWidget()
        for workspace in self.workspaces:
            self.stack.addWidget(workspace)
        self.banner = Banner(theme, self.act)
        middle = QWidget()
        layout = QVBoxLayout(middle)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.banner)
        layout.addWidget(self.stack, 1)
        self.setCentralWidget(middle)
        self.launcher = Launcher(feed, theme, self.act, self)
        self.palette_ = Palette(self)
        self._make_toolbar()
        self._make_status()
        self._layouts = layouts.load(folder)
        if "window" in self._layouts:
            self.restoreGeometry(self._layouts["window"])
        self._seen: set[int] = set()
        self.timer = QTimer(self)
        self.timer.timeout.connect(self.redraw)
        self.timer.start(REDRAW_MS)

    # --- asking the host ----------------------------------------------------------------------

    def act(self, service: str, arguments: dict[str, Any]) -> None:
        """Ask the host for something; what it refuses is told in the status bar and the log."""
        if self.read_only and service != "stop_all":
            self.toast("read only: nothing was changed")
            return
        self._pending.append((service, self.feed.port.call(service, arguments)))

    def stop_all(self) -> None:
        """Every instrument to its safe state, now."""
        self.act("stop_all", {})
        self.toast("STOP ALL sent: lasers off, bias off, procedures aborted")

    def toast(self, text: str) -> None:
        """Say something for a few seconds."""
        self._toast = (text, time.monotonic() + TOAST_S)

    def _answers(self) -> None:
        waiting, self._pending = self._pending, []
        for service, future in waiting:
            if not future.done():
                self._pending.append((service, future))
                continue
            try:
                future.result()
            except QnlabError as error:
                self.toast(f"{service}: {error}")

    # --- what is on the frame -----------------------------------------------------------------

    def _action(self, text: str, key: str, do: Any) -> QAction:
        action = QAction(text, self)
        if key:
            action.setShortcut(QKeySequence(key))
        action.triggered.connect(lambda _=False: do())
        self.addAction(action)
        return action

    def _make_toolbar(self) -> None:
        bar = QToolBar("Main")
        bar.setObjectName("main toolbar")
        bar.setMovable(False)
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.addToolBar(bar)
        self.choices: list[QAction] = []
        for k, workspace in enumerate(self.workspaces):
            action = self._action(
                f"{k + 1} {workspace.title}", f"Ctrl+{k + 1}", lambda k=k: self.show_workspace(k)
            )
            action.setCheckable(True)
            bar.addAction(action)
            self.choices.append(action)
        bar.addSeparator()
        self.bench = QComboBox()
        self.bench.setAccessibleName("Bench")
        self.bench.setMinimumWidth(170)
        self.bench.activated.connect(
            lambda _: self.act("bench.open", {"bench": self.bench.currentText()})
        )
        bar.addWidget(self.bench)
        self.actions_ = [
            self._action("Run a procedure...", "Ctrl+R", self.launcher.show),
            self._action("Pause the run", "Ctrl+P", lambda: self.act("run.pause", {})),
            self._action("Resume the run", "Ctrl+Shift+P", lambda: self.act("run.resume", {})),
            self._action(
                "Abort the run",
                "Ctrl+Shift+A",
                lambda: self.act("run.abort", {"reason": "from the window"}),
            ),
        ]
        for action, short in zip(
            self.actions_, ("Run...", "Pause", "Resume", "Abort"), strict=True
        ):
            action.setIconText(short)
            bar.addAction(action)
        gap = QWidget()
        gap.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addWidget(gap)
        self.badge = QLabel("SIMULATED")
        self.badge.setAccessibleName("Simulated")
        colour = self.theme.simulated
        self.badge.setStyleSheet(
            f"color: {self.theme.panel}; background: {colour}; padding: 2px 8px; font-weight: bold"
        )
        self._badge = bar.addWidget(self.badge)
        picture = self._action("Save a picture of the window", "Ctrl+S", self.save_picture)
        picture.setIconText("Snapshot")
        bar.addAction(picture)
        stop = QPushButton("■ STOP ALL")
        stop.setAccessibleName("Stop all")
        stop.setToolTip("Every instrument to its safe state (Ctrl+.)")
        stop.setStyleSheet(
            f"color: {self.theme.panel}; background: {self.theme.alarm}; "
            "font-weight: bold; padding: 4px 12px"
        )
        stop.clicked.connect(self.stop_all)
        bar.addWidget(stop)
        self.stop_button = stop
        more = [
            self._action("Stop all", "Ctrl+.", self.stop_all),
            self._action("Reset this workspace", "", lambda: self.current.reset()),
            self._action("Full screen", "F11", self._full_screen),
            self._action("Next dock", "F6", lambda: self.current.focusNextChild()),
            self._action("Quit", "Ctrl+Q", self.close),
        ]
        self._action("Command palette", "Ctrl+K", self._open_palette)
        self.all_actions = [*self.choices, *self.actions_, picture, *more]

    def _open_palette(self) -> None:
        self.palette_.open_with(self.all_actions)

    def _full_screen(self) -> None:
        (self.showNormal if self.isFullScreen() else self.showFullScreen)()

    def _make_status(self) -> None:
        self.message = QLabel()
        self.facts = QLabel()
        for label in (self.message, self.facts):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.statusBar().addWidget(self.message, 1)
        self.statusBar().addPermanentWidget(self.facts)

    @property
    def current(self) -> Workspace:
        """The workspace that is seen."""
        return self.workspaces[self.stack.currentIndex()]

    def show_workspace(self, number: int) -> None:
        """Switch; the workspace is drawn at once with what came meanwhile."""
        self.stack.setCurrentIndex(number)
        for k, action in enumerate(self.choices):
            action.setChecked(k == number)
        if self.isVisible():
            self._first_time(number)
            self.current.refresh()

    def _first_time(self, number: int) -> None:
        if number in self._seen:
            return
        self._seen.add(number)
        workspace = self.workspaces[number]
        workspace.keep_factory()
        state = self._layouts.get(type(workspace).__name__)
        if state is not None and not workspace.restore(state):
            self.toast("the saved layout did not fit; this is the built-in one")

    # --- drawing ------------------------------------------------------------------------------

    def redraw(self) -> None:
        """One frame: take in what is new, draw the workspace that is seen."""
        begin = time.perf_counter()
        self.feed.poll()
        self._first_time(self.stack.currentIndex())
        self.current.refresh()
        if self.launcher.isVisible():
            self.launcher.refresh()
        self._answers()
        self._frame()
        self._frames.append(time.perf_counter() - begin)
        if time.monotonic() - self._saved > SAVE_LAYOUT_S:
            self._saved = time.monotonic()
            self.save_layout()

    def _frame(self) -> None:
        feed = self.feed
        status = feed.body("host/status")
        self._badge.setVisible(feed.simulated)
        offline = (
            ""
            if feed.online
            else f"last heard {words.age(min(feed.age_s('host/status'), 1e6))} ago"
        )
        self.banner.show_state(feed.body("alarms").get("alarms", []), offline)
        benches = status.get("benches", [])
        if benches != [self.bench.itemText(i) for i in range(self.bench.count())]:
            self.bench.clear()
            self.bench.addItems(benches)
        if not self.bench.view().isVisible():
            self.bench.setCurrentText(status.get("bench", ""))
        progress = feed.body("run/progress")
        state = status.get("state", "unknown")
        if time.monotonic() < self._toast[1]:
            text = self._toast[0]
        elif state == "idle" or not progress:
            result = feed.body("run/result")
            text = "idle"
            if result:
                end = f"{result['exit_status']} {result['reason'] or ''}"
                text = f"idle; {result['procedure']} ended: {end}"
        else:
            share = "" if progress["fraction"] is None else f"{progress['fraction']:.0%}  "
            text = f"{progress['procedure']} {state}  {share}{progress['message']}"
        self.message.setText(text)
        run = (status.get("run") or "-")[:8]
        disk = words.quantity(status.get("disk_free_bytes", 0), "B", 3)
        late = 1e3 * status.get("acq_late_p99_s", 0.0)
        frame = 1e3 * float(np.median(self._frames)) if self._frames else 0.0
        self.facts.setText(
            f"run {run} | disk free {disk} | acq late p99 {late:.1f} ms | "
            f"lost {status.get('lost_tags', 0)} | GUI {frame:.0f} ms"
        )

    # --- keeping ------------------------------------------------------------------------------

    def save_layout(self) -> None:
        """Keep the window and the docks of all workspaces that were seen."""
        states = dict(self._layouts)
        states["window"] = self.saveGeometry()
        for number in self._seen:
            workspace = self.workspaces[number]
            states[type(workspace).__name__] = workspace.saveState(1)
        layouts.save(self.folder, states)

    def save_picture(self, path: Path | None = None) -> Path:
        """Save what is seen; the name says bench, workspace and time."""
        if path is None:
            stamp = time.strftime("%Y%m%d-%H%M%S")
            title = self.current.title.replace(" ", "-").lower()
            bench = self.feed.body("host/status").get("bench", "bench")
            path = self.folder / f"{bench}-{title}-{stamp}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.grab().save(str(path))
        self.toast(f"saved {path}")
        return path

    def closeEvent(self, event: QCloseEvent) -> None:
        self.timer.stop()
        self.save_layout()
        self.feed.close()
        super().closeEvent(event)
