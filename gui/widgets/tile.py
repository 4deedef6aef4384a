"""A number with name, uncertainty, limit and age; hatched when it is stale."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from qnlab.gui import words
from qnlab.gui.theme import Theme, digits

LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
OK, WARNING, ALARM, UNKNOWN = "ok", "warning", "alarm", "unknown"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a tile shows; `fraction` draws the bar of now against the best."""

    value: str = "-"
    detail: str = ""
    state: str = UNKNOWN
    age_s: float = float("inf")
    fraction: float | None = None


class Tile(QWidget):
    """One figure.

    Parameters
    ----------
    title : str
    theme : Theme
    period_s : float
        How often the figure comes; it is stale after three of them, and after 1 s at least.
    """

    def __init__(self, title: str, theme: Theme, period_s: float, parent: QWidget | None = None):
        super().__init__(parent)
        self.title = title
        self._theme = theme
        self._stale_s = max(3 * period_s, 1.0)
        self._shown = Shown()
        self._was = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 62)
        self.setAccessibleName(title)

    def sizeHint(self) -> QSize:
        return QSize(180, 84)

    @property
    def stale(self) -> bool:
        """True if the figure is older than it should be."""
        return self._shown.age_s > self._stale_s

    def show_value(self, shown: Shown) -> None:
        """Show this from now on; repaints only what changed."""
        self._shown = shown
        state = UNKNOWN if self.stale else shown.state
        text = f"{shown.value}|{shown.detail}|{state}|{self._age()}|{shown.fraction}"
        if text != self._was:
            self._was = text
            self.setAccessibleDescription(f"{shown.value} {shown.detail}, {state} {self._age()}")
            self.update()

    def _age(self) -> str:
        if self._shown.age_s == float("inf"):
            return "no data"
        return f"stale {words.age(self._shown.age_s)}" if self.stale else ""

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, shown = self._theme, self._shown
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.setBrush(QColor(theme.panel))
        painter.drawRoundedRect(box, 4, 4)
        inner = box.adjusted(8, 5, -8, -5)
        stale = self.stale
        if stale:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QBrush(QColor(theme.line), Qt.BrushStyle.BDiagPattern))
            painter.drawRoundedRect(box, 4, 4)
        small = self.font()
        painter.setFont(small)
        line = QFontMetricsF(small).height()
        state = UNKNOWN if stale else shown.state
        mark = line * 0.62
        sign = QRectF(inner.right() - mark, inner.top() + (line - mark) / 2, mark, mark)
        paint_state(painter, sign, state, theme)
        painter.setPen(QColor(theme.dim))
        name = inner.adjusted(0, 0, -mark - 6, 0)
        _text(painter, QRectF(name.left(), name.top(), name.width(), line), self.title)
        note = self._age() or shown.detail
        _text(painter, QRectF(inner.left(), inner.bottom() - line, inner.width(), line), note)
        middle = QRectF(inner.left(), inner.top() + line, inner.width(), inner.height() - 2 * line)
        if shown.fraction is not None and not stale and middle.height() > 24:
            bar = QRectF(middle.left(), middle.bottom() - 5, middle.width(), 4)
            painter.fillRect(bar, QColor(theme.line))
            bar.setWidth(bar.width() * min(max(shown.fraction, 0.0), 1.0))
            painter.fillRect(bar, QColor(theme.accent))
            middle.setHeight(middle.height() - 7)
        painter.setPen(QColor(theme.dim if stale else theme.text))
        painter.setFont(_fitting(shown.value, middle))
        painter.drawText(middle, LEFT, shown.value)
        painter.end()


def _fitting(text: str, box: QRectF) -> QFont:
    points = min(box.height() * 0.62, 40.0)
    font = digits(points)
    width = QFontMetricsF(font).horizontalAdvance(text)
    if width > box.width() > 0:
        font = digits(points * box.width() / width * 0.98)
    return font


def _text(painter: QPainter, box: QRectF, text: str) -> None:
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(box.width()))
    painter.drawText(box, LEFT, shown)


def paint_state(painter: QPainter, box: QRectF, state: str, theme: Theme) -> None:
    """A state as colour and shape: disc, triangle, square, ring."""
    colour = QColor(
        {OK: theme.ok, WARNING: theme.warning, ALARM: theme.alarm}.get(state, theme.dim)
    )
    painter.setPen(QPen(colour, 1.5))
    painter.setBrush(colour if state in (OK, WARNING, ALARM) else Qt.BrushStyle.NoBrush)
    if state == WARNING:
        painter.drawPolygon(
            [box.bottomLeft(), box.bottomRight(), (box.topLeft() + box.topRight()) / 2]
        )
    elif state == ALARM:
        painter.drawRect(box)
    else:
        painter.drawEllipse(box)
