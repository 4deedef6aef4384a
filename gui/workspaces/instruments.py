"""Instruments: every setting of every device, presets, what changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from qnlab.errors import QnlabError
from qnlab.gui.feed import Feed
from qnlab.gui.theme import Theme
from qnlab.gui.widgets.forms import SettingsForm
from qnlab.gui.workspaces.workspace import Act, Workspace, note

CHANGED_S = 60.0


class Instruments(Workspace):
    """Tree of the bench, form of the chosen device, presets."""

    title = "Instruments"

    def __init__(self, feed: Feed, theme: Theme, act: Act) -> None:
        super().__init__(feed, theme, act)
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(["instrument", "role"])
        self.tree.setAccessibleName("Instruments of the bench")
        self.tree.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.tree.currentItemChanged.connect(lambda item, _: self._choose(item))
        self.dock("tree", "Bench", self.tree)
        self.stack = QStackedWidget()
        self.stack.addWidget(note("Choose an instrument on the left."))
        self.dock("form", "Settings: Enter applies", self.stack, "tree")
        self._forms: dict[str, SettingsForm] = {}
        self._shown: tuple[str, ...] = ()
        self.presets = QComboBox()
        self.presets.setEditable(True)
        self.presets.setAccessibleName("Preset")
        self.differences = QTableWidget(0, 4)
        self.differences.setHorizontalHeaderLabels(["setting", "now", "preset", "unit"])
        self.differences.verticalHeader().hide()
        self.differences.setAccessibleName("What the preset would change, or what has changed")
        header = self.differences.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.dock("presets", "Presets", self._preset_box(), "form")
        self._asked: list[tuple[str, Future[Any]]] = [("names", feed.port.call("presets.list"))]

    def proportions(self) -> None:
        d, width = self.docks, self.width()
        self.resizeDocks(
            [d["tree"], d["form"], d["presets"]],
            [width * 26 // 100, width * 40 // 100, width * 34 // 100],
            Qt.Orientation.Horizontal,
        )

    def _preset_box(self) -> QWidget:
        box = QWidget()
        layout = QVBoxLayout(box)
        row = QHBoxLayout()
        row.addWidget(self.presets, 1)
        for text, service in (
            ("Save", "presets.save"),
            ("Compare", "presets.diff"),
            ("Apply", "presets.apply"),
        ):
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, s=service: self._preset(s))
            row.addWidget(button)
        layout.addLayout(row)
        changed = QPushButton("What changed in the last minute?")
        changed.clicked.connect(self._changed)
        layout.addWidget(changed)
        layout.addWidget(self.differences, 1)
        return box

    def _preset(self, service: str) -> None:
        name = self.presets.currentText().strip()
        if name:
            self._asked.append((service, self.feed.port.call(service, {"name": name})))

    def _changed(self) -> None:
        asked = {"since_s": time.time() - CHANGED_S}
        self._asked.append(("changed", self.feed.port.call("settings.changed", asked)))

    def refresh(self) -> None:
        bodies = self.feed.bodies("instrument/")
        if tuple(bodies) != self._shown:
            self._shown = tuple(bodies)
            self._grow(bodies)
        for name, form in self._forms.items():
            if name in bodies and self.stack.currentWidget() is form:
                form.show_instrument(bodies[name])
        waiting, self._asked = self._asked, []
        for what, future in waiting:
            if not future.done():
                self._asked.append((what, future))
                continue
            try:
                self._answer(what, future.result())
            except QnlabError as error:
                self._rows([(str(error), "", "", "")])

    def _answer(self, what: str, answer: Any) -> None:
        if what == "names":
            current = self.presets.currentText()
            self.presets.clear()
            self.presets.addItems(answer)
            self.presets.setEditText(current or (answer[0] if answer else "as found"))
        elif what == "presets.save":
            self._rows([(f"saved as {answer}", "", "", "")])
            self._asked.append(("names", self.feed.port.call("presets.list")))
        else:
            rows = [(c["setting"], str(c["old"]), str(c["new"]), c["unit"]) for c in answer]
            self._rows(rows or [("nothing differs", "", "", "")])

    def _rows(self, rows: Sequence[tuple[str, ...]]) -> None:
        self.differences.setRowCount(len(rows))
        for r, row in enumerate(rows):
            for c, text in enumerate(row):
                self.differences.setItem(r, c, QTableWidgetItem(text))

    def _grow(self, bodies: Any) -> None:
        self.tree.clear()
        sites: dict[str, QTreeWidgetItem] = {}
        for name, body in bodies.items():
            site = body["site"]
            if site not in sites:
                sites[site] = QTreeWidgetItem(self.tree, [site, ""])
                sites[site].setExpanded(True)
            QTreeWidgetItem(sites[site], [name, body["role"]])
        first = self.tree.topLevelItem(0)
        chosen = first.child(0) if first is not None else None
        if chosen is not None:
            self.tree.setCurrentItem(chosen)

    def _choose(self, item: QTreeWidgetItem | None) -> None:
        name = item.text(0) if item is not None else ""
        body = self.feed.body(f"instrument/{name}")
        if not body:
            self.stack.setCurrentIndex(0)
            return
        if name not in self._forms:
            form = SettingsForm(
                name,
                self.theme,
                lambda n, s: self.act("instrument.apply", {"instrument": n, "settings": s}),
                lambda n, m: self.act("instrument.call", {"instrument": n, "method": m}),
            )
            self._forms[name] = form
            self.stack.addWidget(form)
        self._forms[name].show_instrument(body)
        self.stack.setCurrentWidget(self._forms[name])
