"""Calibrations: alignment, detectors, light, timing; the last of each is kept with its age."""

from qnlab.procedures.calibration.store import Calibration, find, keep

__all__ = ["Calibration", "find", "keep"]
