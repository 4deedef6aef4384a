"""An S-Fifteen TDC1 on the world's tagger, heard on a pseudo-terminal."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.clock import Clock
from qnlab.sim_backends.wire.base import Wire, port_of
from qnlab.sim_backends.wire.lines import cut_lines
from qnlab.sim_backends.wire.pace import elapse, pace
from qnlab.sim_backends.wire.servers import serve_pty
from qnlab.sim_backends.world.ports import TaggerPort, TagQueue

TICK_PS = 2_000
WRAP = 1 << 27
ROLL_OVER = 0x10
MODES = {"singles": 0, "pairs": 1, "timestamp": 3}
LEVELS_V = {"NIM": -0.5, "TTL": 1.0}
PAIRS = ((1, 3), (1, 4), (2, 3), (2, 4))
HELP = "*IDN? *RST abort counts? help INPKT level? mode? NEG NIM pairs POS singles time timestamp"

_LEVEL = re.compile(r"(POS|NEG) ([+-]?\d+\.?\d*)")
_TIME = re.compile(r"time (\d+)(?:\.0*)?")


def serve(spec: InstrumentSpec, context: BenchContext) -> Wire:
    """Start it on the tagger that ``spec.address`` means."""
    port = port_of(spec, context, TaggerPort)
    return serve_pty(spec.name, port, Tdc1(port, context.clock))


class Tdc1:
    """Four inputs with one threshold; tags in units of 2 ns."""

    def __init__(self, port: TaggerPort, clock: Clock) -> None:
        self._port = port
        self._clock = clock
        self._push: Callable[[bytes], None] = lambda _: None
        self._lock = threading.RLock()
        self._queue: TagQueue | None = None
        self._from_ps = 0
        self._sent_ticks = 0
        self._level_v = port.threshold_v[0]
        self._mode = "singles"
        self._time_ms = 1000

    def speak(self, push: Callable[[bytes], None]) -> Callable[[], None]:
        self._push = push
        return pace(self._clock, self._send_tags)

    def cut(self, received: bytearray) -> list[bytes]:
        return cut_lines(received, b"\r\n;")

    def answer(self, message: bytes) -> bytes:
        command = message.decode("latin-1").strip()
        with self._lock:
            reply = self._do(command)
        return b"" if reply is None else f"{reply}\r\n".encode("latin-1")

    def _do(self, command: str) -> object:
        word = command.lower()
        if found := _LEVEL.fullmatch(command.upper()):
            self._set_level(float(found[2]))
        elif found := _TIME.fullmatch(word):
            self._time_ms = int(found[1]) & 0xFFFF
        elif word in MODES:
            self._mode = word
        elif word.upper() in LEVELS_V:
            self._set_level(LEVELS_V[word.upper()])
        elif word in ("abort", "*rst"):
            self._stop()
            if word == "*rst":
                self.power_cycle()
        elif word == "counts?":
            return self._count()
        else:
            return self._tell(word)
        return None

    def _tell(self, query: str) -> object:
        replies = {
            "*idn?": "TDC1 timestamp/counter, simulated",
            "level?": f"{self._level_v:.3f} V",
            "mode?": MODES[self._mode],
            "time?": self._time_ms,
            "help": HELP,
        }
        return replies.get(query)

    def _set_level(self, volts: float) -> None:
        self._level_v = volts
        with self._port.world.changing():
            for n in range(len(self._port.threshold_v)):
                self._port.threshold_v[n] = volts

    def power_cycle(self) -> None:
        self._stop()
        self._mode, self._time_ms = "singles", 1000
        self._set_level(LEVELS_V["NIM"])

    # --- counting and streaming -----------------------------------------------------------------

    def _count(self) -> object:
        if self._mode == "timestamp":
            self._stop()
            self._queue = self._subscribe()
            self._from_ps, self._sent_ticks = self._clock.now_ps(), 0
            return None
        queue = self._subscribe()
        try:
            elapse(self._clock, self._port.world, self._time_ms * 1e-3)
        finally:
            self._port.unsubscribe(queue)
        _, patterns = self._events(queue)
        singles = [int((patterns >> (n - 1) & 1).sum()) for n in range(1, 5)]
        if self._mode == "singles":
            return " ".join(map(str, singles))
        masks = [1 << (a - 1) | 1 << (b - 1) for a, b in PAIRS]
        return " ".join(map(str, singles + [int((patterns & m == m).sum()) for m in masks]))

    def _subscribe(self) -> TagQueue:
        return self._port.subscribe(frozenset(range(1, 5)))

    def _stop(self) -> None:
        if self._queue is not None:
            self._port.unsubscribe(self._queue)
            self._queue = None

    def _send_tags(self) -> None:
        with self._lock:
            if self._queue is None:
                return
            self._port.world.sync()
            if self._queue.chunks:
                end = (self._queue.chunks[-1].t_end - self._from_ps) // TICK_PS
                self._push(self._words(*self._events(self._queue), end))

    def _events(self, queue: TagQueue) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        """Ticks since the start at which something came, and on which inputs."""
        t = np.concatenate([np.empty(0, np.int64), *(chunk.t for chunk in queue.chunks)])
        ch = np.concatenate([np.empty(0, np.uint8), *(chunk.ch for chunk in queue.chunks)])
        queue.chunks.clear()
        ticks, first = np.unique((t - self._from_ps) // TICK_PS, return_index=True)
        inputs = np.uint32(1) << (ch.astype(np.uint32) - np.uint32(1))
        patterns = np.bitwise_or.reduceat(inputs, first) if len(first) else inputs
        return ticks, patterns

    def _words(
        self, ticks: npt.NDArray[np.int64], patterns: npt.NDArray[np.uint32], end: int
    ) -> bytes:
        """With a dummy at each roll-over until `end`."""
        wraps = np.arange(self._sent_ticks // WRAP + 1, end // WRAP + 1, dtype=np.int64) * WRAP
        at = np.searchsorted(ticks, wraps)
        ticks = np.insert(ticks, at, wraps)
        patterns = np.insert(patterns, at, np.uint32(ROLL_OVER))
        self._sent_ticks = end
        return ((ticks % WRAP).astype("<u4") << np.uint32(5) | patterns).astype("<u4").tobytes()
