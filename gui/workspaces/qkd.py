"""QKD session: error rates, keys, and how they come about."""

from __future__ import annotations

import math
import time

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from qnlab.gui import words
from qnlab.gui.feed import Feed
from qnlab.gui.theme import Theme
from qnlab.gui.widgets.charts import TimeChart
from qnlab.gui.widgets.log import LogView
from qnlab.gui.widgets.matrix import ErrorMatrix
from qnlab.gui.widgets.stages import ProtocolBar, Stage
from qnlab.gui.widgets.tile import ALARM, OK, UNKNOWN, WARNING, Shown, Tile
from qnlab.gui.workspaces.workspace import Act, Workspace, grid

BLOCK_PERIOD_S = 4.0
WARN_QBER, ALARM_QBER = 0.05, 0.11
STAGES = ("raw", "sift", "estimate", "reconcile", "verify", "amplify", "key store")
BLOCK = "run/event/block"


class Qkd(Workspace):
    """Figures of the link, charts, error matrix, log, health and the protocol bar."""

    title = "QKD session"

    def __init__(self, feed: Feed, theme: Theme, act: Act) -> None:
        super().__init__(feed, theme, act)
        names = (
            "QBER key basis",
            "QBER test basis",
            "Sifted key",
            "Secret key",
            "Keys stored",
            "Link loss",
            "Since last key",
        )
        self.tiles = {name: Tile(name, theme, BLOCK_PERIOD_S) for name in names}
        now = grid(list[QWidget](self.tiles.values()), len(names))
        now.setMaximumHeight(130)
        self.dock("now", "Now", now)
        self.qber = TimeChart(
            "QBER",
            theme,
            "QBER (%)",
            span_s=120,
            scale=100,
            floor=3.0,
            limit=100 * ALARM_QBER,
            marks=True,
        )
        self.dock("qber", "Error rate of each block", self.qber, "now", Qt.Orientation.Vertical)
        self.bits = TimeChart("Key", theme, "kbit a block", span_s=120, scale=1e-3, marks=True)
        self.dock("bits", "Sifted and secret key", self.bits, "qber", Qt.Orientation.Vertical)
        self.matrix = ErrorMatrix(theme)
        self.dock("matrix", "Sent against detected, % of a row", self.matrix, "qber")
        self.singles = TimeChart("Singles", theme, "counts/s", span_s=120, log=True)
        self.dock("singles", "Singles", self.singles, "bits")
        self.log = LogView(feed.log, theme)
        self.dock("log", "Event log", self.log, "singles")
        self.health = QTableWidget(0, 3)
        self.health.setHorizontalHeaderLabels(["instrument", "role", "health"])
        self.health.verticalHeader().hide()
        self.health.setAccessibleName("Health of every instrument")
        header = self.health.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.dock("health", "Instruments", self.health, "matrix")
        self.bar = ProtocolBar(theme)
        self.bar.chosen.connect(self._filter)
        bottom = self.dock("protocol", "From tags to keys", self.bar)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, bottom)

    def proportions(self) -> None:
        d, width, height = self.docks, self.width(), self.height()
        vertical, horizontal = Qt.Orientation.Vertical, Qt.Orientation.Horizontal
        rest = max(height - 130 - 110, 200)
        rows = [d["now"], d["qber"], d["bits"]]
        self.resizeDocks(rows, [130, rest // 2, rest // 2], vertical)
        self.resizeDocks([d["protocol"]], [100], vertical)
        self.resizeDocks(
            [d["qber"], d["matrix"], d["health"]],
            [width * 42 // 100, width * 29 // 100, width * 29 // 100],
            horizontal,
        )
        self.resizeDocks(
            [d["bits"], d["singles"], d["log"]],
            [width * 34 // 100, width * 30 // 100, width * 36 // 100],
            horizontal,
        )

    def _filter(self, stage: str) -> None:
        self.log.filter.setText({"raw": "tagger", "key store": "run"}.get(stage, ""))

    def refresh(self) -> None:
        feed = self.feed
        self.qber.show_series(
            {
                "key basis": feed.series("block/qber_key"),
                "test basis": feed.series("block/qber_test"),
            }
        )
        self.bits.show_series(
            {"sifted": feed.series("block/sifted_bits"), "secret": feed.series("block/secret_bits")}
        )
        self.singles.show_series(
            {name.rpartition("/")[2]: feed.series(name) for name in feed.names("rate/")[:6]}
        )
        event = feed.body(BLOCK)
        if event:
            self.matrix.show_counts(event["data"].get("states", []))
        self._refresh_tiles(event.get("data", {}))
        self._refresh_bar(event.get("data", {}))
        self._refresh_health()
        if feed.new_lines:
            feed.new_lines = 0
            self.log.model.refresh()

    def _refresh_tiles(self, data: dict[str, float]) -> None:
        age = self.feed.age_s(BLOCK) if data else math.inf
        tiles = self.tiles
        for name, key, limit in (
            ("QBER key basis", "qber_key", ALARM_QBER),
            ("QBER test basis", "qber_test", ALARM_QBER),
        ):
            if not data:
                tiles[name].show_value(Shown())
                continue
            rate = data[key]
            n = data["sifted_bits"] if key == "qber_key" else self._test_bits()
            error = 100 * math.sqrt(max(rate * (1 - rate), 1e-9) / max(n, 1))
            state = ALARM if rate > limit else WARNING if rate > WARN_QBER else OK
            value = f"{100 * rate:.2f} ± {error:.2f} %"
            size = words.quantity(n, "", 3) if n < 1000 else f"{n / 1000:.0f} k"
            tiles[name].show_value(
                Shown(value, f"limit {100 * limit:.0f} %, n = {size}", state, age)
            )
        if not data:
            for name in ("Sifted key", "Secret key", "Keys stored", "Link loss", "Since last key"):
                tiles[name].show_value(Shown())
            return
        for name, key in (("Sifted key", "sifted_bits"), ("Secret key", "secret_bits")):
            text = words.quantity(data[key], "bit", 4)
            state = OK if data[key] else WARNING
            total = words.quantity(self.feed.totals.get(f"block/{key}", 0.0), "bit", 4)
            tiles[name].show_value(Shown(text, f"last block; run {total}", state, age))
        keys = int(self.feed.totals.get("block/key_id_count", 0))
        detail = "this run, not secret" if self.feed.simulated else "this run"
        tiles["Keys stored"].show_value(Shown(f"{keys:,}", detail, OK if keys else UNKNOWN, age))
        tiles["Link loss"].show_value(
            Shown(f"{data['link_loss_db']:.2f} dB", "from the gain of the block", OK, age)
        )
        if self.feed.last_key_s is not None:
            since = time.time() - self.feed.last_key_s
            state = OK if since < 3 * BLOCK_PERIOD_S else WARNING
            tiles["Since last key"].show_value(
                Shown(words.age(since), "accepted block", state, 0.0)
            )

    def _test_bits(self) -> float:
        counts = self.feed.body(BLOCK)["data"].get("states", [0] * 16)
        return float(counts[10] + counts[11] + counts[14] + counts[15])

    def _refresh_bar(self, data: dict[str, object]) -> None:
        if not data:
            self.bar.show_stages([Stage(name, "-", "no block yet", UNKNOWN) for name in STAGES])
            return
        status = str(data["status"])
        accepted = status == "accepted"
        end = OK if accepted else WARNING
        block = int(data["index"]) + 1  # type: ignore[call-overload]

        def bits(key: str) -> str:
            return words.quantity(float(data[key]), "bit", 4)  # type: ignore[arg-type]

        refusal = "accepted" if accepted else status.split(":")[0].replace("_", " ")
        self.bar.show_stages(
            [
                Stage(
                    "raw",
                    f"{int(data['detections']):,}",  # type: ignore[call-overload]
                    f"detections, block {block}",
                    OK,
                ),
                Stage("sift", bits("sifted_bits"), "same basis", OK),
                Stage(
                    "estimate",
                    f"{100 * float(data['qber_test']):.2f} %",  # type: ignore[arg-type]
                    f"phase error below {100 * float(data['phase_error_bound']):.1f} %",  # type: ignore[arg-type]
                    OK,
                ),
                Stage(
                    "reconcile",
                    f"f = {float(data['f_ec']):.3f}",  # type: ignore[arg-type]
                    f"{bits('leak_ec_bits')} told",
                    OK,
                ),
                Stage("verify", refusal, f"block {block}", end),
                Stage("amplify", bits("secret_bits"), "secret bits", end),
                Stage(
                    "key store",
                    f"{int(data['key_id_count'])}",  # type: ignore[call-overload]
                    "keys of 256 bits",
                    end,
                ),
            ]
        )

    def _refresh_health(self) -> None:
        bodies = self.feed.bodies("instrument/")
        if self.health.rowCount() != len(bodies):
            self.health.setRowCount(len(bodies))
        for row, (name, body) in enumerate(bodies.items()):
            health = body["health"]
            age = self.feed.age_s(f"instrument/{name}")
            well = health["alarm"] == "none"
            said = "● ok" if well else "▲ " + ("; ".join(health["problems"]) or health["alarm"])
            text = f"stale {words.age(age)}" if age > 4 else said
            for column, value in enumerate((name, body["role"], text)):
                item = self.health.item(row, column)
                if item is None:
                    item = QTableWidgetItem()
                    item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                    self.health.setItem(row, column, item)
                if item.text() != value:
                    item.setText(value)
