"""Align: hands on the optics, eyes three metres from the screen."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from qnlab.gui import words
from qnlab.gui.feed import Feed
from qnlab.gui.theme import Theme
from qnlab.gui.widgets.charts import HistogramChart, TimeChart
from qnlab.gui.widgets.forms import SettingsForm
from qnlab.gui.widgets.sphere import Sphere
from qnlab.gui.widgets.tile import ALARM, OK, WARNING, Shown, Tile
from qnlab.gui.workspaces.workspace import Act, Workspace, grid

RATE_PERIOD_S = 0.2
ROLES = ("PolarizationController", "Attenuator", "LaserSource", "SinglePhotonDetector")


class Align(Workspace):
    """Digits, coincidences, rates, the sphere, and knobs."""

    title = "Align"

    def __init__(self, feed: Feed, theme: Theme, act: Act) -> None:
        super().__init__(feed, theme, act)
        self._tiles: dict[str, Tile] = {}
        self._best: dict[str, float] = {}
        self._tile_box = QWidget()
        self._tile_layout = QVBoxLayout(self._tile_box)
        self._tile_layout.setContentsMargins(0, 0, 0, 0)
        self.dock("digits", "Count rates (R resets the best)", self._tile_box)
        self.histogram = HistogramChart("Coincidences", theme)
        self.dock("histogram", "Coincidences against delay", self._histogram_box(), "digits")
        self.rates = TimeChart("Rates", theme, "counts/s", log=True)
        self.dock("rates", "Rates, last 10 min", self.rates, "digits", Qt.Orientation.Vertical)
        self.sphere = Sphere(theme)
        self.dock(
            "sphere",
            "Poincaré sphere at the receiver",
            self.sphere,
            "histogram",
            Qt.Orientation.Vertical,
        )
        self._knobs = QWidget()
        self._knob_layout = QVBoxLayout(self._knobs)
        self._forms: dict[str, SettingsForm] = {}
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(self._knobs)
        scroll.setMinimumWidth(300)
        self.dock("knobs", "Knobs", scroll, "sphere")
        self._event: tuple[str, int] | None = None
        reset = QShortcut(QKeySequence("R"), self)
        reset.activated.connect(self._best.clear)

    def proportions(self) -> None:
        d, width, height = self.docks, self.width(), self.height()
        horizontal, vertical = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
        self.resizeDocks([d["digits"], d["histogram"]], [width // 2, width // 2], horizontal)
        self.resizeDocks(
            [d["digits"], d["rates"]], [height * 45 // 100, height * 55 // 100], vertical
        )
        self.resizeDocks(
            [d["histogram"], d["sphere"]], [height * 45 // 100, height * 55 // 100], vertical
        )
        self.resizeDocks([d["sphere"], d["knobs"]], [width // 4, width // 4], horizontal)

    def _histogram_box(self) -> QWidget:
        box = QWidget()
        layout = QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        self._start, self._stop = QComboBox(), QComboBox()
        for combo, name in ((self._start, "Start channel"), (self._stop, "Stop channel")):
            combo.setAccessibleName(name)
            combo.activated.connect(self._select)
            row.addWidget(combo)
        peak = QPushButton("Delay from peak")
        peak.clicked.connect(self.histogram.to_peak)
        row.addWidget(peak)
        row.addStretch(1)
        layout.addLayout(row)
        layout.addWidget(self.histogram, 1)
        return box

    def _select(self) -> None:
        tagger, start = self._start.currentData()
        self.act(
            "histogram.select",
            {"tagger": tagger, "start": start, "stop": self._stop.currentData()[1]},
        )

    def refresh(self) -> None:
        for tagger in self.feed.taggers():
            self._refresh_tagger(tagger)
        self.rates.show_series(
            {
                name.rpartition("/")[2]: self.feed.series(name)
                for name in self.feed.names("rate/")[:6]
            }
        )
        for topic in self.feed.new:
            if topic.startswith("histogram/"):
                self.histogram.show_counts(self.feed.body(topic))
        event = self.feed.body("run/event/alignment")
        if event and (event["uid"], event["seq"]) != self._event:
            if self._event is None or self._event[0] != event["uid"]:
                self.sphere.clear()
            self._event = (event["uid"], event["seq"])
            for name, key in (("H", "arrived_h"), ("D", "arrived_d")):
                if key in event["data"]:
                    self.sphere.add(f"{name} sent", *event["data"][key])
        for name, body in self.feed.bodies("instrument/").items():
            if body["role"] in ROLES[:3]:
                if name not in self._forms:
                    form = SettingsForm(name, self.theme, self._apply, self._command)
                    self._forms[name] = form
                    self._knob_layout.insertWidget(self._knob_layout.count(), form)
                self._forms[name].show_instrument(body)

    def _apply(self, name: str, settings: dict[str, object]) -> None:
        self.act("instrument.apply", {"instrument": name, "settings": settings})

    def _command(self, name: str, method: str) -> None:
        self.act("instrument.call", {"instrument": name, "method": method})

    def _refresh_tagger(self, tagger: str) -> None:
        topic = f"rates/{tagger}"
        body = self.feed.body(topic)
        names = [f"{tagger}: {name}" for name in body["channels"]]
        if not set(names) <= self._tiles.keys():
            self._make_tiles(tagger, list(body["channels"]))
        for name, channel in body["channels"].items():
            key = f"{tagger}: {name}"
            rate, limit = channel["rate_hz"], channel["limit_hz"]
            best = self._best[key] = max(self._best.get(key, 0.0), rate, 1.0)
            state, detail = OK, f"best {best:,.0f} /s, {body['integration_s']:.1f} s"
            if limit is not None and rate > 0.5 * limit:
                state = ALARM if rate > 0.9 * limit else WARNING
                detail = f"limit {words.quantity(limit, '/s')}"
            self._tiles[key].show_value(
                Shown(
                    words.rate(channel["counts"], body["integration_s"]),
                    detail,
                    state,
                    self.feed.age_s(topic),
                    rate / best,
                )
            )

    def _make_tiles(self, tagger: str, names: list[str]) -> None:
        tiles: list[QWidget] = []
        for name in names:
            self._tiles[f"{tagger}: {name}"] = Tile(f"{tagger}  {name}", self.theme, RATE_PERIOD_S)
            tiles.append(self._tiles[f"{tagger}: {name}"])
            for combo in (self._start, self._stop):
                combo.addItem(f"{tagger} {name}", (tagger, name))
        if self._stop.count() > 1 and self._stop.currentIndex() == 0:
            self._stop.setCurrentIndex(1)
        self._tile_layout.addWidget(grid(tiles, 2))
