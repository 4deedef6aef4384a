"""The event log as a table: newest first, filtered, copied with its command."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QAction, QColor, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from qnlab.gui.theme import Theme

COLUMNS = ("time", "source", "event")
Index = QModelIndex | QPersistentModelIndex


class LogModel(QAbstractTableModel):
    """Lines of the host's log that hold a text; equal neighbours are counted."""

    def __init__(self, lines: deque[dict[str, Any]], theme: Theme) -> None:
        super().__init__()
        self._lines = lines
        self._theme = theme
        self._filter = ""
        self._shown: list[tuple[dict[str, Any], int]] = []

    def refresh(self) -> None:
        """Read the lines anew."""
        self.beginResetModel()
        shown: list[tuple[dict[str, Any], int]] = []
        for line in reversed(self._lines):
            if self._filter not in f"{line['source']} {line['text']}".lower():
                continue
            if shown and shown[-1][0]["text"] == line["text"]:
                shown[-1] = (shown[-1][0], shown[-1][1] + 1)
            else:
                shown.append((line, 1))
        self._shown = shown
        self.endResetModel()

    def set_filter(self, text: str) -> None:
        """Show lines that hold `text` only."""
        self._filter = text.lower()
        self.refresh()

    def line(self, row: int) -> dict[str, Any]:
        """The line shown in a row."""
        return self._shown[row][0]

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        line, count = self._shown[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            at = time.strftime("%H:%M:%S", time.localtime(line["time_s"]))
            text = line["text"] + (f"  (x {count})" if count > 1 else "")
            return (at, line["source"], text)[index.column()]
        if role == Qt.ItemDataRole.ForegroundRole and line["level"] in ("warning", "error"):
            colour = self._theme.warning if line["level"] == "warning" else self._theme.alarm
            return QColor(colour)
        if role == Qt.ItemDataRole.ToolTipRole:
            return line["command"] or line["text"]
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        wanted = role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal
        return COLUMNS[section] if wanted else None


class LogView(QWidget):
    """The log with a filter; copies the chosen lines, or the commands that did it."""

    def __init__(self, lines: deque[dict[str, Any]], theme: Theme) -> None:
        super().__init__()
        self.model = LogModel(lines, theme)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("filter")
        self.filter.setAccessibleName("Filter of the event log")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self.model.set_filter)
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setAccessibleName("Event log")
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setWordWrap(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        for text, key, field in (
            ("Copy", QKeySequence(QKeySequence.StandardKey.Copy), "text"),
            ("Copy as Python", QKeySequence("Ctrl+Shift+C"), "command"),
        ):
            action = QAction(text, self.table)
            action.setShortcut(key)
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            action.triggered.connect(lambda _=False, field=field: self._copy(field))
            self.table.addAction(action)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        layout.addWidget(self.filter)
        layout.addWidget(self.table, 1)

    def _copy(self, field: str) -> None:
        rows = sorted({index.row() for index in self.table.selectedIndexes()})
        texts = [self.model.line(row)[field] for row in rows]
        QGuiApplication.clipboard().setText("\n".join(text for text in texts if text))
