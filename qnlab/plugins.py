"""Rooms and third parties register what they offer as entry points; the core loads them by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from qnlab.errors import QnlabError


def available(group: str) -> dict[str, EntryPoint]:
    """Entry points of ``qnlab.<group>`` by name."""
    return {point.name: point for point in entry_points(group=f"qnlab.{group}")}


def load(group: str, name: str) -> Any:
    """Load one entry point of ``qnlab.<group>``; an unknown name lists the known ones."""
    points = available(group)
    if name not in points:
        known = ", ".join(sorted(points)) or "none installed"
        raise QnlabError(f"no {group.rstrip('s')} named {name!r}; known: {known}")
    return points[name].load()
