"""The command palette: every action by a few of its letters."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget


def score(wanted: str, text: str) -> int | None:
    """How well the letters of `wanted` fit `text`, in order; smaller is better, None is not."""
    at, total = -1, 0
    for letter in wanted.lower():
        found = text.lower().find(letter, at + 1)
        if found < 0:
            return None
        total += found - at - 1
        at = found
    return total


class Palette(QDialog):
    """Type, choose with the arrows, Enter does it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Command palette")
        self.resize(520, 360)
        layout = QVBoxLayout(self)
        self.search = QLineEdit()
        self.search.setPlaceholderText("what to do")
        self.search.setAccessibleName("Search of commands")
        self.found = QListWidget()
        self.found.setAccessibleName("Commands found")
        layout.addWidget(self.search)
        layout.addWidget(self.found, 1)
        self._actions: Sequence[QAction] = ()
        self.search.textChanged.connect(self._filter)
        self.search.returnPressed.connect(self._do)
        self.found.itemActivated.connect(lambda _: self._do())

    def open_with(self, actions: Sequence[QAction]) -> None:
        """Show with these."""
        self._actions = actions
        self.search.clear()
        self._filter("")
        self.show()
        self.search.setFocus()

    def _filter(self, text: str) -> None:
        ranked = []
        for action in self._actions:
            points = score(text, action.text())
            if points is not None and action.isEnabled():
                ranked.append((points, action.text(), action))
        self.found.clear()
        for _, name, action in sorted(ranked, key=lambda entry: entry[:2]):
            key = action.shortcut().toString()
            item = QListWidgetItem(f"{name}    {key}" if key else name)
            item.setData(Qt.ItemDataRole.UserRole, action)
            self.found.addItem(item)
        self.found.setCurrentRow(0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
        else:
            row = self.found.currentRow() + step
            self.found.setCurrentRow(min(max(row, 0), self.found.count() - 1))

    def _do(self) -> None:
        item = self.found.currentItem()
        if item is not None:
            self.hide()
            item.data(Qt.ItemDataRole.UserRole).trigger()
