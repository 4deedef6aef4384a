"""S-Fifteen single-photon detector: an avalanche photodiode on a USB serial port.

=======================  =====================  =================================
to do                    sent                   answered
=======================  =====================  =================================
who are you              ``*idn?`` CR LF        a line with ``SPD``
bias of 105.5 V          ``hvolt 105.50`` CR LF
read the bias            ``hvolt?`` CR LF       volts
cool to -25 C            ``settemp -25.00`` CR LF
read that setting        ``settemp?`` CR LF     degrees Celsius
temperature now          ``temp?`` CR LF        degrees Celsius
count for 100 ms         ``time 100`` CR LF
.                        ``counts?`` CR LF      a whole number, when it has counted
=======================  =====================  =================================

The module has no command to switch it off: without bias it does not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.drivers.driven import DrivenInstrument
from qnlab.drivers.transports import ByteStream, Channel, open_stream, parse_address
from qnlab.errors import OutOfRange, ProtocolError
from qnlab.instruments.base import Health, Identity, Setting
from qnlab.instruments.roles import DetectorCapabilities, SinglePhotonDetector
from qnlab.instruments.settings import Entry
from qnlab.values import Alarm, Limits, Reading

T = TypeVar("T")

BAUDRATE = 115_200
QUIET_S = 0.1
REPLY_S = 2.0
ZERO_C_K = 273.15
BIAS = Limits(0.0, 300.0, "V")
TEMPERATURE = Limits(213.15, 303.15, "K")
EFFICIENCY = Limits(0.0, 1.0, "")
WARM_K = 2.0
SHORTEST_MS = 1


def connect(spec: InstrumentSpec, context: BenchContext) -> SfifteenSpd:
    """S-Fifteen single-photon detector.

    Raises
    ------
    BenchError
        The address is neither ``serial:PATH`` nor ``tcp:HOST:PORT`` (a serial server).
    """
    stream = open_stream(spec.name, parse_address(spec), BAUDRATE)
    return SfifteenSpd(spec, context, stream).open()


class SfifteenSpd(DrivenInstrument, SinglePhotonDetector):
    """The module. It is enabled while it has a bias; `bias` is the one it gets when enabled.

    It tells neither its efficiency nor its highest count rate. The setting `efficiency` is what the
    user measured at that bias, 0 as long as nobody has; the rate stays infinite.
    """

    never_restored = frozenset({"enabled"})
    capabilities = DetectorCapabilities(
        technology="avalanche photodiode",
        efficiency=0.0,
        wavelength_m=Limits(400e-9, 1700e-9, "m"),
        bias_unit="V",
        bias=BIAS,
        dead_time_s=None,
        temperature_k=TEMPERATURE,
        max_count_rate_hz=math.inf,
    )

    def __init__(self, spec: InstrumentSpec, context: BenchContext, stream: ByteStream) -> None:
        super().__init__(spec, context, stream)
        self._bias_v = 0.0

    def _greet(self, channel: Channel) -> None:
        channel.drain(QUIET_S)
        self._idn = self._ask(channel, "*idn?", str)
        if "SPD" not in self._idn:
            raise ProtocolError(
                self.name, "another model", command="*idn?", expected="SPD", last=self._idn
            )
        self._bias_v = self._ask(channel, "hvolt?", float) or self._bias_v

    def _entries(self) -> Mapping[str, Entry]:
        return {
            "enabled": Entry("", self._is_enabled, self._switch),
            "bias": Entry(BIAS.unit, lambda: self._bias_v, self._set_bias, BIAS),
            "efficiency": Entry(
                EFFICIENCY.unit,
                lambda: self.capabilities.efficiency,
                self._state_efficiency,
                EFFICIENCY,
            ),
            "temperature_k": Entry(
                TEMPERATURE.unit, self._wanted_k, self._set_temperature, TEMPERATURE
            ),
        }

    @property
    def identity(self) -> Identity:
        """The module tells one line: it stands for the serial number."""
        return Identity("S-Fifteen", "SPD", self._idn, "not told", self._simulated)

    # --- the conversation -----------------------------------------------------------------------

    def _ask(self, channel: Channel, command: str, parse: Callable[[str], T]) -> T:
        channel.write(command.encode("ascii") + b"\r\n")
        reply = channel.read_until(b"\r\n").decode("latin-1").strip()
        try:
            return parse(reply)
        except ValueError as error:
            raise ProtocolError(
                self.name, "the reply makes no sense", command=command, last=reply
            ) from error

    def _number(self, command: str) -> float:
        return self.link.run(lambda channel: self._ask(channel, command, float), command=command)

    def _tell(self, command: str, urgent: bool = False) -> None:
        line = command.encode("ascii") + b"\r\n"
        self.link.run(lambda channel: channel.write(line), command=command, urgent=urgent)

    # --- the role -------------------------------------------------------------------------------

    def _is_enabled(self) -> bool:
        return self._number("hvolt?") > 0

    def _switch(self, value: Setting) -> None:
        if value and self._bias_v <= 0:
            raise OutOfRange(
                self.name, "no bias to enable it with", command="enabled",
                expected="setting bias above 0 V", last=self._bias_v,
            )  # fmt: skip
        self._tell(f"hvolt {self._bias_v if value else 0.0:.2f}")

    def _set_bias(self, value: Setting) -> None:
        enabled = self._is_enabled()
        self._bias_v = round(float(value), 2)
        if enabled:
            self._tell(f"hvolt {self._bias_v:.2f}")

    def _state_efficiency(self, value: Setting) -> None:
        self.capabilities = replace(self.capabilities, efficiency=float(value))

    def _wanted_k(self) -> float:
        return round(self._number("settemp?") + ZERO_C_K, 2)

    def _set_temperature(self, value: Setting) -> None:
        self._tell(f"settemp {float(value) - ZERO_C_K:.2f}")

    def enable(self) -> None:
        self.apply({"enabled": True})

    def disable(self) -> None:
        self.apply({"enabled": False})

    def count_rate(self, duration_s: float) -> Reading:
        milliseconds = max(math.ceil(duration_s * 1000 - 1e-6), SHORTEST_MS)

        def count(channel: Channel) -> int:
            channel.write(f"time {milliseconds}\r\n".encode("ascii"))
            return self._ask(channel, "counts?", int)

        counts = self.link.run(count, command="counts?", timeout_s=milliseconds * 1e-3 + REPLY_S)
        return self._reading(counts / (milliseconds * 1e-3), "Hz", "count_rate")

    def latched(self) -> bool:
        """A photodiode does not latch."""
        return False

    def reset(self) -> None:
        """Nothing to clear."""

    def health(self) -> Health:
        excess = self._number("temp?") - self._number("settemp?")
        if abs(excess) <= WARM_K:
            return Health(Alarm.NONE)
        return Health(Alarm.MINOR, (f"{excess:+.1f} K off its temperature",))

    def safe_state(self) -> None:
        self._tell("hvolt 0.00", urgent=True)
