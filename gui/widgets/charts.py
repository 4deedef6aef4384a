"""Curves against time, and histograms; drawn with pyqtgraph within a budget.

Pens are one pixel wide, axes are cached, ranges change only when they must: each of these costs
several times the drawing if done otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QGraphicsItem, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from qnlab.gui.feed import Series
from qnlab.gui.theme import Theme

MOST_POINTS = 1500

Floats = npt.NDArray[np.float64]


class _Chart(QWidget):
    """A plot under a line of its names."""

    def __init__(self, title: str, theme: Theme, y_label: str, x_label: str) -> None:
        super().__init__()
        self.title = title
        self._theme = theme
        self.setAccessibleName(title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.setSpacing(0)
        head = QHBoxLayout()
        self._names = QLabel()
        self._names.setTextFormat(Qt.TextFormat.RichText)
        self._note = QLabel()
        self._note.setStyleSheet(f"color: {theme.dim}")
        head.addWidget(self._names, 1)
        head.addWidget(self._note)
        layout.addLayout(head)
        self.plot = pg.PlotWidget(background=theme.panel)
        self.plot.setMinimumHeight(110)
        self.item = self.plot.getPlotItem()
        self.item.showGrid(x=True, y=True, alpha=0.18)
        self.item.hideButtons()
        for name, label in (("left", y_label), ("bottom", x_label)):
            axis = self.item.getAxis(name)
            axis.enableAutoSIPrefix(False)
            axis.setPen(theme.line)
            axis.setTextPen(theme.dim)
            axis.setLabel(label, color=theme.dim)
            axis.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        self.item.vb.setMouseEnabled(x=False, y=False)
        layout.addWidget(self.plot, 1)
        self._shown_names: tuple[str, ...] = ()

    def _label(self, names: Sequence[str]) -> None:
        if tuple(names) == self._shown_names:
            return
        self._shown_names = tuple(names)
        colours = self._theme.curves
        parts = [
            f'<span style="color:{colours[i % len(colours)]}">&#9644; {name}</span>'
            for i, name in enumerate(names)
        ]
        self._names.setText("&nbsp;&nbsp;".join(parts))

    def note(self, text: str) -> None:
        """A word at the right of the names."""
        if self._note.text() != text:
            self._note.setText(text)


class TimeChart(_Chart):
    """Series against time before now.

    Parameters
    ----------
    span_s : float
        How far back it looks.
    scale : float
        Factor from the series to what the axis says.
    limit : float, optional
        A line at this height.
    log : bool
        Logarithmic height.
    """

    def __init__(
        self,
        title: str,
        theme: Theme,
        y_label: str,
        *,
        span_s: float = 600.0,
        scale: float = 1.0,
        limit: float | None = None,
        log: bool = False,
        floor: float = 1.0,
        marks: bool = False,
    ) -> None:
        self._span = span_s
        self._unit, name = (60.0, "minutes") if span_s > 180 else (1.0, "s")
        super().__init__(title, theme, y_label, f"{name} before now")
        self._scale = scale
        self._log = log
        self._floor = floor
        self._marks = marks
        self._curves: list[Any] = []
        self._range = (0.0, 0.0)
        self.item.setLogMode(y=log)
        self.item.setXRange(-span_s / self._unit, 0, padding=0.01)
        if limit is not None:
            level = np.log10(limit) if log else limit
            line = pg.InfiniteLine(level, 0, pen=pg.mkPen(theme.alarm, width=1))
            self.item.addItem(line)
        self._limit = limit

    def show_series(self, named: Mapping[str, Series]) -> None:
        """Draw these, and nothing else."""
        self._label(list(named))
        while len(self._curves) < len(named):
            colour = self._theme.curves[len(self._curves) % len(self._theme.curves)]
            symbol = {"symbol": "o", "symbolSize": 4, "symbolBrush": colour, "symbolPen": None}
            self._curves.append(
                self.item.plot(
                    pen=pg.mkPen(colour, width=1),
                    connect="finite",
                    **(symbol if self._marks else {}),
                )
            )
        now = time.time()
        highest, lowest = -np.inf, np.inf
        for curve, series in zip(self._curves, named.values(), strict=False):
            t, v = series.since(now - self._span)
            t, v = thinned(t, v * self._scale)
            if self._log:
                v = np.where(v > 0, v, np.nan)
            curve.setData((t - now) / self._unit, v)
            if np.isfinite(v).any():
                highest, lowest = max(highest, np.nanmax(v)), min(lowest, np.nanmin(v))
        for curve in self._curves[len(named) :]:
            curve.setData([], [])
        if np.isfinite(highest):
            self._fit(lowest, highest)

    def _fit(self, lowest: float, highest: float) -> None:
        """Grow at once, shrink when less than 55 % is used."""
        if self._log:
            want = (np.floor(np.log10(lowest)), np.ceil(np.log10(highest) + 0.05))
            want = (want[0], max(want[1], want[0] + 1))
        else:
            top = max(highest * 1.2, self._floor)
            if self._limit is not None:
                if 2 * highest > self._limit:
                    top = max(top, 1.1 * self._limit)
                self.note(
                    f"limit {self._limit:g} %" if self._scale == 100 else f"limit {self._limit:g}"
                )
            want = (0.0 if lowest >= 0 else lowest * 1.1, top)
        low, high = self._range
        used = (want[1] - want[0]) / (high - low) if high > low else 0.0
        if want[0] < low or want[1] > high or used < 0.55:
            self._range = want
            self.item.setYRange(*want, padding=0.0)


def thinned(t: Floats, v: Floats) -> tuple[Floats, Floats]:
    """At most `MOST_POINTS` points: lowest and highest of each of many stretches."""
    if len(t) <= MOST_POINTS:
        return t, v
    size = -(-len(t) // (MOST_POINTS // 2))
    rows = len(t) // size
    blocks = np.where(np.isnan(v), np.inf, v)[: rows * size].reshape(rows, size)
    low = blocks.argmin(axis=1)
    high = np.where(np.isinf(blocks), -np.inf, blocks).argmax(axis=1)
    at = np.sort(np.stack([low, high], axis=1), axis=1) + np.arange(rows)[:, None] * size
    return t[at.ravel()], v[at.ravel()]


class HistogramChart(_Chart):
    """Delays between two channels, with a cursor for the delay."""

    def __init__(self, title: str, theme: Theme) -> None:
        super().__init__(title, theme, "counts", "delay (ns)")
        self._curve = self.item.plot(
            pen=pg.mkPen(theme.curves[0], width=1),
            stepMode="center",
            fillLevel=0,
            brush=QColor(theme.curves[0]).lighter(150),
        )
        self.marker = pg.InfiniteLine(0.0, 90, movable=True, pen=pg.mkPen(theme.alarm, width=1))
        self.marker.sigPositionChanged.connect(self._tell_cursor)
        self.item.addItem(self.marker)
        self._top = 0.0
        self._edges: Floats = np.array([0.0, 1.0])
        self._counts: Floats = np.zeros(1)

    def show_counts(self, body: Mapping[str, Any]) -> None:
        """Draw a histogram as the host tells it."""
        self._counts = np.array(body["counts"], dtype=np.float64)
        edges = (body["first_ps"] + body["bin_ps"] * np.arange(len(self._counts) + 1)) * 1e-3
        if len(edges) != len(self._edges) or edges[0] != self._edges[0]:
            self.item.setXRange(edges[0], edges[-1], padding=0)
        self._edges = edges
        self._curve.setData(edges, self._counts)
        self._label([f"{body['start']} to {body['stop']}"])
        top = max(float(self._counts.max()) * 1.1, 5.0)
        if top > self._top or top < 0.55 * self._top:
            self._top = top
            self.item.setYRange(0, top, padding=0)
        self._tell_cursor()

    def peak_ns(self) -> float:
        """Middle of the fullest bin, ns."""
        k = int(self._counts.argmax())
        return float(self._edges[k] + self._edges[k + 1]) / 2

    def to_peak(self) -> None:
        """Put the cursor on the peak."""
        self.marker.setValue(self.peak_ns())

    def _tell_cursor(self) -> None:
        at = float(self.marker.value())
        k = int(np.searchsorted(self._edges, at, side="right")) - 1
        counts = self._counts[k] if 0 <= k < len(self._counts) else 0
        self.note(f"cursor {at * 1e3:,.0f} ps: {counts:,.0f} counts")


class TrendChart(_Chart):
    """Mean with a band from lowest to highest, over days."""

    def __init__(self, title: str, theme: Theme, y_label: str, scale: float = 1.0) -> None:
        super().__init__(title, theme, y_label, "local time")
        self._scale = scale
        self.item.setAxisItems({"bottom": pg.DateAxisItem()})
        self.item.getAxis("bottom").setTextPen(theme.dim)
        none = pg.mkPen(None)
        self._low = self.item.plot(pen=none, connect="finite")
        self._high = self.item.plot(pen=none, connect="finite")
        band = QColor(theme.curves[0])
        band.setAlpha(60)
        self.item.addItem(pg.FillBetweenItem(self._low, self._high, brush=band))
        self._mean = self.item.plot(
            pen=pg.mkPen(theme.curves[0], width=1),
            connect="finite",
            symbol="o",
            symbolSize=3,
            symbolBrush=theme.curves[0],
            symbolPen=None,
        )

    def show_trend(self, table: Sequence[Sequence[float]], begin_s: float, end_s: float) -> None:
        """Draw columns time, lowest, mean, highest."""
        t, low, mean, high = (np.array(column, dtype=np.float64) for column in table)
        for curve, values in ((self._low, low), (self._high, high), (self._mean, mean)):
            curve.setData(t, values * self._scale)
        self.item.setXRange(begin_s, end_s, padding=0.01)
        top = float(np.nanmax(high)) * self._scale if len(high) else 1.0
        self.item.setYRange(0, top * 1.1 or 1.0, padding=0)
