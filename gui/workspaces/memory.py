"""Memory: gates, efficiency against storage time, fidelity, the figures of the last run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from qnlab.gui import words
from qnlab.gui.feed import Feed
from qnlab.gui.theme import Theme
from qnlab.gui.widgets.tile import OK, WARNING, Shown, Tile
from qnlab.gui.workspaces.workspace import Act, Workspace, grid

FIGURES = {
    "efficiency": ("Efficiency, end to end", 100.0, "%"),
    "internal_efficiency": ("Internal efficiency", 100.0, "%"),
    "mu_1": ("mu_1, noise per pulse", 1.0, ""),
    "snr": ("SNR", 1.0, ""),
    "fidelity": ("Fidelity", 100.0, "%"),
    "lifetime": ("Lifetime (1/e)", 1e-9, "s"),
}
FOR_EVER_S = 1e9


class Memory(Workspace):
    """What the memory procedures found; every figure with its error."""

    title = "Memory"

    def __init__(self, feed: Feed, theme: Theme, act: Act) -> None:
        super().__init__(feed, theme, act)
        self.tiles = {key: Tile(name, theme, FOR_EVER_S) for key, (name, *_) in FIGURES.items()}
        now = grid(list[QWidget](self.tiles.values()), len(self.tiles))
        now.setMaximumHeight(130)
        self.dock("now", "Last run", now)
        self._plot, self._points, self._fit = self._scan_plot()
        self.dock(
            "scan",
            "Efficiency against storage time",
            self._boxed(self._plot),
            "now",
            Qt.Orientation.Vertical,
        )
        self.gates = _table(["gate", "clicks", "trials", "photons a trial"], "Gates")
        self.dock("gates", "Gates of the last storage", self.gates, "scan")
        self.states = _table(["state", "fidelity (%)", "purity", "counts"], "Stored states")
        self.dock(
            "states",
            "Stored states; the classical limit is in the figures",
            self.states,
            "gates",
            Qt.Orientation.Vertical,
        )
        self.figures = _table(["figure", "value"], "All figures")
        self.dock("figures", "All figures of the last run", self.figures, "gates")
        self._drawn: tuple[str, int, str] | None = None

    def proportions(self) -> None:
        d, width, height = self.docks, self.width(), self.height()
        vertical, horizontal = Qt.Orientation.Vertical, Qt.Orientation.Horizontal
        self.resizeDocks([d["now"], d["scan"]], [130, max(height - 130, 200)], vertical)
        self.resizeDocks(
            [d["scan"], d["gates"], d["figures"]],
            [width * 42 // 100, width * 29 // 100, width * 29 // 100],
            horizontal,
        )

    def _scan_plot(self) -> tuple[Any, Any, Any]:
        theme = self.theme
        plot = pg.PlotWidget(background=theme.panel)
        item = plot.getPlotItem()
        item.hideButtons()
        item.showGrid(x=True, y=True, alpha=0.18)
        for name, label in (("left", "efficiency (%)"), ("bottom", "storage time (ns)")):
            axis = item.getAxis(name)
            axis.enableAutoSIPrefix(False)
            axis.setPen(theme.line)
            axis.setTextPen(theme.dim)
            axis.setLabel(label, color=theme.dim)
        bars = pg.ErrorBarItem(
            x=np.zeros(0), y=np.zeros(0), height=np.zeros(0), pen=pg.mkPen(theme.curves[0], width=1)
        )
        item.addItem(bars)
        dots = item.plot(
            pen=None, symbol="o", symbolSize=5, symbolBrush=theme.curves[0], symbolPen=None
        )
        fit = item.plot(pen=pg.mkPen(theme.curves[1], width=1))
        item.vb.setMouseEnabled(x=False, y=False)
        return plot, (dots, bars), fit

    def _boxed(self, plot: QWidget) -> QWidget:
        box = QWidget()
        box.setAccessibleName("Efficiency against storage time")
        layout = QVBoxLayout(box)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(plot)
        return box

    def refresh(self) -> None:
        body = self.feed.body("run/result")
        mine = str(body.get("procedure", "")).startswith("memory")
        result = body.get("result", {}) if mine else {}
        events = sum(map(len, self.feed.events.values()))
        now = (str(self.feed.run), events, str(body.get("uid") if mine else ""))
        if now == self._drawn:
            return
        self._drawn = now
        self._show_tiles(result)
        self._show_scan(result)
        _fill(
            self.gates,
            [
                (str(e["gate"]), f"{e['clicks']:,}", f"{e['trials']:,}", f"{e['mean']:.5f}")
                for e in self.feed.events.get("gates", [])
            ],
        )
        _fill(
            self.states,
            [
                (
                    str(e["state"]),
                    f"{100 * e['fidelity']:.2f} ± {100 * e['fidelity_error']:.2f}",
                    f"{e['purity']:.3f}",
                    ", ".join(f"{n:,}" for n in e["counts"]),
                )
                for e in self.feed.events.get("states", [])
            ],
        )
        _fill(
            self.figures,
            [
                (key.replace("_", " "), f"{value:.5g}" if isinstance(value, float) else str(value))
                for key, value in result.items()
                if isinstance(value, int | float | str) and key not in ("exit_status", "reason")
            ],
        )

    def _show_tiles(self, result: Mapping[str, Any]) -> None:
        limit = result.get("classical_fidelity")
        for key, (_, scale, unit) in FIGURES.items():
            found = f"{key}_ns" if key == "lifetime" else key
            error = f"{key}_error_ns" if key == "lifetime" else f"{key}_error"
            if found not in result:
                self.tiles[key].show_value(Shown())
                continue
            value, sigma = scale * result[found], scale * result.get(error, math.nan)
            if unit == "s":
                text = f"{words.quantity(value, 's', 4)} ± {words.quantity(sigma, 's', 2)}"
            else:
                text = f"{value:.4g} ± {sigma:.2g} {unit}".rstrip()
            state, detail = OK, ""
            if key == "fidelity" and limit is not None:
                state = OK if result[found] > limit else WARNING
                detail = f"classical limit {100 * limit:.1f} %"
            if key == "lifetime":
                detail = str(result.get("model", ""))
            self.tiles[key].show_value(Shown(text, detail, state, 0.0))

    def _show_scan(self, result: Mapping[str, Any]) -> None:
        scan = list(self.feed.events.get("scan", ()))
        t = np.array([e["storage_ns"] for e in scan], dtype=np.float64)
        y = 100 * np.array([e["efficiency"] for e in scan], dtype=np.float64)
        dy = 100 * np.array([e["efficiency_error"] for e in scan], dtype=np.float64)
        dots, bars = self._points
        dots.setData(t, y)
        bars.setData(x=t, y=y, height=2 * dy)
        fit = result.get("fits", {}).get(result.get("model"), {})
        if len(t) and fit:
            x = np.linspace(t[0], t[-1], 200)
            power = fit.get("power") or 1.0
            decay = np.exp(-((x / fit["lifetime_ns"]) ** power))
            self._fit.setData(x, 100 * result["initial_efficiency"] * decay)
        else:
            self._fit.setData([], [])
        if len(t):
            item = self._plot.getPlotItem()
            item.setXRange(0, float(t.max()) * 1.05, padding=0)
            item.setYRange(0, float((y + dy).max()) * 1.15, padding=0)


def _table(columns: list[str], name: str) -> QTableWidget:
    table = QTableWidget(0, len(columns))
    table.setHorizontalHeaderLabels(columns)
    table.verticalHeader().hide()
    table.setAccessibleName(name)
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(len(columns) - 1, QHeaderView.ResizeMode.Stretch)
    return table


def _fill(table: QTableWidget, rows: list[tuple[str, ...]]) -> None:
    table.setRowCount(len(rows))
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            table.setItem(r, c, QTableWidgetItem(text))
