"""Live figures of a time tagger: count rates, and how two channels correlate."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from qnlab.errors import InstrumentError, Timeout

PERIOD_S = 0.2
BIN_PS, BINS = 200, 500
HISTORY_S = 3.0

Counts = npt.NDArray[np.int64]


class TagMonitor(threading.Thread):
    """Reads a stream of its own and publishes ``rates/<tagger>`` and ``histogram/<tagger>``.

    Parameters
    ----------
    tagger : TimeTagger
    channels : mapping of str to int
        Names of its channels.
    limits_hz : mapping of str to float
        Highest rate that the detector of a channel stands, where known.
    publish : callable
        ``publish(topic, body)``.
    failed : callable
        Told what went wrong; the monitor goes on.
    """

    def __init__(
        self,
        tagger: Any,
        channels: Mapping[str, int],
        limits_hz: Mapping[str, float],
        publish: Callable[[str, dict[str, Any]], object],
        failed: Callable[[str], None],
    ) -> None:
        super().__init__(name=f"monitor {tagger.name}", daemon=True)
        self._tagger = tagger
        self._channels = dict(channels)
        self._limits = limits_hz
        self._publish = publish
        self._failed = failed
        self._ended = threading.Event()
        self._pair = list(self._channels.items())[:2]
        self._histograms: deque[tuple[Counts, float]] = deque(maxlen=round(HISTORY_S / PERIOD_S))
        self.late_s: deque[float] = deque(maxlen=500)
        self.lost_tags = 0

    def select(self, start: str, stop: str) -> None:
        """Correlate these two channels from now on."""
        self._pair = [(name, self._channels[name]) for name in (start, stop)]
        self._histograms.clear()

    @property
    def names(self) -> list[str]:
        """Names of the channels."""
        return list(self._channels)

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                with self._tagger.open_stream() as stream:
                    while not self._ended.is_set():
                        self._interval(stream)
            except InstrumentError as error:
                self._failed(str(error))
                self._ended.wait(1.0)

    def end(self) -> None:
        """Stop soon."""
        self._ended.set()

    def _interval(self, stream: Any) -> None:
        chunks, begin = [], None
        while begin is None or chunks[-1].t_end - begin < PERIOD_S * 1e12:
            try:
                chunks.append(stream.read(1.0))
            except Timeout:
                if self._ended.is_set():
                    return
                continue
            begin = chunks[0].t_begin
        received = time.monotonic()
        seconds = (chunks[-1].t_end - begin) * 1e-12
        t = np.concatenate([chunk.t for chunk in chunks])
        ch = np.concatenate([chunk.ch for chunk in chunks])
        lost = sum(sum(gap.missed.values()) for chunk in chunks for gap in chunk.gaps)
        self.lost_tags += lost
        counts = np.bincount(ch, minlength=256)
        self._publish(
            f"rates/{self._tagger.name}",
            {
                "bench_s": chunks[-1].t_end * 1e-12,
                "integration_s": seconds,
                "lost_tags": lost,
                "channels": {
                    name: {
                        "channel": number,
                        "counts": int(counts[number]),
                        "rate_hz": float(counts[number] / seconds),
                        "limit_hz": self._limits.get(name),
                    }
                    for name, number in self._channels.items()
                },
            },
        )
        if len(self._pair) == 2:
            self._correlate(t, ch, seconds)
        self.late_s.append(time.monotonic() - received)

    def _correlate(self, t: Counts, ch: npt.NDArray[np.uint8], seconds: float) -> None:
        from qnlab.tags import kernels

        (start, first), (stop, second) = self._pair
        part = np.zeros(BINS, dtype=np.int64)
        low = -BIN_PS * BINS // 2
        kernels.add_delays(part, t[ch == first], t[ch == second], low, BIN_PS)
        self._histograms.append((part, seconds))
        self._publish(
            f"histogram/{self._tagger.name}",
            {
                "start": start,
                "stop": stop,
                "bin_ps": BIN_PS,
                "first_ps": low,
                "integration_s": sum(s for _, s in self._histograms),
                "counts": np.sum([c for c, _ in self._histograms], axis=0).tolist(),
            },
        )
