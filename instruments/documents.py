"""Readings as event-model documents, for ``read`` and ``describe`` of bluesky's protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from qnlab.values import Reading

Document: TypeAlias = dict[str, dict[str, object]]

_TYPES: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def data_key(device: str, field: str) -> str:
    """Name of a field in documents, which must hold no dot: ``tagger-ch1-delay_ps``."""
    return f"{device}-{field}".replace(".", "-")


def events(device: str, readings: Mapping[str, Reading]) -> Document:
    """Values with times and alarm severities, by data key."""
    return {
        data_key(device, field): {
            "value": reading.value,
            "timestamp": reading.time_s,
            "alarm_severity": int(reading.alarm),
        }
        for field, reading in readings.items()
    }


def data_keys(device: str, readings: Mapping[str, Reading]) -> Document:
    """Descriptions of the same, as an event descriptor wants them."""
    return {data_key(device, field): _described(reading) for field, reading in readings.items()}


def _described(reading: Reading) -> dict[str, object]:
    described: dict[str, object] = {
        "source": reading.source,
        "dtype": _TYPES[type(reading.value)],
        "shape": [],
        "units": reading.unit,
    }
    if reading.limits is not None:
        span = {"low": reading.limits.low, "high": reading.limits.high}
        described["limits"] = {"control": span}
    return described
