"""A Thorlabs MPC320 on the world's paddles, heard on a pseudo-terminal."""

from __future__ import annotations

import struct

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.clock import Clock
from qnlab.errors import BenchError
from qnlab.sim_backends.wire.base import Wire, port_of
from qnlab.sim_backends.wire.servers import serve_pty
from qnlab.sim_backends.world.ports import RetarderPort

HEADER = 6
STEPS, RANGE_DEG = 1370, 170.0
STEPS_PER_S = 0.5 * 400 * STEPS / RANGE_DEG
CONNECTED, SETTLED, POWER_OK, MOVING, HOMED = 0x100, 0x2000, 0x10000000, 0x10, 0x400


def serve(spec: InstrumentSpec, context: BenchContext) -> Wire:
    """Start it on the paddles that ``spec.address`` means."""
    port = port_of(spec, context, RetarderPort)
    if port.kind != "paddles":
        raise BenchError(
            f"instruments.{spec.name}.driver: {spec.driver} drives paddles, the world's "
            "controller has squeezers; set world.controller"
        )
    return serve_pty(spec.name, port, Mpc320(port, context.clock))


class Mpc320:
    """Paddles turn at half their full speed of 400 degrees a second; one at a time."""

    def __init__(self, port: RetarderPort, clock: Clock) -> None:
        self._port = port
        self._clock = clock
        self._steps = [deg * STEPS / RANGE_DEG for deg in port.commands]
        self._targets = list(self._steps)
        self._homed = [True] * len(self._steps)
        self._homing = [False] * len(self._steps)
        self._enabled = 0
        self._at_s = clock.now()

    def cut(self, received: bytearray) -> list[bytes]:
        messages = []
        while len(received) >= HEADER:
            length = HEADER
            if received[4] & 0x80:
                length += int.from_bytes(received[2:4], "little")
            if len(received) < length:
                break
            messages.append(bytes(received[:length]))
            del received[:length]
        return messages

    def answer(self, message: bytes) -> bytes:
        self._advance()
        id_, param1, param2 = struct.unpack_from("<HBB", message)
        if id_ == 0x0005:
            data = struct.pack("<I8sH4s60sHHH", 38000001, b"MPC320", 44, b"\3\2\1\0", b"", 1, 1, 3)
            return _long(0x0006, data)
        if id_ == 0x0210:
            self._enabled = param1 if param2 == 1 else 0
        elif id_ == 0x0490:
            return self._status(param1)
        elif id_ == 0x0453:
            channel, steps = struct.unpack_from("<Hi", message, HEADER)
            self._start(channel, min(max(steps, 0), STEPS))
        elif id_ == 0x0443 and self._start(param1, 0):
            self._homing[_paddle(param1)] = True
        elif id_ == 0x0465:
            self._targets[_paddle(param1)] = self._steps[_paddle(param1)]
        return b""

    def power_cycle(self) -> None:
        self._advance()
        n = len(self._steps)
        self._targets, self._homed, self._homing = list(self._steps), [False] * n, [False] * n
        self._enabled = 0

    def _start(self, channel: int, steps: int) -> bool:
        if self._enabled != channel:
            return False
        self._targets[_paddle(channel)] = steps
        return True

    def _advance(self) -> None:
        """Turn what turns up to the present."""
        now = self._clock.now()
        way, self._at_s = (now - self._at_s) * STEPS_PER_S, now
        if self._steps == self._targets:
            return
        for i, (at, to) in enumerate(zip(self._steps, self._targets, strict=True)):
            self._steps[i] = to if abs(to - at) <= way else at + (way if to > at else -way)
            if self._homing[i] and self._steps[i] == to:
                self._homing[i], self._homed[i] = False, True
        self._port.drive(tuple(steps * RANGE_DEG / STEPS for steps in self._steps))

    def _status(self, channel: int) -> bytes:
        i = _paddle(channel)
        moving = self._steps[i] != self._targets[i]
        bits = CONNECTED | POWER_OK | (MOVING if moving else SETTLED)
        bits |= HOMED if self._homed[i] else 0
        return _long(0x0491, struct.pack("<HihhI", channel, round(self._steps[i]), 0, 0, bits))


def _paddle(channel: int) -> int:
    """Channels are bits of a mask: 1, 2, 4."""
    return channel.bit_length() - 1


def _long(id_: int, data: bytes) -> bytes:
    return struct.pack("<HHBB", id_, len(data), 0x01 | 0x80, 0x50) + data
