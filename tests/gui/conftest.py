"""A bus that speaks as a bench host does, and windows that are surely gone afterwards."""

import os
import time

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from qnlab.gui import theme as themes
from qnlab.gui.feed import Feed
from qnlab.gui.window import Window
from qnlab.port import Bus

STATES = [497, 4, 250, 249, 3, 495, 251, 252, 50, 49, 99, 1, 51, 48, 1, 98]


def reading(value, unit="", low=None, high=None):
    return {
        "value": value, "unit": unit, "low": low, "high": high, "alarm": "none", "time_s": 0.0,
        "source": "x",
    }  # fmt: skip


class Pretender:
    """Publishes what a host publishes, and remembers what it was asked."""

    def __init__(self):
        self.bus = Bus("host")
        self.asked = []
        for service in ("instrument.apply", "instrument.call", "run.start", "run.pause",
                        "run.resume", "run.abort", "queue.add", "alarm.acknowledge",
                        "alarm.shelve", "log.add", "bench.open", "histogram.select",
                        "presets.save", "presets.apply"):  # fmt: skip
            self.bus.serve(service, lambda arguments, s=service: self.asked.append((s, arguments)))
        self.bus.serve("stop_all", lambda a: self.asked.append(("stop_all", a)), urgent=True)
        self.bus.serve("presets.list", lambda a: ["as found"])
        self.bus.serve("presets.diff", lambda a: [])
        self.bus.serve("settings.changed", lambda a: [])
        self.bus.serve("log.read", lambda a: [])
        self.bus.serve("runs.list", lambda a: [])
        self.bus.serve("history.read", lambda a: {"interval_s": 1.0, "series": {}})
        schema = {"properties": {"duration_s": {"type": "number", "default": 10.0}}}
        self.bus.serve("procedure.describe", lambda a: schema)

    def status(self, **more):
        self.bus.publish("host/status", {
            "bench": "bb84-25km", "summary": "", "simulated": True, "benches": ["bb84-25km"],
            "procedures": [{"name": "bb84", "summary": "keys"}], "run": None, "procedure": None,
            "state": "idle", "queue": 0, "disk_free_bytes": 10**10, "acq_late_p99_s": 0.001,
            "lost_tags": 0, **more,
        })  # fmt: skip

    def rates(self, value=1000.0):
        channels = {
            name: {"channel": k + 1, "counts": int(value / 5), "rate_hz": value, "limit_hz": 1e6}
            for k, name in enumerate("HVDA")
        }
        self.bus.publish("rates/tagger", {
            "bench_s": 1.0, "integration_s": 0.2, "lost_tags": 0, "channels": channels,
        })  # fmt: skip
        self.bus.publish("histogram/tagger", {
            "start": "H", "stop": "V", "bin_ps": 100, "first_ps": -5000, "integration_s": 1.0,
            "counts": [0] * 49 + [50, 500, 50] + [0] * 48,
        })  # fmt: skip

    def instrument(self):
        self.bus.publish("instrument/laser", {
            "role": "LaserSource", "site": "alice", "driver": "sim", "address": "laser",
            "simulated": True, "identity": {"vendor": "qnlab", "model": "laser"},
            "health": {"alarm": "none", "problems": []},
            "settings": {"power_w": reading(1e-3, "W", 0.0, 2e-3), "on": reading(False)},
            "commands": ["enable", "disable"],
        })  # fmt: skip

    def block(self, index=0, qber=0.01, uid="run-1", seq=None):
        self.bus.publish("run/event/block", {
            "uid": uid, "stream": "block", "seq": seq or index + 1, "bench_s": 1.0,
            "data": {
                "index": index, "qber_key": qber, "qber_test": qber, "sifted_bits": 1000,
                "detections": 2398, "secret_bits": 512, "leak_ec_bits": 90, "f_ec": 1.04,
                "phase_error_bound": 0.03, "status": "accepted", "link_loss_db": 5.0,
                "key_id_count": 2, "states": STATES,
            },
        })  # fmt: skip

    def alarm(self, **more):
        self.bus.publish("alarms", {"alarms": [{
            "id": "link/QBER_ABORT", "source": "link", "priority": "critical",
            "message": "QBER 12 %", "state": "active-unack", "since_s": time.time(), "count": 1,
            "until_s": None, "reason": "", **more,
        }]})  # fmt: skip

    def everything(self):
        self.status()
        self.rates()
        self.instrument()
        self.block()
        for k in range(3):
            self.bus.publish("run/event/alignment", {
                "uid": "run-1", "stream": "alignment", "seq": k + 1, "bench_s": 0.0,
                "data": {"evaluation": k, "qber_key": 0.1, "qber_test": 0.1,
                         "arrived_h": [0.9, 0.1], "arrived_d": [0.1, 0.9]},
            })  # fmt: skip
        self.bus.publish("log", {"time_s": time.time(), "level": "info", "source": "host",
                                 "text": "hello", "command": "port.call('x')"})  # fmt: skip


@pytest.fixture
def pretender():
    pretender = Pretender()
    yield pretender
    pretender.bus.close()


@pytest.fixture
def window(qtbot, pretender, tmp_path):
    application = QApplication.instance()
    themes.apply(application, themes.LIGHT)
    pretender.status()
    window = Window(Feed(pretender.bus), themes.LIGHT, tmp_path)
    window.timer.stop()
    qtbot.addWidget(window)
    window.show()
    window.show_workspace(0)
    return window


def settle(qtbot, window, condition, ms=3000):
    """Redraw until it is so."""

    def so():
        window.redraw()
        assert condition()

    qtbot.waitUntil(so, timeout=ms)
