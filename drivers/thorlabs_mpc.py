"""Thorlabs MPC320 and MPC220: three or two motorised paddles, APT over a USB serial port.

=========================  =======================================  ================================
to do                      sent (paddle 1 is channel 1, then 2, 4)  answered
=========================  =======================================  ================================
who are you                ``05 00 00 00 50 01``                    ``06 00 54 00 81 50`` + 84 bytes
no messages unasked        ``12 00 00 00 50 01``
enable one paddle          ``10 02 01 01 50 01``
move it to 685 (85 deg)    ``53 04 06 00 D0 01 01 00 AD 02 00 00``  status until it is there
status                     ``90 04 01 00 50 01``                    ``91 04 0E 00 81 50`` + 14 bytes
still listening            ``92 04 00 00 50 01``
home                       ``43 04 01 00 50 01``                    ``44 04 01 00 01 50``
stop at once               ``65 04 01 01 50 01``
=========================  =======================================  ================================

1370 steps are 170 degrees. One paddle moves at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.drivers import apt
from qnlab.drivers.driven import POLL_S, DrivenInstrument
from qnlab.drivers.transports import Channel, open_stream, parse_address
from qnlab.errors import NotHomed, OutOfRange, ProtocolError
from qnlab.instruments.base import Health, Identity, Setting
from qnlab.instruments.roles import (
    ActuatorKind,
    PolarizationCapabilities,
    PolarizationController,
)
from qnlab.instruments.settings import Entry
from qnlab.values import Alarm, Limits

T = TypeVar("T")

BAUDRATE = 115_200
PADDLES = {"MPC220": 2, "MPC320": 3}
RANGE = Limits(0.0, 170.0, "deg")
STEPS = 1370
NEAR_STEPS = 1
SETTLE_S = 0.05
QUIET_S = 0.1
MOVE_S = 10.0
HOME_S = 30.0
ABRUPT = 1

MOVING = 0x10 | 0x20 | 0x40 | 0x80 | 0x200
HOMED = 0x400
FAULTS = {
    0x4000: "position error",
    0x20000: "too hot",
    0x1000000: "overload",
    0x40000000: "error",
}


def connect(spec: InstrumentSpec, context: BenchContext) -> ThorlabsMpc:
    """Thorlabs MPC320 or MPC220 paddles.

    Raises
    ------
    BenchError
        The address is neither ``serial:PATH`` nor ``tcp:HOST:PORT`` (a serial server).
    """
    stream = open_stream(spec.name, parse_address(spec), BAUDRATE, rtscts=True)
    return ThorlabsMpc(spec, context, stream).open()


class ThorlabsMpc(DrivenInstrument, PolarizationController):
    """The controller; positions are the angles of the paddles.

    No reconnection moves a paddle: after a loss of power it must be homed first.
    """

    never_restored = frozenset(f"position.{i}" for i in range(max(PADDLES.values())))

    def _greet(self, channel: Channel) -> None:
        channel.drain(QUIET_S)
        channel.write(apt.short(apt.HW_STOP_UPDATEMSGS))
        channel.write(apt.short(apt.HW_REQ_INFO))
        self._info = self._await(channel, apt.HW_GET_INFO, apt.Info.of)
        if self._info.model not in PADDLES:
            raise ProtocolError(
                self.name, "another model", expected=" or ".join(PADDLES), last=self._info.model
            )

    def _entries(self) -> Mapping[str, Entry]:
        n = PADDLES[self._info.model]
        self.capabilities = PolarizationCapabilities(
            ActuatorKind.PADDLES,
            (RANGE,) * n,
            (RANGE.high / STEPS,) * n,
            settle_s=SETTLE_S,
            needs_homing=True,
        )
        return {
            f"position.{i}": Entry(RANGE.unit, partial(self._position, i), limits=RANGE)
            for i in range(n)
        }

    @property
    def identity(self) -> Identity:
        info = self._info
        return Identity("Thorlabs", info.model, str(info.serial), info.firmware, self._simulated)

    # --- the conversation -----------------------------------------------------------------------

    def _await(self, channel: Channel, id_: int, parse: Callable[[bytes], T]) -> T:
        """The parsed data of the next message `id_`; others of a unit are passed over."""
        while (message := apt.receive(channel, self.name)).id != id_:
            pass
        try:
            return parse(message.data)
        except struct.error as error:
            raise ProtocolError(
                self.name, "data of the wrong length", last=message.data.hex(" ")
            ) from error

    def _status(self, channel: Channel, i: int) -> apt.Status:
        channel.write(apt.short(apt.MOT_REQ_USTATUSUPDATE, 1 << i))
        while True:
            status = self._await(channel, apt.MOT_GET_USTATUSUPDATE, apt.Status.of)
            if status.channel == 1 << i:
                return status

    def _statuses(self, channel: Channel) -> list[apt.Status]:
        return [self._status(channel, i) for i in range(self.capabilities.actuators)]

    def _go(self, channel: Channel, targets: Mapping[int, int]) -> None:
        """Move paddles to `targets`, in steps, one after the other."""
        for i in targets:
            if not self._status(channel, i).bits & HOMED:
                raise NotHomed(self.name, f"paddle {i + 1} is not homed", command=f"position.{i}")
        for i, target in targets.items():
            channel.write(apt.short(apt.MOD_SET_CHANENABLESTATE, 1 << i, 1))
            channel.write(apt.move_absolute(1 << i, target))
            while not self._is_at(channel, i, target):
                channel.write(apt.short(apt.MOT_ACK_USTATUSUPDATE))
                self._clock.sleep(POLL_S)

    def _is_at(self, channel: Channel, i: int, target: int) -> bool:
        status = self._status(channel, i)
        return abs(status.position - target) <= NEAR_STEPS and not status.bits & MOVING

    def _home_all(self, channel: Channel) -> None:
        for i in range(self.capabilities.actuators):
            channel.write(apt.short(apt.MOD_SET_CHANENABLESTATE, 1 << i, 1))
            channel.write(apt.short(apt.MOT_MOVE_HOME, 1 << i))
            while (bits := self._status(channel, i).bits) & MOVING or not bits & HOMED:
                channel.write(apt.short(apt.MOT_ACK_USTATUSUPDATE))
                self._clock.sleep(POLL_S)

    def _halt(self, channel: Channel) -> None:
        for i in range(self.capabilities.actuators):
            channel.write(apt.short(apt.MOT_MOVE_STOP, 1 << i, ABRUPT))
        while any(status.bits & MOVING for status in self._statuses(channel)):
            self._clock.sleep(POLL_S)

    # --- the role -------------------------------------------------------------------------------

    def _position(self, i: int) -> float:
        return self.link.run(lambda c: _degrees(self._status(c, i)), command=f"status {i + 1}")

    def _together(self, checked: Mapping[str, Setting]) -> None:
        targets = {
            int(key.removeprefix("position.")): round(float(deg) * STEPS / RANGE.high)
            for key, deg in checked.items()
        }
        self.link.run(lambda c: self._go(c, targets), command="move", timeout_s=MOVE_S)
        self._clock.sleep(SETTLE_S)

    def positions(self) -> tuple[float, ...]:
        statuses = self.link.run(self._statuses, command="status")
        return tuple(_degrees(status) for status in statuses)

    def move(self, positions: Sequence[float]) -> tuple[float, ...]:
        n = self.capabilities.actuators
        if len(positions) != n:
            raise OutOfRange(
                self.name, "wrong number of positions", command="move", expected=n,
                last=len(positions),
            )  # fmt: skip
        self.apply({f"position.{i}": float(deg) for i, deg in enumerate(positions)})
        return self.positions()

    def home(self) -> None:
        self.link.run(self._home_all, command="home", timeout_s=HOME_S)

    def stop(self, success: bool = True) -> None:
        self.link.run(self._halt, command="stop", urgent=True)

    def safe_state(self) -> None:
        self.stop()

    def health(self) -> Health:
        problems, alarm = [], Alarm.NONE
        for i, status in enumerate(self.link.run(self._statuses, command="status")):
            faults = [text for bit, text in FAULTS.items() if status.bits & bit]
            problems += [f"paddle {i + 1}: {text}" for text in faults]
            if faults:
                alarm = Alarm.MAJOR
            if not status.bits & HOMED:
                problems.append(f"paddle {i + 1} is not homed")
                alarm = max(alarm, Alarm.MINOR)
        return Health(alarm, tuple(problems))


def _degrees(status: apt.Status) -> float:
    return status.position * RANGE.high / STEPS
