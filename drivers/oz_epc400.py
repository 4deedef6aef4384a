"""OZ Optics EPC-400: four fibre squeezers behind an EPC-DRIVER-04 on a serial line.

===========================  ==========================  ===========================================
to do                        sent                        answered
===========================  ==========================  ===========================================
drive squeezer 1 to 2.2 V    ``V1,2200`` CR LF           ``Done`` CR LF
read all voltages            ``V?`` CR LF                ``Voltage(mV): CH1 +2200 CH2 +5000 ...``
                                                         CR LF ``Done`` CR LF
hold the voltages (DC)       ``MDC`` CR LF               ``Done`` CR LF
a command it refuses                                     ``Error!`` CR LF
===========================  ==========================  ===========================================

A line before ``Done`` that answers nothing (the echo of the command) is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.drivers.driven import DrivenInstrument
from qnlab.drivers.transports import Channel, open_stream, parse_address
from qnlab.errors import CommandRejected, OutOfRange, ProtocolError
from qnlab.instruments.base import Identity, Setting
from qnlab.instruments.roles import (
    ActuatorKind,
    PolarizationCapabilities,
    PolarizationController,
)
from qnlab.instruments.settings import Entry
from qnlab.values import Limits

BAUDRATE = 9600
SQUEEZERS = 4
RANGE = Limits(-5.0, 5.0, "V")
RESOLUTION_V = 1e-3
SETTLE_S = 1e-3
QUIET_S = 0.15

_VOLTAGE = re.compile(r"CH([1-4])\s+([+-]?\d+)")


def connect(spec: InstrumentSpec, context: BenchContext) -> OzEpc400:
    """OZ Optics EPC-400 fibre squeezers.

    Raises
    ------
    BenchError
        The address is neither ``serial:PATH`` nor ``tcp:HOST:PORT`` (a serial server).
    """
    return OzEpc400(spec, context, open_stream(spec.name, parse_address(spec), BAUDRATE)).open()


class OzEpc400(DrivenInstrument, PolarizationController):
    """The controller; positions are the four voltages."""

    capabilities = PolarizationCapabilities(
        ActuatorKind.SQUEEZERS,
        (RANGE,) * SQUEEZERS,
        (RESOLUTION_V,) * SQUEEZERS,
        settle_s=SETTLE_S,
        needs_homing=False,
    )

    def _greet(self, channel: Channel) -> None:
        channel.drain(QUIET_S)
        self._exchange(channel, "MDC")

    def _entries(self) -> Mapping[str, Entry]:
        return {
            f"position.{i}": Entry(RANGE.unit, partial(self._position, i), limits=RANGE)
            for i in range(SQUEEZERS)
        }

    @property
    def identity(self) -> Identity:
        """The controller does not tell who it is: its address stands for the serial number."""
        return Identity("OZ Optics", "EPC-400", self._place, "not told", self._simulated)

    # --- the conversation -----------------------------------------------------------------------

    def _exchange(self, channel: Channel, command: str) -> list[str]:
        """Lines before ``Done``."""
        channel.write(command.encode("ascii") + b"\r\n")
        lines: list[str] = []
        while (line := channel.read_until(b"\r\n").decode("latin-1").strip()) != "Done":
            if line == "Error!":
                raise CommandRejected(
                    self.name, line, "the controller says no more", command=command
                )
            lines.append(line)
        return lines

    def _tell(self, *commands: str, urgent: bool = False) -> None:
        def transaction(channel: Channel) -> None:
            for command in commands:
                self._exchange(channel, command)

        self.link.run(transaction, command="; ".join(commands), urgent=urgent)

    def _read_voltages(self, channel: Channel) -> tuple[float, ...]:
        text = " ".join(self._exchange(channel, "V?"))
        found = {int(n): int(millivolt) / 1000 for n, millivolt in _VOLTAGE.findall(text)}
        if sorted(found) != list(range(1, SQUEEZERS + 1)):
            raise ProtocolError(
                self.name, "not four voltages", command="V?",
                expected="Voltage(mV): CH1 +0 CH2 +0 CH3 +0 CH4 +0", last=text,
            )  # fmt: skip
        return tuple(found[n] for n in sorted(found))

    # --- the role -------------------------------------------------------------------------------

    def _position(self, i: int) -> float:
        return self.positions()[i]

    def _together(self, checked: Mapping[str, Setting]) -> None:
        self._tell(
            *(
                f"V{int(key.removeprefix('position.')) + 1},{round(float(volts) / RESOLUTION_V)}"
                for key, volts in checked.items()
            )
        )

    def positions(self) -> tuple[float, ...]:
        return self.link.run(self._read_voltages, command="V?")

    def move(self, positions: Sequence[float]) -> tuple[float, ...]:
        if len(positions) != SQUEEZERS:
            raise OutOfRange(
                self.name, "wrong number of positions", command="move",
                expected=SQUEEZERS, last=len(positions),
            )  # fmt: skip
        self.apply({f"position.{i}": float(volts) for i, volts in enumerate(positions)})
        self._clock.sleep(SETTLE_S)
        return self.positions()

    def home(self) -> None:
        """Squeezers need no reference position."""

    def stop(self, success: bool = True) -> None:
        """End any modulation: the squeezers hold their voltages."""
        self._tell("MDC", urgent=True)

    def safe_state(self) -> None:
        self.stop()
