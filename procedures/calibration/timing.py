"""Procedure ``calibrate-timing``: clock of the tagger, and delays of its channels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from qnlab.bench import Bench
from qnlab.errors import ProcedureError
from qnlab.instruments.roles import Attenuator, LaserSource
from qnlab.procedures.calibration.counting import Counting, lacks
from qnlab.procedures.calibration.store import keep
from qnlab.runs import Run
from qnlab.tags import TagChunk

Times = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_LEAST_TAGS = 1000
_LEAST_CONTRAST = 0.3


class TimingParameters(BaseModel):
    """Parameters of the procedure ``calibrate-timing``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attenuation_db: float = Field(88.0, description="of the attenuator while counting")
    duration_s: float = Field(0.5, gt=0, description="time to count")
    stretch_us: float = Field(
        200.0, gt=0, description="stretch in which the clock's phase is taken; short for bad clocks"
    )


class CalibrateTiming:
    """Rate of the tagger's clock against the laser's, and delay of each channel.

    Tags of a pulsed laser have a phase in its period. How fast the phase of all channels turns is
    the clocks' difference; how it differs from the first channel's is a delay, known but for whole
    periods.
    """

    name: ClassVar[str] = "calibrate-timing"
    summary: ClassVar[str] = "clock of the tagger against the laser, delays of the channels"
    Parameters: ClassVar[type[TimingParameters]] = TimingParameters

    def check(self, bench: Bench, parameters: TimingParameters) -> list[str]:
        """What the bench lacks, one line each."""
        return lacks(bench, LaserSource, Attenuator)

    def run(self, bench: Bench, run: Run, parameters: TimingParameters) -> Mapping[str, object]:
        """Take tags, follow the phase, compare the channels."""
        p = parameters
        counting = Counting(bench, run)
        counting.light(p.attenuation_db)
        repetition = float(
            bench.get(LaserSource).settings()["repetition_hz"].value  # type: ignore[type-abstract]
        )
        chunks: list[TagChunk] = []
        counting.take(p.duration_s, chunks.append)
        t = np.concatenate([chunk.t for chunk in chunks])
        ch = np.concatenate([chunk.ch for chunk in chunks])
        seconds = (t - t[:1]) * 1e-12
        phase = 2 * math.pi * np.mod(seconds * repetition, 1.0)
        ppm, ppm_error = clock_ppm(seconds, phase, p.stretch_us * 1e-6, repetition)
        turned = phase + 2 * math.pi * np.mod(-seconds * repetition * ppm * 1e-6, 1.0)
        found: dict[str, object] = {"clock_ppm": ppm, "clock_error_ppm": ppm_error}
        first: tuple[float, float] | None = None
        for name, n in counting.channels.items():
            angle, error = _mean_angle(turned[ch == n], name)
            first = (angle, error) if first is None else first
            apart = math.remainder(angle - first[0], 2 * math.pi)
            scale = 1e12 / (2 * math.pi * repetition)
            spread = 0.0 if (angle, error) == first else math.hypot(error, first[1])
            run.record("delays", channel=name, delay_ps=apart * scale, error_ps=spread * scale)
            found |= {
                f"{name}_delay_ps": apart * scale,
                f"{name}_delay_error_ps": spread * scale,
            }
        keep(bench, run, self.name, found)
        return found


def clock_ppm(
    seconds: Floats, phase: Floats, stretch_s: float, repetition_hz: float
) -> tuple[float, float]:
    """How much faster than the laser's the clock runs, and the error; parts per million.

    Parameters
    ----------
    seconds, phase : ndarray of float, shape (n,)
        Times of tags by this clock, and their phases in the laser's period by it, rad.
    stretch_s : float
        The phase may turn by less than half a turn in it.

    Raises
    ------
    ProcedureError
        Too few tags.
    """
    stretch = (seconds / stretch_s).astype(np.int64)
    if len(seconds) < _LEAST_TAGS or stretch[-1] < 3:
        raise ProcedureError(f"{len(seconds)} tags are too few to follow the clock")
    total = np.zeros(int(stretch[-1]) + 1, dtype=np.complex128)
    np.add.at(total, stretch, np.exp(1j * phase))
    weight = np.bincount(stretch, minlength=len(total))
    middle = (np.arange(len(total)) + 0.5) * stretch_s
    used = weight > 0
    angle = np.unwrap(np.angle(total[used]))
    (slope, _), covariance = np.polyfit(middle[used], angle, 1, w=np.sqrt(weight[used]), cov=True)
    scale = 1e6 / (2 * math.pi * repetition_hz)
    return float(slope) * scale, math.sqrt(covariance[0, 0]) * scale


def _mean_angle(phases: Floats, name: str) -> tuple[float, float]:
    """Circular mean and its standard error, rad."""
    if len(phases) < _LEAST_TAGS:
        raise ProcedureError(f"channel {name}: {len(phases)} tags, {_LEAST_TAGS} are needed")
    mean = complex(np.exp(1j * phases).mean())
    if abs(mean) < _LEAST_CONTRAST:
        raise ProcedureError(
            f"channel {name}: no pulses to be seen (contrast {abs(mean):.2f}); "
            "is the laser pulsed, and stretch_us short enough for the clock?"
        )
    return math.atan2(mean.imag, mean.real), math.sqrt(-2 * math.log(abs(mean)) / len(phases))
