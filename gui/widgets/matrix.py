"""Sent state against detected state: shares of each row, as cells with figures."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from qnlab.gui.theme import Theme

STATES = ("H", "V", "D", "A")


class ErrorMatrix(QWidget):
    """Counts of a block, four states by four detectors; each row adds up to 100 %."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._counts: list[int] = []
        self.setMinimumSize(220, 150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Sent against detected states")

    def sizeHint(self) -> QSize:
        return QSize(300, 240)

    def show_counts(self, counts: Sequence[int]) -> None:
        """Show 16 counts, row by row."""
        if list(counts) != self._counts and len(counts) == 16:
            self._counts = list(counts)
            rows = [self._row(r) for r in range(4)]
            self.setAccessibleDescription(
                "; ".join(
                    f"{STATES[r]}: " + ", ".join(f"{v:.1f} %" for v in row)
                    for r, row in enumerate(rows)
                )
            )
            self.update()

    def _row(self, r: int) -> list[float]:
        row = self._counts[4 * r : 4 * r + 4]
        total = sum(row) or 1
        return [100 * n / total for n in row]

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = self._theme
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.panel))
        centre = Qt.AlignmentFlag.AlignCenter
        line = QFontMetricsF(self.font()).height()
        left, top = line * 2.6, line * 2.4
        width, height = (self.width() - left - 8) / 4, (self.height() - top - 8) / 4
        painter.setPen(QColor(theme.dim))
        painter.drawText(QRectF(left, 2, 4 * width, line), centre, "detected")
        painter.drawText(QRectF(2, 2 + line, left, line), centre, "sent")
        for i, name in enumerate(STATES):
            painter.drawText(QRectF(left + i * width, 2 + line, width, line), centre, name)
            painter.drawText(QRectF(2, top + i * height, left - 4, height), centre, name)
        for r in range(4):
            values = self._row(r) if self._counts else [0.0] * 4
            for c in range(4):
                box = QRectF(left + c * width, top + r * height, width - 2, height - 2)
                wrong = r // 2 == c // 2 and r != c
                colour = QColor(theme.alarm if wrong else theme.curves[0])
                share = values[c] / 100
                colour.setAlphaF(min(share * (8 if wrong else 0.7), 0.75))
                painter.fillRect(box, QColor(theme.window))
                painter.fillRect(box, colour)
                painter.setPen(QColor(theme.text))
                text = f"{values[c]:.1f}" if self._counts else "-"
                painter.drawText(box, centre, text)
        painter.end()
