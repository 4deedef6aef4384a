"""Keysight N7761A, N7762A, N7764A: variable optical attenuators, SCPI on TCP port 5025.

=================================  ===========================  ====================================
setting                            asked with                   set with (slot 1)
=================================  ===========================  ====================================
attenuation, dB                    ``:INP1:ATT?``               ``:INP1:ATT 12.345dB``
wavelength of the calibration      ``:INP1:WAV?`` (m)           ``:INP1:WAV 1550.120NM``
shutter                            ``:OUTP1?``                  ``:OUTP1 0`` closed, ``1`` open
offset for fixed attenuators, dB   ``:INP1:OFFS?``              on the instrument
=================================  ===========================  ====================================

The offset is part of the attenuation that is set and read; the range moves with it. The address is
``tcp:HOST`` or ``tcp:HOST:PORT``, with ``#SLOT`` for another slot than 1 (1, 3, 5, 7 of an N7764A).
"""

from __future__ import annotations

from collections.abc import Mapping

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.drivers.driven import DrivenInstrument
from qnlab.drivers.scpi import Dialect, Scpi
from qnlab.drivers.transports import ByteStream, Channel, open_stream, parse_address
from qnlab.errors import BenchError
from qnlab.instruments.base import Identity
from qnlab.instruments.roles import Attenuator, AttenuatorCapabilities
from qnlab.instruments.settings import Entry
from qnlab.values import Limits, Reading

TCP_PORT = 5025
BAUDRATE = 115_200
SLOTS = ("1", "3", "5", "7")
MOST_DB = 45.0
RESOLUTION_DB = 1e-3


def connect(spec: InstrumentSpec, context: BenchContext) -> KeysightN77xx:
    """Keysight N7761A, N7762A or N7764A attenuator, one slot of it.

    Raises
    ------
    BenchError
        The address is of another form, or has no such slot.
    """
    address = parse_address(spec, tcp_port=TCP_PORT)
    slot = address.part or "1"
    if slot not in SLOTS:
        raise BenchError(
            f"instruments.{spec.name}.address: no slot {slot!r}; slots are {', '.join(SLOTS)}"
        )
    stream = open_stream(spec.name, address, BAUDRATE)
    return KeysightN77xx(spec, context, stream, slot).open()


class KeysightN77xx(DrivenInstrument, Attenuator):
    """One attenuator; its safe state is a closed shutter, which no reconnection opens."""

    never_restored = frozenset({"shutter_closed"})

    def __init__(
        self, spec: InstrumentSpec, context: BenchContext, stream: ByteStream, slot: str
    ) -> None:
        super().__init__(spec, context, stream)
        self._scpi = Scpi(self.link, Dialect())
        self._slot = slot

    def _greet(self, channel: Channel) -> None:
        self._identity = self._identity_of(self._scpi.greet(channel))

    def _entries(self) -> Mapping[str, Entry]:
        ask, n = self._scpi.ask, self._slot
        offset_db = ask(f":INP{n}:OFFS?", float)
        wavelength = Limits(ask(f":INP{n}:WAV? MIN", float), ask(f":INP{n}:WAV? MAX", float), "m")
        attenuation = Limits(offset_db, offset_db + MOST_DB, "dB")
        self.capabilities = AttenuatorCapabilities(attenuation, RESOLUTION_DB, wavelength)
        number, flag = self._scpi.number, self._scpi.flag
        return {
            "attenuation_db": number(f":INP{n}:ATT?", f":INP{n}:ATT {{:.3f}}dB", attenuation),
            "shutter_closed": flag(f":OUTP{n}?", f":OUTP{n} {{}}", inverted=True),
            "wavelength_m": Entry(
                "m",
                lambda: ask(f":INP{n}:WAV?", float),
                lambda value: self._scpi.tell(f":INP{n}:WAV {float(value) * 1e9:.3f}NM"),
                wavelength,
            ),
        }

    @property
    def identity(self) -> Identity:
        return self._identity

    def attenuation(self) -> Reading:
        return self._table.read_one("attenuation_db")

    def set_attenuation(self, attenuation_db: float) -> float:
        return float(self.apply({"attenuation_db": attenuation_db})["attenuation_db"].value)

    def safe_state(self) -> None:
        self._scpi.tell(f":OUTP{self._slot} 0", urgent=True)
