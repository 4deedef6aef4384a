"""Timing of a storage experiment: which pulse when, and where its light is looked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from qnlab.instruments.pulse_generator import Pulse, TimingTable
from qnlab.procedures.memory.frames import Window
from qnlab.procedures.memory.storage import GATES

Row = tuple[Pulse, ...]

_BEGIN_S = 50e-9
_SETTLE_S = 100e-9
_MARK = Pulse("sync", 0.0, 20e-9)


class SequenceParameters(BaseModel):
    """Timing that all storage procedures share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheme: Literal["controlled", "comb", "spin-wave"] = Field(
        "controlled",
        description="recalled by a control pulse, from a comb by itself, or from its spin wave",
    )
    comb_ns: float = Field(500.0, gt=0, description="delay of the comb before a spin wave's time")
    period_ns: float = Field(5000.0, gt=0, description="length of a trial")
    prepare_ns: float = Field(500.0, gt=0, description="length of the preparation")
    signal_ns: float = Field(50.0, gt=0, description="length of the signal pulse")
    control_ns: float = Field(50.0, gt=0, description="length of the control pulse that reads")
    storage_ns: float = Field(
        200.0, ge=0, description="from write to read; of a comb alone, from signal to echo"
    )
    gate_margin_ns: float = Field(1.0, ge=0, description="gates are wider at both ends by this")
    trials: int = Field(200_000, gt=0, description="trials of each gate")
    setup_transmission: float = Field(
        1.0, gt=0, le=1, description="of filters and fibres behind the memory, measured apart"
    )
    detector_efficiency: float | None = Field(
        None, gt=0, le=1, description="none: as the detectors state it"
    )


class StorageSequence:
    """Pulses of the five gates for one storage time.

    Parameters
    ----------
    parameters : SequenceParameters
    storage_s : float
        From write to read.
    """

    def __init__(self, parameters: SequenceParameters, storage_s: float) -> None:
        p = parameters
        self._period_s = p.period_ns * 1e-9
        prepared = _BEGIN_S + p.prepare_ns * 1e-9
        start = prepared + _SETTLE_S
        stop = start + p.signal_ns * 1e-9
        self._signal = Pulse("signal", start, stop)
        self._prepare = Pulse("prepare", _BEGIN_S, prepared)
        self._bypass = Pulse("bypass", prepared, stop + _SETTLE_S)
        if p.scheme == "comb":
            self._controls: Row = ()
            recalled = start + storage_s
        elif p.scheme == "spin-wave":
            transfer = Pulse("control", stop, stop + p.control_ns * 1e-9)
            back = replace(transfer, start_s=stop + storage_s, stop_s=transfer.stop_s + storage_s)
            self._controls = (transfer, back)
            recalled = start + p.comb_ns * 1e-9 + storage_s
        else:
            recalled = stop + storage_s
            read = Pulse("control", recalled, recalled + p.control_ns * 1e-9)
            self._controls = (Pulse("control", start, stop), read)
        self.sent = Window(start, stop)
        self.recalled = Window(recalled, recalled + stop - start)
        self.ends_s = max(pulse.stop_s for pulse in (self._bypass, *self._controls))
        self.ends_s = max(self.ends_s, self.recalled.stop_s)

    @property
    def stored(self) -> Row:
        """Prepare, write and read."""
        return (self._prepare, self._signal, *self._controls)

    def five_gates(self) -> TimingTable:
        """REF, LEAK, OUT, NOISE and DARK, one trial each in turn; a mark begins the frame."""
        rows = {
            "ref": (self._signal, self._bypass),
            "leak": self.stored,
            "out": self.stored,
            "noise": (self._prepare, *self._controls),
            "dark": (),
        }
        first, *rest = (rows[name] for name in GATES)
        return TimingTable(self._period_s, ((_MARK, *first), *rest))

    def storage_alone(self) -> TimingTable:
        """Every trial stores and recalls."""
        return TimingTable(self._period_s, ((_MARK, *self.stored),))

    def gate(self, name: str) -> Window:
        """Where light of a gate is sent, from the begin of the five gates."""
        within = self.sent if name in ("ref", "leak") else self.recalled
        return within.later(GATES.index(name) * self._period_s)


def heralded_table(period_s: float, write_s: float, read_s: float, storage_s: float) -> TimingTable:
    """Write, wait, read; a mark begins each trial."""
    written = _BEGIN_S + write_s
    read = Pulse("control", written + storage_s, written + storage_s + read_s)
    return TimingTable(period_s, ((_MARK, Pulse("write", _BEGIN_S, written), read),))
