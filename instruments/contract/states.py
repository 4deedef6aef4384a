"""What a role declares: ranges of its settings, and states from which it must become safe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qnlab.errors import Disconnected
from qnlab.instruments.contract.core import Context
from qnlab.instruments.pulse_generator import PulseGenerator
from qnlab.instruments.roles import (
    Attenuator,
    Emission,
    IntensityModulator,
    LaserSource,
    PolarizationController,
    PowerMeter,
    SinglePhotonDetector,
    StateModulator,
    TimeTagger,
)
from qnlab.values import Limits

IsSafe = Callable[[], bool]
Disturbance = Callable[[], IsSafe]
"""Brings the instrument into a state that is not safe; returns how to see that it is safe."""


def declared_ranges(instrument: Any) -> dict[str, Limits | None]:
    """Settings that the role and the capabilities call for; None for booleans."""
    return _RANGES[instrument.role](instrument.capabilities)


def disturbances(instrument: Any, context: Context) -> list[Disturbance]:
    """All states from which the role must become safe."""
    make = _DISTURBANCES.get(instrument.role)
    return [] if make is None else make(instrument, context)


def _adjustable(limits: Limits) -> bool:
    return limits.low < limits.high


def _tagger_ranges(c: Any) -> dict[str, Limits | None]:
    declared: dict[str, Limits | None] = {}
    for n in c.channels:
        declared[f"ch{n}.enabled"] = None
        if _adjustable(c.threshold_v):
            declared[f"ch{n}.rising"] = None
        for field in ("threshold_v", "delay_ps", "dead_time_ps"):
            limits = getattr(c, field)
            if _adjustable(limits):
                declared[f"ch{n}.{field}"] = limits
    return declared


def _given(**ranges: Limits | None) -> dict[str, Limits | None]:
    return {name: limits for name, limits in ranges.items() if limits is not None}


def _detector_ranges(c: Any) -> dict[str, Limits | None]:
    given = _given(bias=c.bias, dead_time_s=c.dead_time_s, temperature_k=c.temperature_k)
    return {"enabled": None, **given}


_RANGES: dict[str, Callable[[Any], dict[str, Limits | None]]] = {
    TimeTagger.role: _tagger_ranges,
    SinglePhotonDetector.role: _detector_ranges,
    PolarizationController.role: lambda c: {
        f"position.{i}": limits for i, limits in enumerate(c.limits)
    },
    LaserSource.role: lambda c: _given(
        power_w=c.power_w, wavelength_m=c.wavelength_m, repetition_hz=c.repetition_hz
    ),
    IntensityModulator.role: lambda c: {
        "transmission.0": Limits(0.0, 1.0),
        "probability.0": Limits(0.0, 1.0),
    },
    StateModulator.role: lambda c: {"key_basis_probability": Limits(0.0, 1.0)},
    Attenuator.role: lambda c: {"attenuation_db": c.attenuation_db, "shutter_closed": None},
    PowerMeter.role: lambda c: {"wavelength_m": c.wavelength_m},
    PulseGenerator.role: lambda c: {f"output.{name}.enabled": None for name in c.outputs},
}


def _laser(instrument: Any, context: Context) -> list[Disturbance]:
    def emitting() -> IsSafe:
        instrument.enable()
        return lambda: instrument.emission() is Emission.OFF and instrument.power().value == 0

    return [emitting]


def _detector(instrument: Any, context: Context) -> list[Disturbance]:
    def is_off() -> bool:
        return instrument.settings()["enabled"].value is False

    def counting() -> IsSafe:
        instrument.enable()
        return is_off

    def latched() -> IsSafe:
        instrument.enable()
        context.fault("latch")
        return is_off

    return [counting, latched] if "latch" in context.faults else [counting]


def _attenuator(instrument: Any, context: Context) -> list[Disturbance]:
    def open_shutter() -> IsSafe:
        instrument.apply({"shutter_closed": False})
        return lambda: instrument.settings()["shutter_closed"].value is True

    return [open_shutter]


def _tagger(instrument: Any, context: Context) -> list[Disturbance]:
    def streaming() -> IsSafe:
        stream = instrument.open_stream()

        def stopped() -> bool:
            try:
                stream.read(1.0)
            except Disconnected:
                return True
            return False

        return stopped

    return [streaming]


def _generator(instrument: Any, context: Context) -> list[Disturbance]:
    def playing() -> IsSafe:
        instrument.start()
        return lambda: instrument.running() is False

    return [playing]


_DISTURBANCES: dict[str, Callable[[Any, Context], list[Disturbance]]] = {
    LaserSource.role: _laser,
    SinglePhotonDetector.role: _detector,
    Attenuator.role: _attenuator,
    TimeTagger.role: _tagger,
    PulseGenerator.role: _generator,
}
