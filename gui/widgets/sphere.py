"""The Poincare sphere, drawn without OpenGL on a cached background."""

from __future__ import annotations

import math
from collections import deque

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from qnlab.gui.theme import Theme

AZIMUTH, ELEVATION = math.radians(32.0), math.radians(20.0)
TRAIL = 40

Stokes = tuple[float, float, float]


class Sphere(QWidget):
    """Where H and D of the sender arrive, against where they should.

    The receiver measures two Stokes components; the size of the third follows from the other two
    for polarized light, its sign does not, and it is drawn on the near side.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._points: dict[str, deque[Stokes]] = {}
        self._background: QPixmap | None = None
        self.setMinimumSize(180, 180)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Poincare sphere at the receiver")

    def sizeHint(self) -> QSize:
        return QSize(300, 300)

    def add(self, name: str, s1: float, s2: float) -> None:
        """Append where a state arrived."""
        s3 = math.sqrt(max(1.0 - s1 * s1 - s2 * s2, 0.0))
        self._points.setdefault(name, deque(maxlen=TRAIL)).append((s1, s2, s3))
        self.setAccessibleDescription(
            "; ".join(
                f"{key} at S1 {seen[-1][0]:.3f}, S2 {seen[-1][1]:.3f}"
                for key, seen in self._points.items()
            )
        )
        self.update()

    def clear(self) -> None:
        """Forget all."""
        self._points.clear()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._background = None

    def _place(self, s: Stokes) -> tuple[QPointF, float]:
        """Where a point is on the widget, and how near it is (positive: in front)."""
        x, y, z = s
        right = -x * math.sin(AZIMUTH) + y * math.cos(AZIMUTH)
        toward = x * math.cos(AZIMUTH) + y * math.sin(AZIMUTH)
        up = z * math.cos(ELEVATION) - toward * math.sin(ELEVATION)
        near = toward * math.cos(ELEVATION) + z * math.sin(ELEVATION)
        radius, centre = self._radius(), QRectF(self.rect()).center()
        return QPointF(centre.x() + radius * right, centre.y() - radius * up), near

    def _radius(self) -> float:
        return max(min(self.width(), self.height()) / 2 - 26, 20)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._background is None:
            self._background = self._drawn()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._background)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for i, (name, points) in enumerate(self._points.items()):
            colour = QColor(self._theme.curves[i % len(self._theme.curves)])
            for k, point in enumerate(points):
                place, _ = self._place(point)
                colour.setAlpha(40 + 215 * (k + 1) // len(points))
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(colour)
                size = 6.0 if k == len(points) - 1 else 2.5
                painter.drawEllipse(place, size, size)
            place, _ = self._place(points[-1])
            painter.setPen(QColor(self._theme.text))
            painter.drawText(place + QPointF(9, -8), name)
        if not self._points:
            painter.setPen(QColor(self._theme.dim))
            note = "not measured yet: align polarization"
            painter.drawText(
                self.rect().adjusted(0, 0, 0, -2),
                Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom,
                note,
            )
        painter.end()

    def _drawn(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap(self.size() * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(QColor(self._theme.panel))
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centre, radius = QRectF(self.rect()).center(), self._radius()
        painter.setPen(QPen(QColor(self._theme.dim), 1))
        painter.setBrush(QColor(self._theme.window))
        painter.drawEllipse(centre, radius, radius)
        for plane in range(3):
            self._circle(painter, plane)
        for label, s in (
            ("H", (1.0, 0, 0)),
            ("V", (-1.0, 0, 0)),
            ("D", (0, 1.0, 0)),
            ("A", (0, -1.0, 0)),
            ("R", (0, 0, 1.0)),
            ("L", (0, 0, -1.0)),
        ):
            place, near = self._place(s)
            painter.setPen(QPen(QColor(self._theme.text if near >= 0 else self._theme.dim), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            if label in ("H", "D"):
                painter.drawEllipse(place, 7, 7)
            away = place - centre
            length = max(math.hypot(away.x(), away.y()), 1e-6)
            at = place + away / length * 14
            painter.drawText(
                QRectF(at.x() - 10, at.y() - 10, 20, 20), Qt.AlignmentFlag.AlignCenter, label
            )
        painter.end()
        return pixmap

    def _circle(self, painter: QPainter, plane: int) -> None:
        last: QPointF | None = None
        for k in range(73):
            a = math.radians(5 * k)
            s = [math.cos(a), math.sin(a)]
            s.insert(plane, 0.0)
            place, near = self._place((s[0], s[1], s[2]))
            if last is not None:
                style = Qt.PenStyle.SolidLine if near >= 0 else Qt.PenStyle.DotLine
                painter.setPen(QPen(QColor(self._theme.line), 1, style))
                painter.drawLine(last, place)
            last = place
