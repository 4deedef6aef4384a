"""The gravest alarm across the window, with what may be done about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QSizePolicy, QWidget

from qnlab.gui import words
from qnlab.gui.theme import Theme

SHELF_S = 600


class Banner(QWidget):
    """Shown only while there is something to say.

    Parameters
    ----------
    act : callable
        ``act(service, arguments)``.
    """

    def __init__(self, theme: Theme, act: Callable[[str, dict[str, Any]], object]) -> None:
        super().__init__()
        self._theme = theme
        self._act = act
        self._alarm: Mapping[str, Any] | None = None
        self.setAccessibleName("Alarm")
        self.setAutoFillBackground(True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 3, 8, 3)
        self._text = QLabel()
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._reason = QLineEdit()
        self._reason.setPlaceholderText("reason")
        self._reason.setAccessibleName("Reason")
        self._reason.setMaximumWidth(180)
        self._acknowledge = QPushButton("Acknowledge")
        self._acknowledge.clicked.connect(self._on_acknowledge)
        self._shelve = QPushButton("Shelve 10 min")
        self._shelve.clicked.connect(self._on_shelve)
        layout.addWidget(self._text, 1)
        for widget in (self._reason, self._acknowledge, self._shelve):
            layout.addWidget(widget)
        self.hide()

    def show_state(self, alarms: list[dict[str, Any]], offline: str) -> None:
        """Show the gravest alarm that is not shelved, or that the host is gone."""
        open_ = [a for a in alarms if a["state"] in ("active-unack", "cleared-unack")]
        self._alarm = open_[0] if open_ else None
        buttons = (self._reason, self._acknowledge, self._shelve)
        if offline:
            self._say(f"■ HOST OFFLINE  {offline}", self._theme.alarm)
        elif self._alarm is not None:
            alarm = self._alarm
            mark = "■" if alarm["priority"] == "critical" else "▲"
            more = f"  (+{len(open_) - 1} more)" if len(open_) > 1 else ""
            gone = ", cleared" if alarm["state"] == "cleared-unack" else ""
            age = words.age(time.time() - alarm["since_s"])
            self._say(
                f"{mark} {alarm['id'].replace('/', ' ')}  {alarm['message']}  ({age}{gone}){more}",
                self._theme.alarm if alarm["priority"] == "critical" else self._theme.warning,
            )
        for button in buttons:
            button.setVisible(not offline and self._alarm is not None)
        self.setVisible(bool(offline) or self._alarm is not None)

    def _say(self, text: str, colour: str) -> None:
        if text != self._text.text():
            self._text.setText(text)
            self._text.setToolTip(text)
            self._text.setStyleSheet(f"color: {colour}; font-weight: bold")
            self.setAccessibleDescription(text)

    def _given(self) -> str:
        return self._reason.text().strip() or "seen by the operator"

    def _on_acknowledge(self) -> None:
        if self._alarm is not None:
            self._act("alarm.acknowledge", {"id": self._alarm["id"], "reason": self._given()})
            self._reason.clear()

    def _on_shelve(self) -> None:
        if self._alarm is not None:
            arguments = {"id": self._alarm["id"], "seconds": SHELF_S, "reason": self._given()}
            self._act("alarm.shelve", arguments)
            self._reason.clear()
