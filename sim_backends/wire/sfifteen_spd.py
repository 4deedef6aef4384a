"""An S-Fifteen single-photon detector on one of the world's, heard on a pseudo-terminal."""

from __future__ import annotations

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.clock import Clock
from qnlab.sim_backends.wire.base import Wire, port_of
from qnlab.sim_backends.wire.lines import cut_lines
from qnlab.sim_backends.wire.pace import elapse
from qnlab.sim_backends.wire.servers import serve_pty
from qnlab.sim_backends.world.ports import DetectorPort

BREAKDOWN_V = 80.0
POWER_UP = {"hvolt": 0.0, "settemp": -25.0, "time": 1000.0}


def serve(spec: InstrumentSpec, context: BenchContext) -> Wire:
    """Start it on the detector that ``spec.address`` means."""
    port = port_of(spec, context, DetectorPort)
    return serve_pty(spec.name, port, Spd(port, context.clock))


class Spd:
    """Above the breakdown voltage the world's detector counts; it is always at its temperature."""

    def __init__(self, port: DetectorPort, clock: Clock) -> None:
        self._port = port
        self._clock = clock
        self._values = dict(POWER_UP)

    def cut(self, received: bytearray) -> list[bytes]:
        return cut_lines(received, b"\r\n;")

    def answer(self, message: bytes) -> bytes:
        word, _, text = message.decode("latin-1").strip().lower().partition(" ")
        name = word.removesuffix("?")
        if word == "*idn?":
            return b"SPD single-photon detector, simulated\r\n"
        if word == "counts?":
            return f"{self._count()}\r\n".encode("ascii")
        if word == "temp?":
            name = "settemp"
        if word.endswith("?") and name in self._values:
            return f"{self._values[name]:.2f}\r\n".encode("ascii")
        if word in self._values:
            self._values[word] = float(text)
            self._bias()
        return b""

    def power_cycle(self) -> None:
        self._values = dict(POWER_UP)
        self._bias()

    def _bias(self) -> None:
        with self._port.world.changing():
            self._port.enabled = self._values["hvolt"] >= BREAKDOWN_V

    def _count(self) -> int:
        queue = self._port.tagger.subscribe(frozenset())
        try:
            before = self._port.avalanches
            elapse(self._clock, self._port.world, self._values["time"] * 1e-3)
        finally:
            self._port.tagger.unsubscribe(queue)
        return self._port.avalanches - before
