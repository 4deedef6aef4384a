"""Forms: settings of an instrument, parameters of a procedure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from qnlab.gui import words
from qnlab.gui.theme import Theme

Apply = Callable[[str, dict[str, Any]], object]


class NumberEdit(QLineEdit):
    """A number with a unit; Enter or an arrow key applies it, bad input is refused in place."""

    def __init__(
        self,
        name: str,
        unit: str,
        low: float | None,
        high: float | None,
        done: Callable[[float], object],
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._unit, self._low, self._high = unit, low, high
        self._done, self._say = done, say
        self._value = 0.0
        self.setAccessibleName(name)
        self.returnPressed.connect(self._enter)
        self.setMinimumWidth(90)

    def show_value(self, value: float) -> None:
        """Show what the device has, unless somebody is typing."""
        self._value = value
        if not self.hasFocus():
            self.setText(words.quantity(value, self._unit, 6))

    def _enter(self) -> None:
        try:
            self._try(words.parsed(self.text(), self._unit))
        except ValueError as error:
            self._say(str(error))

    def _try(self, value: float) -> None:
        bounded = self._low is not None and self._high is not None
        if bounded and not self._low <= value <= self._high:  # type: ignore[operator]
            low, high = (words.quantity(v or 0.0, self._unit, 6) for v in (self._low, self._high))
            self._say(f"{words.quantity(value, self._unit, 6)} is outside {low} to {high}")
            return
        self._say("")
        self._done(value)
        self._value = value
        self.setText(words.quantity(value, self._unit, 6))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and down step by a hundredth of the range; Ctrl ten times, Shift a tenth of it."""
        way = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}.get(Qt.Key(event.key()))
        if way is None or self._low is None or self._high is None:
            super().keyPressEvent(event)
            return
        step = (self._high - self._low) / 100
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            step *= 10
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            step /= 10
        self._try(min(max(self._value + way * step, self._low), self._high))


class SettingsForm(QWidget):
    """The settings of one instrument, made of what it tells about them.

    Parameters
    ----------
    name : str
        The instrument.
    apply : callable
        ``apply(instrument, settings)``.
    command : callable
        ``command(instrument, method)``.
    only : str
        Show settings that begin so.
    """

    def __init__(
        self,
        name: str,
        theme: Theme,
        apply: Apply,
        command: Callable[[str, str], object],
        only: str = "",
        commands: bool = True,
    ) -> None:
        super().__init__()
        self.name = name
        self._theme, self._apply, self._command, self._only = theme, apply, command, only
        self._with_commands = commands
        self._fields: dict[str, QWidget] = {}
        self._notes: dict[str, QLabel] = {}
        outer = QVBoxLayout(self)
        outer.setContentsMargins(4, 4, 4, 4)
        self._head = QLabel(name)
        self._head.setTextFormat(Qt.TextFormat.RichText)
        self._head.setWordWrap(True)
        outer.addWidget(self._head)
        self._form = QFormLayout()
        self._form.setLabelAlignment(Qt.AlignmentFlag.AlignRight)
        outer.addLayout(self._form)
        self._buttons = QHBoxLayout()
        outer.addLayout(self._buttons)
        outer.addStretch(1)

    def show_instrument(self, body: Mapping[str, Any]) -> None:
        """Show what the host tells of it; the fields are made at the first time."""
        if not self._fields:
            self._make(body)
        health = body["health"]
        simulated = "simulated" if body["simulated"] else "real"
        identity = body["identity"]
        self._head.setText(
            f"<b>{self.name}</b> &nbsp; {identity['vendor']} {identity['model']} "
            f"({simulated}) &nbsp; health: {health['alarm'] if health['problems'] else 'ok'} "
            f"{'; '.join(health['problems'])}"
        )
        for key, field in self._fields.items():
            value = body["settings"][key]["value"]
            if isinstance(field, NumberEdit):
                field.show_value(float(value))
            elif isinstance(field, QCheckBox):
                field.blockSignals(True)
                field.setChecked(bool(value))
                field.blockSignals(False)
            elif isinstance(field, QLabel):
                field.setText(str(value))

    def _make(self, body: Mapping[str, Any]) -> None:
        for key, reading in body["settings"].items():
            if not key.startswith(self._only):
                continue
            field = self._field(key, reading)
            self._fields[key] = field
            note = QLabel()
            note.setStyleSheet(f"color: {self._theme.alarm}")
            note.hide()
            self._notes[key] = note
            self._form.addRow(key, field)
            self._form.addRow("", note)
        for command in body["commands"] if self._with_commands else ():
            if command == "move":
                continue
            button = QPushButton(command.replace("_", " "))
            button.setAccessibleName(f"{self.name}: {command}")
            button.clicked.connect(lambda _=False, c=command: self._command(self.name, c))
            self._buttons.addWidget(button)

    def _field(self, key: str, reading: Mapping[str, Any]) -> QWidget:
        value = reading["value"]
        title = f"{self.name} {key}"
        if isinstance(value, bool):
            box = QCheckBox()
            box.setAccessibleName(title)
            box.toggled.connect(lambda on: self._apply(self.name, {key: on}))
            return box
        if isinstance(value, int | float):
            edit = NumberEdit(
                title,
                reading["unit"],
                reading["low"],
                reading["high"],
                lambda number: self._apply(self.name, {key: number}),
                lambda text: self._say(key, text),
            )
            if reading["low"] is not None:
                bounds = [words.quantity(reading[k], reading["unit"], 6) for k in ("low", "high")]
                edit.setToolTip(" to ".join(bounds))
            return edit
        return QLabel(str(value))

    def _say(self, key: str, text: str) -> None:
        note = self._notes[key]
        note.setText(text)
        note.setVisible(bool(text))
        border = f"border: 1px solid {self._theme.alarm}" if text else ""
        self._fields[key].setStyleSheet(border)


class ParameterForm(QScrollArea):
    """Parameters of a procedure, made of their JSON schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        inner = QWidget()
        form = QFormLayout(inner)
        self._fields: dict[str, tuple[QWidget, Any]] = {}
        for name, facts in schema.get("properties", {}).items():
            default = facts.get("default")
            field = self._field(facts, default)
            field.setAccessibleName(name)
            field.setToolTip(facts.get("description", ""))
            form.addRow(name, field)
            hint = QLabel(facts.get("description", ""))
            hint.setWordWrap(True)
            hint.setEnabled(False)
            form.addRow("", hint)
            self._fields[name] = (field, default)
        self.setWidget(inner)

    @staticmethod
    def _field(facts: Mapping[str, Any], default: Any) -> QWidget:
        if facts.get("type") == "boolean":
            box = QCheckBox()
            box.setChecked(bool(default))
            return box
        if "enum" in facts:
            choice = QComboBox()
            choice.addItems([str(item) for item in facts["enum"]])
            choice.setCurrentText(str(default))
            return choice
        return QLineEdit("" if default is None else f"{default}")

    def values(self) -> dict[str, Any]:
        """What differs from the defaults.

        Raises
        ------
        ValueError
            Text where a number belongs; names the parameter.
        """
        found: dict[str, Any] = {}
        for name, (field, default) in self._fields.items():
            if isinstance(field, QCheckBox):
                value: Any = field.isChecked()
            elif isinstance(field, QComboBox):
                value = field.currentText()
            elif isinstance(field, QLineEdit):
                value = self._number(name, field.text(), default)
            if value != default and value != "":
                found[name] = value
        return found

    @staticmethod
    def _number(name: str, text: str, default: Any) -> Any:
        if not isinstance(default, int | float):
            return text
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{name}: {text!r} is not a number") from None
        return int(value) if isinstance(default, int) and value.is_integer() else value
