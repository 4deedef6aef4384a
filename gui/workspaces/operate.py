"""Operate for days: trends, alarms, runs, logbook."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from qnlab.errors import QnlabError
from qnlab.gui import words
from qnlab.gui.feed import Feed
from qnlab.gui.theme import Theme
from qnlab.gui.widgets.charts import TrendChart
from qnlab.gui.widgets.log import LogView
from qnlab.gui.workspaces.workspace import Act, Workspace

SPANS = {"1 h": 3600.0, "6 h": 21_600.0, "1 day": 86_400.0, "7 days": 604_800.0}
REREAD_S = 5.0


class Operate(Workspace):
    """Trends with band, alarm table, runs, and a logbook to write in."""

    title = "Operate"

    def __init__(self, feed: Feed, theme: Theme, act: Act) -> None:
        super().__init__(feed, theme, act)
        self.qber = TrendChart("QBER of the key basis", theme, "QBER (%)", 100.0)
        self.keys = TrendChart("Secret key of a block", theme, "kbit", 1e-3)
        self.span = QComboBox()
        self.span.addItems(list(SPANS))
        self.span.setAccessibleName("Span of the trends")
        self.span.currentTextChanged.connect(lambda _: self._ask(force=True))
        box = QWidget()
        layout = QVBoxLayout(box)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.span, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.qber, 1)
        self.dock("qber", "QBER, lowest, mean and highest", box)
        self.alarms = _table(["alarm", "state", "message", "since", "count"], 2, "Alarms")
        self.dock("alarms", "Alarms", self.alarms, "qber")
        self.runs = _table(
            ["started (UTC)", "procedure", "status", "reason", "duration"], 3, "Runs"
        )
        self.dock("keys", "Secret key", self.keys, "qber", Qt.Orientation.Vertical)
        self.dock("runs", "Runs", self.runs, "alarms", Qt.Orientation.Vertical)
        self.log = LogView(feed.log, theme)
        self._entry = QLineEdit()
        self._entry.setPlaceholderText("write into the logbook, then Enter")
        self._entry.setAccessibleName("Logbook entry")
        self._entry.returnPressed.connect(self._write)
        add = QPushButton("Add")
        add.clicked.connect(self._write)
        row = QHBoxLayout()
        row.addWidget(self._entry, 1)
        row.addWidget(add)
        book = QWidget()
        rows = QVBoxLayout(book)
        rows.setContentsMargins(4, 4, 4, 4)
        rows.addLayout(row)
        rows.addWidget(self.log, 1)
        self.dock("log", "Logbook and events", book, "runs", Qt.Orientation.Vertical)
        self._asked = 0.0
        self._history: Future[Any] | None = None
        self._runs: Future[Any] | None = None
        self._lines = -1

    def proportions(self) -> None:
        d, width, height = self.docks, self.width(), self.height()
        horizontal, vertical = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
        self.resizeDocks(
            [d["qber"], d["alarms"]], [width * 52 // 100, width * 48 // 100], horizontal
        )
        self.resizeDocks([d["qber"], d["keys"]], [height // 2, height // 2], vertical)
        self.resizeDocks(
            [d["alarms"], d["runs"], d["log"]], [height // 4, height // 4, height // 2], vertical
        )

    def _write(self) -> None:
        if self._entry.text().strip():
            self.act("log.add", {"text": self._entry.text().strip(), "author": "operator"})
            self._entry.clear()

    def _ask(self, *, force: bool = False) -> None:
        if not force and time.monotonic() - self._asked < REREAD_S:
            return
        self._asked = time.monotonic()
        now = time.time()
        asked = {
            "names": ["block/qber_key", "block/secret_bits"],
            "begin_s": now - SPANS[self.span.currentText()],
            "end_s": now,
        }
        self._history = self.feed.port.call("history.read", asked)
        self._runs = self.feed.port.call("runs.list", {"last": 50})

    def refresh(self) -> None:
        self._ask()
        if (past := _done(self._history)) is not None:
            self._history = None
            now = time.time()
            begin = now - SPANS[self.span.currentText()]
            for chart, name in ((self.qber, "block/qber_key"), (self.keys, "block/secret_bits")):
                chart.show_trend(past["series"].get(name, [[], [], [], []]), begin, now)
        if (runs := _done(self._runs)) is not None:
            self._runs = None
            _fill(
                self.runs,
                [
                    (
                        run["started"][:19].replace("T", " "),
                        run["procedure"],
                        run["exit_status"],
                        run["reason"] or "",
                        words.quantity(run["duration_s"] or 0.0, "s", 3),
                    )
                    for run in reversed(runs)
                ],
            )
        alarms, now = self.feed.body("alarms").get("alarms", []), time.time()
        _fill(
            self.alarms,
            [
                (
                    a["id"],
                    a["state"],
                    a["message"],
                    words.age(now - a["since_s"]),
                    str(a["count"]),
                )
                for a in alarms
            ],
        )
        if self._lines != len(self.feed.log) + self.feed.new_lines:
            self._lines = len(self.feed.log) + self.feed.new_lines
            self.log.model.refresh()


def _done(future: Future[Any] | None) -> Any:
    if future is None or not future.done():
        return None
    try:
        return future.result()
    except QnlabError:
        return None


def _table(columns: list[str], stretch: int, name: str) -> QTableWidget:
    table = QTableWidget(0, len(columns))
    table.setHorizontalHeaderLabels(columns)
    table.verticalHeader().hide()
    table.setAccessibleName(name)
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(stretch, QHeaderView.ResizeMode.Stretch)
    return table


def _fill(table: QTableWidget, rows: list[tuple[str, ...]]) -> None:
    if table.rowCount() != len(rows):
        table.setRowCount(len(rows))
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            item = table.item(r, c)
            if item is None:
                table.setItem(r, c, QTableWidgetItem(text))
            elif item.text() != text:
                item.setText(text)
