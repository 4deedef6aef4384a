"""Santec TSL-550, TSL-570: tunable continuous laser, SCPI over TCP or serial.

=================================  ===========================  ====================================
setting or measurement             asked with                   set with
=================================  ===========================  ====================================
wavelength                         ``:WAV?``                    ``:WAV 1550.1200`` (nm, code 0)
                                                                ``:WAV 1.550120000E-06`` (m, 1)
power, mW                          ``:POW?``                    ``:POW 1.0000``
emission                           ``:POW:STAT?``               ``:POW:STAT 1`` on, ``0`` off
power measured inside, mW          ``:POW:ACT?``
command code                       ``:SYST:COMM:CODE?``         on the instrument
alerts                             ``:SYST:ALER?`` until ``No alerts.``
tuning is over                     ``*OPC?``
=================================  ===========================  ====================================

Lines end with CR both ways; ``#lf`` behind the address says that the unit is set to LF.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.drivers.driven import DrivenInstrument
from qnlab.drivers.scpi import Dialect, Scpi, one_bit
from qnlab.drivers.transports import ByteStream, Channel, open_stream, parse_address
from qnlab.errors import BenchError, InterlockOpen
from qnlab.instruments.base import Health, Identity, Setting
from qnlab.instruments.roles import Emission, LaserCapabilities, LaserSource
from qnlab.instruments.settings import Entry
from qnlab.values import Alarm, Limits, Reading

TCP_PORT = 5000
BAUDRATE = 9600
ENDS = {"": b"\r", "cr": b"\r", "lf": b"\n"}
POWER = Limits(0.04e-3, 20e-3, "W")
MILLI = 1e3
TUNING_S = 30.0
ENABLING_S = 5.0
INTERLOCK = 7
WARMING_UP = 23
MOST_ALERTS = 30
CODES = {0: (1e9, "{:.4f}"), 1: (1.0, "{:.9E}")}
"""Command code: the unit's wavelengths in a metre, and how it is written."""

_ALERT = re.compile(r"No\.?\s*(\d+)\.(.*)")


def connect(spec: InstrumentSpec, context: BenchContext) -> SantecTsl:
    """Santec TSL-550 or TSL-570 tunable laser.

    Raises
    ------
    BenchError
        The address is of another form.
    """
    address = parse_address(spec, tcp_port=TCP_PORT)
    if address.part not in ENDS:
        raise BenchError(
            f"instruments.{spec.name}.address: {address.part!r} is no line end; give #cr or #lf"
        )
    dialect = Dialect(
        ENDS[address.part],
        ENDS[address.part],
        quiet_s=0.1 if address.kind == "serial" else 0.0,
    )
    return SantecTsl(spec, context, open_stream(spec.name, address, BAUDRATE), dialect).open()


class SantecTsl(DrivenInstrument, LaserSource):
    """The laser; its safe state is emission off."""

    def __init__(
        self, spec: InstrumentSpec, context: BenchContext, stream: ByteStream, dialect: Dialect
    ) -> None:
        super().__init__(spec, context, stream)
        self._scpi = Scpi(self.link, dialect)

    def _greet(self, channel: Channel) -> None:
        self._identity = self._identity_of(self._scpi.greet(channel))

    def _entries(self) -> Mapping[str, Entry]:
        ask, number = self._scpi.ask, self._scpi.number
        per_metre, written = CODES[int(ask(":SYST:COMM:CODE?", one_bit))]
        self._scpi.tell(":POW:UNIT 1", ":WAV:UNIT 0")
        low, high = (ask(f":WAV:{end}?", float) / per_metre for end in ("MIN", "MAX"))
        wavelength = Limits(low, high, "m")
        self.capabilities = LaserCapabilities(wavelength, POWER, repetition_hz=None)

        def tune(value: Setting) -> None:
            self._scpi.tell(":WAV " + written.format(float(value) * per_metre))
            self._wait(lambda: ask("*OPC?", one_bit), "*OPC?", TUNING_S)

        return {
            "power_w": number(":POW?", ":POW {:.4f}", POWER, per_unit=MILLI),
            "wavelength_m": Entry("m", lambda: ask(":WAV?", float) / per_metre, tune, wavelength),
        }

    @property
    def identity(self) -> Identity:
        return self._identity

    def alerts(self) -> dict[int, str]:
        """What the laser complains of, by number."""
        found: dict[int, str] = {}
        for _ in range(MOST_ALERTS):
            match = self._scpi.ask(":SYST:ALER?", _parse_alert)
            if match is None or match[0] in found:
                break
            found[match[0]] = match[1]
        return found

    def health(self) -> Health:
        alerts = self.alerts()
        problems = tuple(f"alert {number:02d}: {text}" for number, text in alerts.items())
        if not alerts:
            return Health(Alarm.NONE)
        return Health(Alarm.MINOR if set(alerts) == {WARMING_UP} else Alarm.MAJOR, problems)

    def emission(self) -> Emission:
        if INTERLOCK in self.alerts():
            return Emission.INTERLOCK
        return Emission.ON if self._scpi.ask(":POW:STAT?", one_bit) else Emission.OFF

    def enable(self) -> None:
        if INTERLOCK in self.alerts():
            raise InterlockOpen(self.name, "the interlock is open", command="enable")
        self._scpi.tell(":POW:STAT 1")
        self._wait(lambda: self.emission() is Emission.ON, "enable", ENABLING_S)

    def disable(self) -> None:
        self._scpi.tell(":POW:STAT 0", urgent=True)

    def power(self) -> Reading:
        return self._reading(self._scpi.ask(":POW:ACT?", float) / MILLI, "W", "power")

    def safe_state(self) -> None:
        self.disable()


def _parse_alert(reply: str) -> tuple[int, str] | None:
    """``No07.Inter lock detection``; None for ``No alerts.``."""
    if reply.lower().startswith("no alert"):
        return None
    match = _ALERT.fullmatch(reply)
    if match is None:
        raise ValueError(reply)
    return int(match[1]), match[2].strip()
