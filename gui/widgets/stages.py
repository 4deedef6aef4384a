"""The way from tags to keys, stage by stage, with what each last did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from qnlab.gui.theme import Theme
from qnlab.gui.widgets.tile import paint_state


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its name, its figure, a second line, its state."""

    name: str
    figure: str
    detail: str
    state: str


class ProtocolBar(QWidget):
    """Stages as a row of arrows; a click tells which."""

    chosen = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._stages: tuple[Stage, ...] = ()
        self.setMinimumHeight(76)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setAccessibleName("Protocol stages")

    def sizeHint(self) -> QSize:
        return QSize(900, 84)

    def show_stages(self, stages: Sequence[Stage]) -> None:
        """Show these."""
        if tuple(stages) != self._stages:
            self._stages = tuple(stages)
            self.setAccessibleDescription(
                "; ".join(f"{s.name} {s.figure} {s.detail}, {s.state}" for s in stages)
            )
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._stages:
            k = int(event.position().x() / self.width() * len(self._stages))
            self.chosen.emit(self._stages[min(k, len(self._stages) - 1)].name)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(theme.window))
        metrics = QFontMetricsF(self.font())
        line = metrics.height()
        width, tip = self.width() / max(len(self._stages), 1), 12.0
        bottom = self.height() - 2.0
        for k, stage in enumerate(self._stages):
            x, end = k * width + 2, (k + 1) * width - tip
            shape = QPolygonF(
                [
                    QPointF(x, 2),
                    QPointF(end, 2),
                    QPointF(end + tip, bottom / 2 + 1),
                    QPointF(end, bottom),
                    QPointF(x, bottom),
                ]
            )
            if k:
                shape.append(QPointF(x + tip, bottom / 2 + 1))
            painter.setPen(QPen(QColor(theme.line), 1))
            painter.setBrush(QColor(theme.panel))
            painter.drawPolygon(shape)
            inner = x + (tip if k else 4) + 6
            room = end - inner
            mark = line * 0.6
            paint_state(
                painter, QRectF(inner, 8 + (line - mark) / 2, mark, mark), stage.state, theme
            )
            rows = (
                (stage.name, theme.dim, inner + mark + 5, room - mark - 5),
                (stage.figure, theme.text, inner, room),
                (stage.detail, theme.dim, inner, room),
            )
            for i, (text, colour, at, wide) in enumerate(rows):
                painter.setPen(QColor(colour))
                shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, wide)
                box = QRectF(at, 8 + i * (line + 3), wide, line)
                painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, shown)
        painter.end()
