"""A decoy-state BB84 link: Alice's source, the fibre, Bob's passive receiver."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from qnlab.clock import Clock
from qnlab.sim_backends.world import fibre, kernels, optics
from qnlab.sim_backends.world.config import DecoyLinkConfig
from qnlab.sim_backends.world.gaussian import gaussian
from qnlab.sim_backends.world.ports import (
    AttenuatorPort,
    IntensityPort,
    LaserPort,
    PowerMeterPort,
    StatePort,
    detector_port,
    retarder_port,
    tagger_port,
)
from qnlab.sim_backends.world.station import Station
from qnlab.sim_backends.world.world import World

Matrix = npt.NDArray[np.float64]

DETECTORS = ("h", "v", "d", "a")


class DecoyLink(World):
    """A link that answers through physics; pulse 0 leaves Alice when the clock starts.

    Parameters
    ----------
    config : DecoyLinkConfig
        What the link is like.
    clock : Clock
    seed : int
    """

    def __init__(self, config: DecoyLinkConfig, clock: Clock, seed: int) -> None:
        super().__init__(clock, seed)
        self.config = config
        self.next_pulse = 0
        self._weather = self.stream("fibre")
        lanes = range(2)
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="world")
        self._click_draws = [np.array([self.key(f"clicks {i}")]) for i in lanes]
        self._width_draws = [np.array([self.key(f"pulse widths {i}")]) for i in lanes]
        self.fibre = optics.random_rotation(self.stream("fibre at rest"))
        self._eve_key = self.key("eve")
        self.laser = LaserPort(self)
        self.intensity = IntensityPort(self, self.key("intensity"), config.modulator_extinction_db)
        self.state = StatePort(self, self.key("state"))
        self.attenuator = AttenuatorPort(self)
        self.controller = retarder_port(self, config)
        self.tagger = tagger_port(self, config)
        self.detectors = [detector_port(self, config, self.tagger, i) for i in range(4)]
        self.station = Station(
            self,
            "",
            self.detectors,
            self.tagger,
            clock_id="bob",
            offset_ps=config.clock_offset_ns * 1e3,
            ppm=config.clock_ppm,
            walk_ppb_per_sqrt_s=config.clock_walk_ppb_per_sqrt_s,
        )
        self.ports = {
            "laser": self.laser,
            "intensity": self.intensity,
            "state": self.state,
            "attenuator": self.attenuator,
            "power_meter": PowerMeterPort(self),
            "epc": self.controller,
            "tagger": self.tagger,
            **{f"det_{name}": self.detectors[i] for i, name in enumerate(DETECTORS)},
        }

    # --- slow things --------------------------------------------------------------------------

    def _drift(self, seconds: float) -> None:
        self.fibre = fibre.drifted(self.fibre, self.config, self._weather, seconds)
        self.station.drift(seconds)

    def delay_ps(self) -> float:
        """Fibre delay now, ps."""
        return fibre.delay_ps(self.config, self._now_ps)

    # --- physics ------------------------------------------------------------------------------

    def mean_photon_numbers(self) -> Matrix:
        """Leaving Alice, one entry an intensity level."""
        photons = self.laser.photons_per_pulse * self.attenuator.transmission
        return np.array(self.intensity.real_transmissions()) * photons

    def outcome_weights(self) -> Matrix:
        """Share of the light of each state (row) on each detector (column), shape (4, 4)."""
        c = self.config
        error = optics.rotation((0.0, 0.0, 1.0), math.radians(2 * c.prep_error_deg))
        sent = optics.STATES @ error.T
        arrived = sent @ (self.controller.rotation() @ self.fibre).T
        contrast = 1 - 2 * 10 ** (-c.receiver_extinction_db / 10)
        weights: Matrix = (1 + contrast * arrived @ optics.STATES.T) / 4
        return weights

    def detected_means(self) -> Matrix:
        """Mean detected photons a pulse, shape (levels, 4 states, 4 detectors)."""
        efficiency = np.array([d.efficiency if d.live else 0.0 for d in self.detectors])
        weights = self.outcome_weights() * efficiency * fibre.transmission(self.config)
        means: Matrix = self.mean_photon_numbers()[:, None, None] * weights[None]
        return means

    def _advance(self, start_ps: int, stop_ps: int) -> None:
        period = 1e12 / self.laser.repetition_hz
        delay = self.delay_ps()
        stop_pulse = max(math.ceil((stop_ps - delay) / period), self.next_pulse)
        first_pulse, self.next_pulse = self.next_pulse, stop_pulse
        if not self.station.listening:
            self.station.skip(start_ps, stop_ps)
            return
        light = self._photon_events(first_pulse, stop_pulse, period, delay)
        self.station.advance(start_ps, stop_ps, light)

    def _photon_events(
        self, first: int, stop: int, period: float, delay: float
    ) -> npt.NDArray[np.int64]:
        if stop <= first or self.laser.emitted_w <= 0.0:
            return np.empty(0, dtype=np.int64)
        means = self.detected_means()
        middle = (first + stop) // 2
        later = self._helper.submit(self._lane, 1, middle, stop, means, period, delay)
        return np.concatenate([self._lane(0, first, middle, means, period, delay), later.result()])

    def _lane(
        self, lane: int, first: int, stop: int, means: Matrix, period: float, delay: float
    ) -> npt.NDArray[np.int64]:
        """Photon events of a stretch; each lane has random numbers of its own."""
        expected = float(means.sum(axis=2).max()) * (stop - first)
        room = int(1.2 * expected + 10 * math.sqrt(expected) + 100)
        pulses = np.empty(room, dtype=np.int64)
        detectors = np.empty(room, dtype=np.uint8)
        n = kernels.clicks(
            first,
            stop,
            means,
            self.intensity.key,
            np.cumsum(self.intensity.probabilities),
            self.state.key,
            self.state.key_basis_probability,
            self._eve_key,
            self.config.intercept_fraction,
            self._click_draws[lane],
            pulses,
            detectors,
        )
        if n < 0:
            raise RuntimeError(f"more than {room} clicks drawn where {expected:.0f} were expected")
        spread = np.empty(n)
        gaussian(self._width_draws[lane], spread)
        width = self.config.pulse_fwhm_ps / 2.3548
        packed = np.empty(n, dtype=np.int64)
        kernels.emit(pulses[:n], detectors[:n], period, delay, width, spread, packed)
        return packed
