"""A Keysight N7761A on the world's attenuator, with a fixed attenuator behind it; SCPI on TCP."""

from __future__ import annotations

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.sim_backends.wire.base import Wire, port_of
from qnlab.sim_backends.wire.scpi import ScpiDevice, number, switch
from qnlab.sim_backends.wire.servers import serve_tcp
from qnlab.sim_backends.world.ports import AttenuatorPort

PAD_DB = 40.0
MOST_DB = 45.0
SHORTEST_M, LONGEST_M = 1.26e-6, 1.64e-6
METRES = {"M": 1.0, "UM": 1e-6, "NM": 1e-9}


def serve(spec: InstrumentSpec, context: BenchContext) -> Wire:
    """Start it on the attenuator that ``spec.address`` means."""
    port = port_of(spec, context, AttenuatorPort)
    return serve_tcp(port, N7761A(port))


class N7761A(ScpiDevice):
    """Slot 1. The offset of `PAD_DB` for the fixed attenuator is entered on the instrument."""

    def __init__(self, port: AttenuatorPort) -> None:
        super().__init__(
            "Keysight Technologies,N7761A,DE00000001,1.0",
            {
                ":INPut[1]:ATTenuation?": self._ask_attenuation,
                ":INPut[1]:ATTenuation": self._attenuate,
                ":INPut[1]:OFFSet?": lambda _: f"{PAD_DB:+.8E}",
                ":INPut[1]:WAVelength?": self._ask_wavelength,
                ":INPut[1]:WAVelength": self._set_wavelength,
                ":OUTPut[1][:STATe]?": lambda _: int(not port.shutter_closed),
                ":OUTPut[1][:STATe]": self._shut,
            },
        )
        self._port = port
        self._wavelength_m = 1.55e-6
        self._attenuate_to(max(port.attenuation_db, PAD_DB))

    def _ask_attenuation(self, text: str) -> str:
        value = number(text, PAD_DB, PAD_DB + MOST_DB) if text else self._port.attenuation_db
        return f"{value:+.8E}"

    def _attenuate(self, text: str) -> None:
        self._attenuate_to(number(text, PAD_DB, PAD_DB + MOST_DB, {"DB": 1.0}))

    def _attenuate_to(self, attenuation_db: float) -> None:
        with self._port.world.changing():
            self._port.attenuation_db = min(attenuation_db, PAD_DB + MOST_DB)

    def _ask_wavelength(self, text: str) -> str:
        value = number(text, SHORTEST_M, LONGEST_M) if text else self._wavelength_m
        return f"{value:+.8E}"

    def _set_wavelength(self, text: str) -> None:
        self._wavelength_m = number(text, SHORTEST_M, LONGEST_M, METRES)

    def _shut(self, text: str) -> None:
        opened = switch(text)
        with self._port.world.changing():
            self._port.shutter_closed = not opened

    def power_cycle(self) -> None:
        super().power_cycle()
        self._wavelength_m = 1.55e-6
        with self._port.world.changing():
            self._port.shutter_closed = True
            self._port.attenuation_db = PAD_DB
