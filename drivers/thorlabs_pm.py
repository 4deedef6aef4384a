"""Thorlabs PM101 (and PM-series meters on a serial line): optical power meter, SCPI, 115200 baud.

=================================  ==============================  =================================
setting or measurement             asked with                      set with
=================================  ==============================  =================================
wavelength of the calibration, nm  ``SENS:CORR:WAV?``              ``SENS:CORR:WAV 1550.12``
readings averaged                  ``SENS:AVER?``                  ``SENS:AVER 100``
mean power, W                      ``MEAS:POW?``                   ``SENS:POW:UNIT W`` once
=================================  ==============================  =================================

Ranges come from ``SENS:CORR:WAV? MIN|MAX`` and ``SENS:POW:RANG? MAX``. 9.91E37 or INFINITY means
that the power is beyond the range.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.drivers.driven import DrivenInstrument
from qnlab.drivers.scpi import Dialect, Scpi
from qnlab.drivers.transports import ByteStream, Channel, open_stream, parse_address
from qnlab.instruments.base import Identity
from qnlab.instruments.roles import PowerMeter, PowerMeterCapabilities
from qnlab.instruments.settings import Entry
from qnlab.values import Alarm, Limits, Reading

BAUDRATE = 115_200
MEASURE_S = 12.0
BEYOND = 9.9e37
PER_M = 1e9
AVERAGES = Limits(1, 1000)


def connect(spec: InstrumentSpec, context: BenchContext) -> ThorlabsPm:
    """Thorlabs PM101 power meter on a serial line.

    Raises
    ------
    BenchError
        The address is neither ``serial:PATH`` nor ``tcp:HOST:PORT`` (a serial server).
    """
    return ThorlabsPm(spec, context, open_stream(spec.name, parse_address(spec), BAUDRATE)).open()


class ThorlabsPm(DrivenInstrument, PowerMeter):
    """The meter, in watts."""

    def __init__(self, spec: InstrumentSpec, context: BenchContext, stream: ByteStream) -> None:
        super().__init__(spec, context, stream)
        self._scpi = Scpi(self.link, Dialect(errors="SYST:ERR?", quiet_s=0.1))

    def _greet(self, channel: Channel) -> None:
        self._identity = self._identity_of(self._scpi.greet(channel))

    def _entries(self) -> Mapping[str, Entry]:
        ask, number = self._scpi.ask, self._scpi.number
        low, high = (ask(f"SENS:CORR:WAV? {end}", float) / PER_M for end in ("MIN", "MAX"))
        wavelength = Limits(low, high, "m")
        power = Limits(0.0, ask("SENS:POW:RANG? MAX", float), "W")
        self.capabilities = PowerMeterCapabilities(power, wavelength)
        self._scpi.tell("SENS:POW:UNIT W", "SENS:POW:RANG:AUTO 1")
        return {
            "wavelength_m": number(
                "SENS:CORR:WAV?", "SENS:CORR:WAV {:.2f}", wavelength, per_unit=PER_M
            ),
            "averages": number("SENS:AVER?", "SENS:AVER {:.0f}", AVERAGES),
        }

    @property
    def identity(self) -> Identity:
        return self._identity

    def power(self) -> Reading:
        value = self._scpi.ask("MEAS:POW?", float, timeout_s=MEASURE_S)
        if value > BEYOND:
            return self._reading(math.inf, "W", "power", Alarm.INVALID)
        return self._reading(max(value, 0.0), "W", "power")

    def safe_state(self) -> None:
        """A meter is always safe."""
