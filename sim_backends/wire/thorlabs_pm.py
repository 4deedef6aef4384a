"""A Thorlabs PM101 on the world's power tap, heard on a pseudo-terminal."""

from __future__ import annotations

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.clock import Clock
from qnlab.sim_backends.wire.base import Wire, port_of
from qnlab.sim_backends.wire.scpi import ScpiDevice, ScpiError, number, switch
from qnlab.sim_backends.wire.servers import serve_pty
from qnlab.sim_backends.world.ports import PowerMeterPort

SHORTEST_NM, LONGEST_NM = 800.0, 1700.0
MOST_W = 0.02
SAMPLE_S = 1e-3


def serve(spec: InstrumentSpec, context: BenchContext) -> Wire:
    """Start it on the power tap that ``spec.address`` means."""
    port = port_of(spec, context, PowerMeterPort)
    return serve_pty(spec.name, port, Pm101(port, context.clock))


class Pm101(ScpiDevice):
    """A measurement takes a millisecond a reading averaged."""

    def __init__(self, port: PowerMeterPort, clock: Clock) -> None:
        super().__init__(
            "THORLABS,PM101,M00000001,1.0.0",
            {
                ":SENSe:CORRection:WAVelength?": self._ask_wavelength,
                ":SENSe:CORRection:WAVelength": self._set_wavelength,
                ":SENSe:AVERage[:COUNt]?": lambda _: self._averages,
                ":SENSe:AVERage[:COUNt]": self._average,
                ":SENSe:POWer[:DC]:UNIT": self._set_unit,
                ":SENSe:POWer[:DC]:UNIT?": lambda _: self._unit,
                ":SENSe:POWer[:DC]:RANGe[:UPPer]?": lambda text: (
                    f"{number(text or 'MAX', 0.0, MOST_W):.6E}"
                ),
                ":SENSe:POWer[:DC]:RANGe:AUTO": switch,
                ":MEASure[:SCALar][:POWer]?": lambda _: self._measure(),
            },
            no_error='0,"No error"',
        )
        self._port = port
        self._clock = clock
        self._default()

    def _default(self) -> None:
        self._wavelength_nm = 1550.0
        self._averages = 1
        self._unit = "W"

    def _ask_wavelength(self, text: str) -> str:
        value = number(text, SHORTEST_NM, LONGEST_NM) if text else self._wavelength_nm
        return f"{value:.2f}"

    def _set_wavelength(self, text: str) -> None:
        self._wavelength_nm = number(text, SHORTEST_NM, LONGEST_NM)

    def _average(self, text: str) -> None:
        self._averages = round(number(text, 1, 1000))

    def _set_unit(self, text: str) -> None:
        if text.upper() != "W":
            raise ScpiError(-224)
        self._unit = "W"

    def _measure(self) -> str:
        self._clock.sleep(self._averages * SAMPLE_S)
        self._port.world.sync()
        power = self._port.power_w()
        return f"{power:.8E}" if power <= MOST_W else "9.91000000E+37"

    def power_cycle(self) -> None:
        super().power_cycle()
        self._default()
