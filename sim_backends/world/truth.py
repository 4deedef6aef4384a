"""What only God knows: for tests, never for procedures, drivers or the GUI."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qnlab.sim_backends.world.decoy_link import DecoyLink


@dataclass(frozen=True)
class Truth:
    """The link as it really is now.

    `gain` and `qber` have the shape (levels, 2 bases): click probability a pulse with matching
    basis in any detector of that basis, and error rate, without dead time.
    """

    mean_photon_numbers: tuple[float, ...]
    gain: np.ndarray
    qber: np.ndarray
    delay_ps: float
    clock_ppm: float


def truth(world: DecoyLink) -> Truth:
    """Read the ground truth off the world."""
    means = world.detected_means()
    gain = np.empty((len(means), 2))
    qber = np.empty((len(means), 2))
    for k in range(len(means)):
        for basis in range(2):
            right = wrong = double = 0.0
            for bit in range(2):
                state = means[k, 2 * basis + bit]
                p_right = -np.expm1(-state[2 * basis + bit])
                p_wrong = -np.expm1(-state[2 * basis + 1 - bit])
                right += p_right * (1 - p_wrong) / 2
                wrong += p_wrong * (1 - p_right) / 2
                double += p_right * p_wrong / 2
            gain[k, basis] = right + wrong + double
            qber[k, basis] = (wrong + double / 2) / gain[k, basis]
    return Truth(
        tuple(world.mean_photon_numbers()),
        gain,
        qber,
        world.delay_ps(),
        (world.station.rate - 1) * 1e6,
    )
