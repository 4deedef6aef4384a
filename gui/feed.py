"""What the host tells, kept for the panels: newest messages, series, ages."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from qnlab.errors import QnlabError
from qnlab.port import Message, Port

KEPT_POINTS = 36_000
BACKFILL_S = 3500.0

Points = npt.NDArray[np.float64]


class Series:
    """Points of a curve, oldest first; times are strictly increasing."""

    def __init__(self) -> None:
        self._time: deque[float] = deque(maxlen=KEPT_POINTS)
        self._value: deque[float] = deque(maxlen=KEPT_POINTS)

    def add(self, time_s: float, value: float | None) -> None:
        """Append a point; one that is not later than the last is passed over."""
        if not self._time or time_s > self._time[-1]:
            self._time.append(time_s)
            self._value.append(np.nan if value is None else float(value))

    def since(self, begin_s: float) -> tuple[Points, Points]:
        """Times and values from `begin_s` on; a gap of 30 s or more is NaN."""
        t = np.fromiter(self._time, np.float64, len(self._time))
        v = np.fromiter(self._value, np.float64, len(self._value))
        first = int(np.searchsorted(t, begin_s))
        t, v = t[first:], v[first:]
        gaps = np.flatnonzero(np.diff(t) > 30.0) + 1
        return np.insert(t, gaps, t[gaps] - 1e-3), np.insert(v, gaps, np.nan)

    @property
    def newest(self) -> float:
        """Last value; NaN if there is none."""
        return self._value[-1] if self._value else np.nan


class Feed:
    """Pulls what is new from a port once a redraw; panels read it from here.

    Parameters
    ----------
    port : Port
    """

    def __init__(self, port: Port) -> None:
        self.port = port
        self._latest = port.subscribe_latest("**")
        self._events = port.subscribe_lossless("run/event/**", 100_000)
        self._lines = port.subscribe_lossless("log", 100_000)
        self._messages: dict[str, Message] = {}
        self._received: dict[str, float] = {}
        self._series: dict[str, Series] = {}
        self.log: deque[dict[str, Any]] = deque(maxlen=5000)
        self.new_lines = 0
        self.new: frozenset[str] = frozenset()
        self.totals: dict[str, float] = {}
        self.events: dict[str, deque[dict[str, Any]]] = {}
        self.run: str | None = None
        self.last_key_s: float | None = None
        self._backfill()

    def _backfill(self) -> None:
        now = time.time()
        try:
            asked = {"begin_s": now - BACKFILL_S, "end_s": now}
            past = self.port.call("history.read", asked, deadline_s=2.0).result(2.5)
            lines = self.port.call("log.read", {"last": 1000}, deadline_s=2.0).result(2.5)
        except (QnlabError, TimeoutError):
            return
        for name, (times, _, means, _) in past["series"].items():
            series = self.series(name)
            for at, value in zip(times, means, strict=True):
                series.add(at, value)
        self.log.extend(lines)
        self.new_lines = len(lines)

    def poll(self) -> None:
        """Take in what came since the last time."""
        taken = self._latest.take()
        now = time.monotonic()
        for topic, message in taken.items():
            self._messages[topic] = message
            self._received[topic] = now - max(min(message.age_s, 3600.0), 0.0)
            if topic.startswith("rates/"):
                for name, channel in message.body["channels"].items():
                    key = f"rate/{topic.partition('/')[2]}/{name}"
                    self.series(key).add(message.time_s, channel["rate_hz"])
        while (event := self._events.read(0.0)) is not None:
            self._take_event(event)
        while (line := self._lines.read(0.0)) is not None:
            self.log.append(line.body)
            self.new_lines += 1
        self.new = frozenset(taken)

    def _take_event(self, message: Message) -> None:
        stream, data = message.body["stream"], message.body["data"]
        if message.body["uid"] != self.run:
            self.run, self.totals, self.events = message.body["uid"], {}, {}
        self.events.setdefault(stream, deque(maxlen=1000)).append(data)
        for key, value in data.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                self.series(f"{stream}/{key}").add(message.time_s, value)
                self.totals[f"{stream}/{key}"] = self.totals.get(f"{stream}/{key}", 0.0) + value
        if data.get("secret_bits"):
            self.last_key_s = message.time_s

    def series(self, name: str) -> Series:
        """The series of that name, which may still be empty."""
        return self._series.setdefault(name, Series())

    def names(self, prefix: str) -> list[str]:
        """Series that begin so."""
        return [name for name in self._series if name.startswith(prefix)]

    def body(self, topic: str) -> dict[str, Any]:
        """Newest body of a topic; empty if there was none."""
        message = self._messages.get(topic)
        return message.body if message else {}

    def bodies(self, prefix: str) -> Mapping[str, dict[str, Any]]:
        """Newest bodies of the topics that begin so, by the rest of the topic."""
        return {
            topic[len(prefix) :]: message.body
            for topic, message in sorted(self._messages.items())
            if topic.startswith(prefix)
        }

    def age_s(self, topic: str) -> float:
        """Since the newest message of a topic, s; infinite if there was none."""
        received = self._received.get(topic)
        return float("inf") if received is None else time.monotonic() - received

    @property
    def online(self) -> bool:
        """True while the host tells something once a second or so, and is present."""
        return bool(self.port.presence()) and self.age_s("host/status") < 3.5

    @property
    def simulated(self) -> bool:
        """True if any instrument is simulated, or if nothing is known."""
        return bool(self.body("host/status").get("simulated", True))

    def taggers(self) -> Iterable[str]:
        """Taggers that tell rates."""
        return list(self.bodies("rates/"))

    def close(self) -> None:
        """Get no more."""
        for subscription in (self._latest, self._events, self._lines):
            subscription.close()
