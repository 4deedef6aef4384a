"""Start, queue, pause and abort procedures."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from qnlab.errors import QnlabError
from qnlab.gui.feed import Feed
from qnlab.gui.theme import Theme
from qnlab.gui.widgets.forms import ParameterForm
from qnlab.gui.workspaces.workspace import Act


class Launcher(QDialog):
    """A window beside the others: choose a procedure, fill in its form, start it."""

    def __init__(self, feed: Feed, theme: Theme, act: Act, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Run a procedure")
        self.setModal(False)
        self.resize(460, 560)
        self._feed, self._theme, self._act = feed, theme, act
        self._asked: Future[Any] | None = None
        self._form: ParameterForm | None = None
        layout = QVBoxLayout(self)
        self.procedure = QComboBox()
        self.procedure.setAccessibleName("Procedure")
        self.procedure.currentTextChanged.connect(self._describe)
        layout.addWidget(self.procedure)
        self._summary = QLabel()
        self._summary.setWordWrap(True)
        layout.addWidget(self._summary)
        self._place = QVBoxLayout()
        layout.addLayout(self._place, 1)
        self._problem = QLabel()
        self._problem.setWordWrap(True)
        self._problem.setStyleSheet(f"color: {theme.alarm}")
        layout.addWidget(self._problem)
        row = QHBoxLayout()
        row.addStretch(1)
        for text, service in (("Queue", "queue.add"), ("Start", "run.start")):
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, s=service: self._go(s))
            row.addWidget(button)
        layout.addLayout(row)

    def refresh(self) -> None:
        """Take in what the host tells."""
        known = self._feed.body("host/status").get("procedures", [])
        names = [item["name"] for item in known]
        if names != [self.procedure.itemText(i) for i in range(self.procedure.count())]:
            self.procedure.clear()
            self.procedure.addItems(names)
        if self._asked is not None and self._asked.done():
            asked, self._asked = self._asked, None
            try:
                self._show(asked.result())
            except QnlabError as error:
                self._problem.setText(str(error))

    def _describe(self, name: str) -> None:
        summaries = {
            item["name"]: item["summary"]
            for item in self._feed.body("host/status").get("procedures", [])
        }
        self._summary.setText(summaries.get(name, ""))
        if name:
            self._asked = self._feed.port.call("procedure.describe", {"name": name})

    def _show(self, schema: dict[str, Any]) -> None:
        if self._form is not None:
            self._place.removeWidget(self._form)
            self._form.deleteLater()
        self._form = ParameterForm(schema)
        self._place.addWidget(self._form)

    def _go(self, service: str) -> None:
        if self._form is None:
            return
        try:
            parameters = self._form.values()
        except ValueError as error:
            self._problem.setText(str(error))
            return
        self._problem.setText("")
        name = self.procedure.currentText()
        self._act(service, {"procedure": name, "parameters": parameters})
        self.hide()
