"""Calibrations: what a bench must know of itself before it measures."""
