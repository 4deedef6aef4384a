"""Procedure ``memory-heralded``: write, herald and read of a DLCZ memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from qnlab.bench import Bench
from qnlab.procedures.memory import rig
from qnlab.procedures.memory.correlation import cross_correlation, heralded_autocorrelation
from qnlab.procedures.memory.frames import Window
from qnlab.procedures.memory.reporting import figure
from qnlab.procedures.memory.sequence import heralded_table
from qnlab.runs import Run

ANALYSER = "analyser"
BALANCED_DEG = (0.0, 22.5)
HERALD = "herald"


class HeraldedParameters(BaseModel):
    """Parameters of the procedure ``memory-heralded``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    period_ns: float = Field(5000.0, gt=0, description="length of a trial")
    write_ns: float = Field(50.0, gt=0, description="length of the write pulse")
    read_ns: float = Field(50.0, gt=0, description="length of the read pulse")
    storage_ns: float = Field(1000.0, ge=0, description="from write to read")
    gate_margin_ns: float = Field(1.0, ge=0, description="gates are wider at both ends by this")
    trials: int = Field(2_000_000, gt=0, description="trials in all")


class MemoryHeralded:
    """Correlation of heralds and retrieved photons, and whether these are single.

    The wave plates `analyser` split H light evenly between both detectors.
    """

    name: ClassVar[str] = "memory-heralded"
    summary: ClassVar[str] = "g2 of herald and retrieved photon, and of the heralded photon"
    Parameters: ClassVar[type[HeraldedParameters]] = HeraldedParameters

    def check(self, bench: Bench, parameters: HeraldedParameters) -> list[str]:
        """What the bench lacks, one line each."""
        p = parameters
        found = rig.problems(bench, laser=False, herald=True) + rig.plates_problems(bench, ANALYSER)
        taken = 50 + p.write_ns + p.storage_ns + p.read_ns
        if taken >= p.period_ns:
            found.append(f"period_ns: {p.period_ns:g} is too short, the sequence takes {taken:g}")
        return found

    def run(self, bench: Bench, run: Run, parameters: HeraldedParameters) -> Mapping[str, object]:
        """Take all trials, then count."""
        p = parameters
        working = rig.Rig(bench, run)
        rig.wave_plates(bench, ANALYSER).move(BALANCED_DEG)
        table = heralded_table(
            p.period_ns * 1e-9, p.write_ns * 1e-9, p.read_ns * 1e-9, p.storage_ns * 1e-9
        )
        frames = working.take(table, p.trials)
        _, write, read = (Window(pulse.start_s, pulse.stop_s) for pulse in table.trials[0])
        arrival = frames.arrival_s([HERALD], write, table.period_s)
        margin = p.gate_margin_ns * 1e-9
        herald = frames.clicked([HERALD], write.later(arrival, margin))
        late = read.later(arrival, margin)
        first, second = (frames.clicked([name], late) for name in rig.OUTPUTS)
        n = {
            "heralds": int(herald.sum()),
            "retrieved": int((first | second).sum()),
            "coincidences": int((herald & (first | second)).sum()),
            "threefold": int((herald & first & second).sum()),
        }
        run.record("counts", trials=frames.number, **n)
        cross = cross_correlation(n["heralds"], n["retrieved"], n["coincidences"], frames.number)
        own = heralded_autocorrelation(
            n["heralds"], int((herald & first).sum()), int((herald & second).sum()), n["threefold"]
        )
        return {
            "storage_ns": p.storage_ns,
            "arrival_ns": arrival * 1e9,
            "trials": frames.number,
            **n,
            **figure("cross_correlation", cross),
            **figure("heralded_g2", own),
            "nonclassical": cross.low > 2,
            "single_photon": own.high < 0.5,
        }
