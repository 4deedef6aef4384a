"""Angles of wave plates that make or analyse the six states of polarization."""

from __future__ import annotations

STATES = ("H", "V", "D", "A", "R", "L")
BASES = ("HV", "DA", "RL")

PREPARATION_DEG = {
    "H": (0.0, 0.0),
    "V": (45.0, 0.0),
    "D": (22.5, 45.0),
    "A": (67.5, 45.0),
    "R": (0.0, 45.0),
    "L": (0.0, 135.0),
}
"""Half-wave, then quarter-wave plate behind H light; fast axes, R = (H - iV)/sqrt 2."""

ANALYSIS_DEG = {"HV": (0.0, 0.0), "DA": (45.0, 22.5), "RL": (135.0, 0.0)}
"""Quarter-wave, then half-wave plate before a splitter, whose first port sees the first state."""
