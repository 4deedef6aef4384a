"""Figures as results of runs hold them."""

from __future__ import annotations

from dataclasses import fields

from qnlab.procedures.memory.storage import Storage
from qnlab.procedures.statistics import Estimate


def figure(name: str, value: Estimate) -> dict[str, object]:
    """A figure with its error and interval, one key each; infinities are left out."""
    have = {"": value.value, "_error": value.error, "_low": value.low, "_high": value.high}
    return {name + end: number for end, number in have.items() if abs(number) < float("inf")}


def storage_figures(found: Storage) -> dict[str, object]:
    """All figures of a storage experiment, and the fidelity to be beaten."""
    result: dict[str, object] = {}
    for item in fields(found):
        value = getattr(found, item.name)
        if isinstance(value, Estimate):
            result |= figure(item.name, value)
    if found.classical is not None:
        result["classical_fidelity"] = found.classical.fidelity
        result["classical_fidelity_by_efficiency"] = found.classical.efficiency_budget
        result["classical_fidelity_by_clicks"] = found.classical.click_budget
    return result
