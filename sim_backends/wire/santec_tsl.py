"""A Santec TSL-570 on the world's laser; SCPI on TCP, lines end with CR."""

from __future__ import annotations

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.clock import Clock
from qnlab.sim_backends.wire.base import Wire, port_of
from qnlab.sim_backends.wire.scpi import Handler, ScpiDevice, ScpiError, number, switch
from qnlab.sim_backends.wire.servers import serve_tcp
from qnlab.sim_backends.world.ports import LaserPort

SHORTEST_NM, LONGEST_NM = 1500.0, 1600.0
LEAST_MW, MOST_MW = 0.04, 20.0
NM_PER_S = 50.0
INTERLOCK_ALERT = "No07.Inter lock detection"


def serve(spec: InstrumentSpec, context: BenchContext) -> Wire:
    """Start it on the laser that ``spec.address`` means."""
    port = port_of(spec, context, LaserPort)
    return serve_tcp(port, Tsl570(port, context.clock))


class Tsl570(ScpiDevice):
    """Legacy command code: wavelengths in nm. The modulators behind it carve the pulses."""

    def __init__(self, port: LaserPort, clock: Clock) -> None:
        super().__init__(
            "SANTEC,TSL-570,00000001,0001.0001",
            {
                ":SYSTem:COMMunicate:CODe?": lambda _: 0,
                ":SYSTem:ALERt?": lambda _: self._next_alert(),
                ":WAVelength?": lambda _: f"+{port.wavelength_m * 1e9:.4f}",
                ":WAVelength": self._tune,
                ":WAVelength:MINimum?": lambda _: f"+{SHORTEST_NM:.4f}",
                ":WAVelength:MAXimum?": lambda _: f"+{LONGEST_NM:.4f}",
                ":WAVelength:UNIT": _only("0"),
                ":POWer:UNIT": _only("1"),
                ":POWer?": lambda _: f"+{port.power_w * 1e3:.4f}",
                ":POWer": self._set_power,
                ":POWer:ACTual[:LEVel]?": lambda _: f"+{port.emitted_w * 1e3:.4f}",
                ":POWer:STATe?": lambda _: int(port.emitting and not port.interlock_open),
                ":POWer:STATe": self._emit,
                "*OPC?": lambda _: int(clock.now() >= self._tuned_at_s),
            },
            reply_end=b"\r",
            no_error='0,"No error"',
        )
        self._port = port
        self._clock = clock
        self._tuned_at_s = clock.now()
        self._told = False

    def _tune(self, text: str) -> None:
        nanometres = number(text, SHORTEST_NM, LONGEST_NM, {"NM": 1.0})
        way_nm = abs(nanometres - self._port.wavelength_m * 1e9)
        self._tuned_at_s = self._clock.now() + way_nm / NM_PER_S
        with self._port.world.changing():
            self._port.wavelength_m = round(nanometres, 4) / 1e9

    def _set_power(self, text: str) -> None:
        milliwatts = number(text, LEAST_MW, MOST_MW, {"MW": 1.0})
        with self._port.world.changing():
            self._port.power_w = round(milliwatts, 4) / 1e3

    def _emit(self, text: str) -> None:
        on = switch(text)
        if on and self._port.interlock_open:
            raise ScpiError(-200)
        with self._port.world.changing():
            self._port.emitting = on

    def _next_alert(self) -> str:
        self._told = self._port.interlock_open and not self._told
        return INTERLOCK_ALERT if self._told else "No alerts."

    def power_cycle(self) -> None:
        super().power_cycle()
        with self._port.world.changing():
            self._port.emitting = False
            self._port.power_w = LEAST_MW / 1e3


def _only(word: str) -> Handler:
    """A choice of which the simulator has one."""

    def choose(text: str) -> None:
        if text != word:
            raise ScpiError(-224)

    return choose
