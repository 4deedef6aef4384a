"""Procedures ``calibrate-attenuator``, ``calibrate-intensities`` and ``calibrate-efficiency``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from qnlab.bench import Bench
from qnlab.errors import ProcedureError
from qnlab.instruments.roles import Attenuator, IntensityModulator, LaserSource, PowerMeter
from qnlab.procedures.calibration.counting import Counting, lacks
from qnlab.procedures.calibration.store import find, keep
from qnlab.procedures.pictures import picture
from qnlab.runs import Run

PLANCK_TIMES_LIGHT = 6.62607015e-34 * 299_792_458.0
_DB = 10 / math.log(10)


@dataclass(frozen=True, slots=True)
class _Total:
    """Rate of all detectors together, without dead time and dark counts, and its error, Hz."""

    hz: float
    error_hz: float


def _total(counting: Counting, seconds: float, dark: _Total | None = None) -> _Total:
    dead = counting.dead_times_s()
    rates = counting.rates(seconds)
    hz = sum(rate.live_hz(dead[name]) for name, rate in rates.items())
    variance = sum(rate.error_hz**2 for rate in rates.values())
    if dark is None:
        return _Total(hz, math.sqrt(variance))
    return _Total(hz - dark.hz, math.hypot(math.sqrt(variance), dark.error_hz))


class _LightParameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    duration_s: float = Field(1.0, gt=0, description="time to count at each point")


class AttenuatorParameters(_LightParameters):
    """Parameters of the procedure ``calibrate-attenuator``."""

    lowest_db: float = Field(88.0, ge=0, description="first attenuation")
    highest_db: float = Field(104.0, gt=0, description="last attenuation")
    points: int = Field(9, ge=3, description="attenuations in all, evenly spread")


class CalibrateAttenuator:
    """Linearity of the attenuator against count rates: slope and largest deviation."""

    name: ClassVar[str] = "calibrate-attenuator"
    summary: ClassVar[str] = "linearity of the attenuator against count rates"
    Parameters: ClassVar[type[AttenuatorParameters]] = AttenuatorParameters

    def check(self, bench: Bench, parameters: AttenuatorParameters) -> list[str]:
        """What the bench lacks, one line each."""
        found = lacks(bench, LaserSource, Attenuator)
        if parameters.highest_db <= parameters.lowest_db:
            found.append("highest_db: should be above lowest_db")
        return found

    def run(self, bench: Bench, run: Run, parameters: AttenuatorParameters) -> Mapping[str, object]:
        """Count at each attenuation and fit a line through the logarithms."""
        p = parameters
        counting = Counting(bench, run)
        counting.darkness()
        dark = _total(counting, p.duration_s)
        wanted, seen, errors = [], [], []
        for k, setting in enumerate(np.linspace(p.lowest_db, p.highest_db, p.points)):
            run.checkpoint(k / p.points, f"{setting:.4g} dB")
            taken = counting.light(float(setting))
            rate = _total(counting, p.duration_s, dark)
            if rate.hz < 5 * rate.error_hz:
                raise ProcedureError(
                    f"at {taken:g} dB there are {rate.hz:.3g}({rate.error_hz:.2g}) counts/s: "
                    "too few to tell; lower highest_db"
                )
            wanted.append(taken)
            seen.append(-_DB * math.log(rate.hz))
            errors.append(_DB * rate.error_hz / rate.hz)
            run.record("points", attenuation_db=taken, rate_hz=rate.hz, rate_error_hz=rate.error_hz)
        x, y, e = (np.array(values) for values in (wanted, seen, errors))
        (slope, offset), covariance = np.polyfit(x, y, 1, w=1 / e, cov="unscaled")
        residuals = y - (slope * x + offset)
        worst = int(np.abs(residuals).argmax())
        drawn = picture(
            f"Attenuator: slope {slope:.4f} ± {math.sqrt(covariance[0, 0]):.1g}",
            "attenuation set (dB)", "deviation from the line (dB)",
            x.tolist(), residuals.tolist(), e.tolist(), limit=("line", 0.0),
        )  # fmt: skip
        run.attach("attenuator.png", drawn)
        found = {
            "slope": float(slope),
            "slope_error": float(math.sqrt(covariance[0, 0])),
            "worst_deviation_db": float(residuals[worst]),
            "worst_deviation_error_db": float(e[worst]),
            "worst_at_db": float(x[worst]),
            "chi2": float(np.sum((residuals / e) ** 2)),
            "freedom": p.points - 2,
        }
        keep(bench, run, self.name, found)
        return found


class IntensityParameters(_LightParameters):
    """Parameters of the procedure ``calibrate-intensities``."""

    attenuation_db: float = Field(90.0, description="of the attenuator while counting")
    transmissions: tuple[float, ...] = Field(
        (0.5, 0.25, 0.1), min_length=1, description="levels to measure against the open modulator"
    )


class CalibrateIntensities:
    """Real transmission of the modulator's levels and its extinction, by counting."""

    name: ClassVar[str] = "calibrate-intensities"
    summary: ClassVar[str] = "levels and extinction of the intensity modulator"
    Parameters: ClassVar[type[IntensityParameters]] = IntensityParameters

    def check(self, bench: Bench, parameters: IntensityParameters) -> list[str]:
        """What the bench lacks, one line each."""
        return lacks(bench, LaserSource, Attenuator, IntensityModulator)

    def run(self, bench: Bench, run: Run, parameters: IntensityParameters) -> Mapping[str, object]:
        """Count with the modulator open, at each level, and closed."""
        p = parameters
        counting = Counting(bench, run)
        counting.darkness()
        dark = _total(counting, p.duration_s)
        modulator = bench.get(IntensityModulator)  # type: ignore[type-abstract]
        counting.light(p.attenuation_db)
        rates = []
        for level in (1.0, *p.transmissions, 0.0):
            modulator.configure([level], [1.0])
            rates.append(_total(counting, p.duration_s, dark))
        reference, *measured, closed = rates
        found: dict[str, object] = {}
        for k, rate in enumerate(measured):
            ratio, error = _ratio(rate, reference)
            run.record(
                "levels", wanted=p.transmissions[k], transmission=ratio, transmission_error=error
            )
            found |= {f"transmission_{k}": ratio, f"transmission_error_{k}": error}
        leak, error = _ratio(closed, reference)
        if leak > 2 * error:
            found["extinction_db"] = -_DB * math.log(leak)
            found["extinction_error_db"] = _DB * error / leak
        else:
            found["extinction_at_least_db"] = -_DB * math.log(max(leak, 0.0) + 2 * error)
        keep(bench, run, self.name, found)
        return found


def _ratio(rate: _Total, reference: _Total) -> tuple[float, float]:
    ratio = rate.hz / reference.hz
    return ratio, math.hypot(rate.error_hz, ratio * reference.error_hz) / reference.hz


class EfficiencyParameters(_LightParameters):
    """Parameters of the procedure ``calibrate-efficiency``."""

    attenuation_db: float = Field(90.0, description="of the attenuator while counting")
    path_loss_db: float = Field(0.0, ge=0, description="from attenuator to detectors, known")
    meter_error: float = Field(
        0.03, ge=0, lt=1, description="relative error of the power meter's calibration"
    )


class CalibrateEfficiency:
    """Mean efficiency of the detectors against the power meter and the attenuator."""

    name: ClassVar[str] = "calibrate-efficiency"
    summary: ClassVar[str] = "detection efficiency against power meter and attenuator"
    Parameters: ClassVar[type[EfficiencyParameters]] = EfficiencyParameters

    def check(self, bench: Bench, parameters: EfficiencyParameters) -> list[str]:
        """What the bench lacks, one line each."""
        return lacks(bench, LaserSource, Attenuator, PowerMeter)

    def run(self, bench: Bench, run: Run, parameters: EfficiencyParameters) -> Mapping[str, object]:
        """Count photons, and compare with the power that was sent.

        The slope of the attenuator that `calibrate-attenuator` found last is taken into account.
        """
        p = parameters
        counting = Counting(bench, run)
        counting.darkness()
        dark = _total(counting, p.duration_s)
        attenuator = find(bench, CalibrateAttenuator.name)
        slope, slope_error = 1.0, 0.0
        if attenuator is not None:
            slope, slope_error = (float(attenuator.values[k]) for k in ("slope", "slope_error"))
        taken = counting.light(p.attenuation_db)
        power = float(bench.get(PowerMeter).power().value)  # type: ignore[type-abstract]
        wavelength = float(
            bench.get(LaserSource).settings()["wavelength_m"].value  # type: ignore[type-abstract]
        )
        rate = _total(counting, p.duration_s, dark)
        sent = power * wavelength / PLANCK_TIMES_LIGHT
        arriving = sent * 10 ** (-(slope * taken + p.path_loss_db) / 10)
        efficiency = rate.hz / arriving
        chain_error = math.hypot(p.meter_error, slope_error * taken / _DB)
        error = math.hypot(rate.error_hz / arriving, efficiency * chain_error)
        run.record("efficiency", power_w=power, rate_hz=rate.hz, photons_hz=arriving)
        found = {
            "efficiency": efficiency,
            "efficiency_error": error,
            "power_w": power,
            "cites": [] if attenuator is None else [attenuator.run],
            "cited_age_s": 0.0 if attenuator is None else attenuator.age_s(),
        }
        keep(bench, run, self.name, found)
        return found
