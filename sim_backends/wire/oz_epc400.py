"""An OZ Optics EPC-400 on the world's squeezers, heard on a pseudo-terminal."""

from __future__ import annotations

import re

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.errors import BenchError
from qnlab.sim_backends.wire.base import Wire, port_of
from qnlab.sim_backends.wire.lines import cut_lines
from qnlab.sim_backends.wire.servers import serve_pty
from qnlab.sim_backends.world.ports import RetarderPort

MOST_MV = 5000
DONE = b"Done\r\n"
ERROR = b"Error!\r\n"

_DRIVE = re.compile(r"V([1-4]),([+-]?\d{1,4})")


def serve(spec: InstrumentSpec, context: BenchContext) -> Wire:
    """Start it on the squeezers that ``spec.address`` means."""
    port = port_of(spec, context, RetarderPort)
    if port.kind != "squeezers":
        raise BenchError(
            f"instruments.{spec.name}.driver: {spec.driver} drives squeezers, the world's "
            "controller has paddles; set world.controller"
        )
    return serve_pty(spec.name, port, Epc400(port))


class Epc400:
    """Its -5000..5000 mV span the range of the world's squeezers."""

    def __init__(self, port: RetarderPort) -> None:
        self._port = port
        self._mode = "DC"

    def cut(self, received: bytearray) -> list[bytes]:
        return cut_lines(received)

    def answer(self, message: bytes) -> bytes:
        command = message.decode("latin-1").strip().upper()
        if command == "V?":
            shown = " ".join(f"CH{i + 1} {v:+d}" for i, v in enumerate(self._millivolts()))
            return f"Voltage(mV): {shown}\r\n".encode("ascii") + DONE
        if command in ("MDC", "MAC"):
            self._mode = command[1:]
            return DONE
        if command == "M?":
            return f"Mode: {self._mode}\r\n".encode("ascii") + DONE
        if (drive := _DRIVE.fullmatch(command)) and abs(int(drive[2])) <= MOST_MV:
            self._drive(int(drive[1]) - 1, int(drive[2]))
            return DONE
        return ERROR

    def power_cycle(self) -> None:
        self._mode = "DC"
        for i in range(len(self._port.commands)):
            self._drive(i, 0)

    def _millivolts(self) -> list[int]:
        p = self._port
        middle, half = (p.low + p.high) / 2, (p.high - p.low) / 2
        return [round((volts - middle) / half * MOST_MV) for volts in p.commands]

    def _drive(self, i: int, millivolts: int) -> None:
        p = self._port
        middle, half = (p.low + p.high) / 2, (p.high - p.low) / 2
        commands = list(p.commands)
        commands[i] = middle + half * millivolts / MOST_MV
        p.drive(tuple(commands))
