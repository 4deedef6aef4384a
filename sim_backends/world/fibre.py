"""A fibre: its loss, its delay, and how it turns polarization as time goes by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qnlab.sim_backends.world import optics
from qnlab.sim_backends.world.config import LinkConfig

Matrix = npt.NDArray[np.float64]

SPEED_OF_LIGHT_KM_S = 299_792.458


def transmission(config: LinkConfig) -> float:
    """Of fibre, connectors and receiver, before the basis choice."""
    loss = (
        config.fibre_km * config.fibre_loss_db_per_km
        + config.connectors_db
        + config.receiver_loss_db
    )
    return float(10 ** (-loss / 10))


def delay_ps(config: LinkConfig, now_ps: int) -> float:
    """From one end to the other, ps; it lengthens as the fibre warms."""
    still = config.fibre_group_index * config.fibre_km / SPEED_OF_LIGHT_KM_S * 1e12
    warming = config.fibre_warming_k_per_h * now_ps * 1e-12 / 3600
    return still + config.fibre_thermal_ps_per_km_k * config.fibre_km * warming


def drifted(
    rotation: Matrix, config: LinkConfig, weather: np.random.Generator, seconds: float
) -> Matrix:
    """The fibre's rotation of the Poincare sphere after `seconds` more: a walk, and bursts."""
    rotation = optics.walk_step(weather, seconds / config.polarization_coherence_s) @ rotation
    if weather.random() < config.burst_rate_per_h * seconds / 3600:
        axis = weather.normal(size=3)
        angle = weather.rayleigh(config.burst_angle_rad) if config.burst_angle_rad else 0.0
        rotation = optics.rotation(axis / np.linalg.norm(axis), angle) @ rotation
    return rotation
