"""Procedures ``calibrate-dark`` and ``calibrate-detectors``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from qnlab.bench import Bench
from qnlab.errors import ProcedureError
from qnlab.instruments.roles import Attenuator, LaserSource
from qnlab.procedures.calibration.counting import Counting, lacks
from qnlab.procedures.calibration.store import keep
from qnlab.runs import Run
from qnlab.tags import TagChunk
from qnlab.tags.analysers import Afterpulsing


class DarkParameters(BaseModel):
    """Parameters of the procedure ``calibrate-dark``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration_s: float = Field(10.0, gt=0, description="time to count without light")


class CalibrateDark:
    """Dark count rate of every detector."""

    name: ClassVar[str] = "calibrate-dark"
    summary: ClassVar[str] = "dark count rate of every detector"
    Parameters: ClassVar[type[DarkParameters]] = DarkParameters

    def check(self, bench: Bench, parameters: DarkParameters) -> list[str]:
        """What the bench lacks, one line each."""
        return lacks(bench)

    def run(self, bench: Bench, run: Run, parameters: DarkParameters) -> Mapping[str, object]:
        """Count in darkness."""
        counting = Counting(bench, run)
        counting.darkness()
        found: dict[str, object] = {}
        for name, rate in counting.rates(parameters.duration_s).items():
            run.record("rates", channel=name, dark_hz=rate.hz, dark_error_hz=rate.error_hz)
            found |= {f"{name}_dark_hz": rate.hz, f"{name}_dark_error_hz": rate.error_hz}
        keep(bench, run, self.name, found)
        return found


class DetectorParameters(BaseModel):
    """Parameters of the procedure ``calibrate-detectors``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attenuation_db: float = Field(88.0, description="of the attenuator while counting")
    duration_s: float = Field(2.0, gt=0, description="time to count")
    afterpulse_us: float = Field(8.0, gt=0, description="afterpulses are looked for up to this")


class CalibrateDetectors:
    """Dead time and afterpulsing of every detector, from its own tags under weak light.

    No two tags lie closer than the dead time. With a pulsed laser the closest ones tell it but for
    a period: it lies between them and a period less. Afterpulses are counted from the second period
    behind, in bins as long as the period, so that pulses do not show.
    """

    name: ClassVar[str] = "calibrate-detectors"
    summary: ClassVar[str] = "dead time and afterpulsing of every detector"
    Parameters: ClassVar[type[DetectorParameters]] = DetectorParameters

    def check(self, bench: Bench, parameters: DetectorParameters) -> list[str]:
        """What the bench lacks, one line each."""
        return lacks(bench, LaserSource, Attenuator)

    def run(self, bench: Bench, run: Run, parameters: DetectorParameters) -> Mapping[str, object]:
        """Take tags twice: for the dead time, then from there on for afterpulses."""
        p = parameters
        counting = Counting(bench, run)
        laser = bench.get(LaserSource)  # type: ignore[type-abstract]
        period_ps = round(1e12 / float(laser.settings()["repetition_hz"].value))
        counting.light(p.attenuation_db)
        closest = {name: _Closest(n) for name, n in counting.channels.items()}
        counting.take(p.duration_s, *(one.feed for one in closest.values()))
        dead = {name: one.result() for name, one in closest.items()}
        after = {
            name: Afterpulsing(
                n,
                (dead[name] // period_ps + 2) * period_ps,
                period_ps,
                round(p.afterpulse_us * 1e6 / period_ps),
            )
            for name, n in counting.channels.items()
        }
        counting.take(p.duration_s, *(one.feed for one in after.values()))
        found: dict[str, object] = {}
        for name, one in after.items():
            excess = one.result()
            figures = {
                "dead_ns": dead[name] * 1e-3,
                "dead_at_least_ns": max(0, dead[name] - period_ps) * 1e-3,
                "afterpulses": excess.probability,
                "afterpulses_error": excess.error,
            }
            run.record("detectors", channel=name, **figures)
            found |= {f"{name}_{key}": value for key, value in figures.items()}
        keep(bench, run, self.name, found)
        return found


class _Closest:
    """Shortest time between two tags of one channel."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._last = np.empty(0, dtype=np.int64)
        self._shortest: int | None = None

    def feed(self, chunk: TagChunk) -> None:
        """Take in the next chunk."""
        t = np.concatenate([self._last, chunk.t[chunk.ch == self._channel]])
        if len(t) > 1:
            here = int(np.diff(t).min())
            self._shortest = here if self._shortest is None else min(self._shortest, here)
        self._last = t[-1:]

    def result(self) -> int:
        """ps.

        Raises
        ------
        ProcedureError
            There were no two tags.
        """
        if self._shortest is None:
            raise ProcedureError(f"channel {self._channel}: no tags to tell the dead time from")
        return self._shortest
