"""A link of entangled photon pairs: a pumped crystal, and a passive receiver at either end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qnlab.clock import Clock
from qnlab.sim_backends.world import fibre, optics
from qnlab.sim_backends.world.config import PairLinkConfig
from qnlab.sim_backends.world.ports import (
    DetectorPort,
    LaserPort,
    detector_port,
    retarder_port,
    tagger_port,
)
from qnlab.sim_backends.world.station import Station
from qnlab.sim_backends.world.world import World

Matrix = npt.NDArray[np.float64]
Packed = npt.NDArray[np.int64]

DETECTORS = ("h", "v", "d", "a")

# Correlations <S_i S_j> of the Bell states: circular ones are those of R = (H - iV) / sqrt 2.
BELL = {
    "phi+": np.diag([1.0, 1.0, -1.0]),
    "phi-": np.diag([1.0, -1.0, 1.0]),
    "psi+": np.diag([-1.0, 1.0, 1.0]),
    "psi-": np.diag([-1.0, -1.0, -1.0]),
}


class PairLink(World):
    """Pairs of a continuously pumped source, thinned before they are drawn.

    Pairs that both ends detect, that only Alice does, and that only Bob does, are independent
    Poisson processes; pairs that nobody detects are never drawn.

    Parameters
    ----------
    config : PairLinkConfig
        What the link is like.
    clock : Clock
    seed : int
    """

    def __init__(self, config: PairLinkConfig, clock: Clock, seed: int) -> None:
        super().__init__(clock, seed)
        self.config = config
        self._weather = self.stream("fibre")
        self._pairs = self.stream("pairs")
        self.fibre = optics.random_rotation(self.stream("fibre at rest"))
        self.pump = LaserPort(self, wavelength_m=775.06e-9)
        self.controller = retarder_port(self, config)
        self.taggers = {site: tagger_port(self, config) for site in ("alice", "bob")}
        self.detectors = {
            site: [detector_port(self, config, tagger, i) for i in range(4)]
            for site, tagger in self.taggers.items()
        }
        clocks = {
            "alice": (0.0, config.alice_clock_ppm),
            "bob": (config.clock_offset_ns * 1e3, config.clock_ppm),
        }
        self.stations = {
            site: Station(
                self,
                f"{site} ",
                self.detectors[site],
                self.taggers[site],
                clock_id=site,
                offset_ps=offset,
                ppm=ppm,
                walk_ppb_per_sqrt_s=config.clock_walk_ppb_per_sqrt_s,
            )
            for site, (offset, ppm) in clocks.items()
        }
        self._under_way = {site: np.empty(0, dtype=np.int64) for site in self.stations}
        self.ports = {"pump": self.pump, "epc": self.controller}
        for site in self.stations:
            self.ports[f"{site}_tagger"] = self.taggers[site]
            for i, name in enumerate(DETECTORS):
                self.ports[f"{site}_det_{name}"] = self.detectors[site][i]

    def _drift(self, seconds: float) -> None:
        self.fibre = fibre.drifted(self.fibre, self.config, self._weather, seconds)
        for station in self.stations.values():
            station.drift(seconds)

    def delay_ps(self) -> float:
        """Delay of Bob's photons behind Alice's now, ps."""
        return fibre.delay_ps(self.config, self._now_ps)

    def pair_rate_hz(self) -> float:
        """Pairs a second that leave the source now."""
        return self.config.pairs_per_s_mw * self.pump.emitted_w * 1e3

    def correlations(self) -> Matrix:
        """<S_i S_j> of Alice's and Bob's photon in front of their analysers, shape (3, 3)."""
        c = self.config
        state = c.source_visibility * BELL[c.bell_state]
        # An intercepted photon keeps one of the two Stokes components that Eve may measure.
        kept = np.array([0.5, 0.5, 0.0])
        seen = state * (1 - c.intercept_fraction + c.intercept_fraction * kept)
        turned: Matrix = seen @ (self.controller.rotation() @ self.fibre).T
        return turned

    def rates_hz(self) -> tuple[Matrix, Matrix, Matrix]:
        """Pairs that both detect, shape (4, 4), only Alice, only Bob, shape (4,); a second."""
        c = self.config
        contrast = 1 - 2 * 10 ** (-c.receiver_extinction_db / 10)
        analysers = contrast * optics.STATES
        outcomes = (1 + analysers @ self.correlations() @ analysers.T) / 16
        a = _efficiencies(self.detectors["alice"]) * 10 ** (-c.alice_loss_db / 10)
        b = _efficiencies(self.detectors["bob"]) * fibre.transmission(c)
        rate = self.pair_rate_hz()
        both = rate * a[:, None] * b[None] * outcomes
        return both, rate * a / 4 - both.sum(axis=1), rate * b / 4 - both.sum(axis=0)

    def _advance(self, start_ps: int, stop_ps: int) -> None:
        if not any(station.listening for station in self.stations.values()):
            for station in self.stations.values():
                station.skip(start_ps, stop_ps)
            self._under_way = {site: light[:0] for site, light in self._under_way.items()}
            return
        emitted = self._emit(start_ps, stop_ps)
        for site, station in self.stations.items():
            light = np.concatenate([self._under_way[site], emitted[site]])
            late = light >= stop_ps << 2
            self._under_way[site] = light[late]
            if station.listening:
                station.advance(start_ps, stop_ps, light[~late])
            else:
                station.skip(start_ps, stop_ps)

    def _emit(self, start_ps: int, stop_ps: int) -> dict[str, Packed]:
        """Arrivals of the pairs emitted in a stretch, ``time_ps * 4 + detector``, unsorted."""
        both, alice, bob = self.rates_hz()
        rates = np.concatenate([both.ravel(), alice, bob])
        seconds = (stop_ps - start_ps) * 1e-12
        numbers = self._pairs.poisson(np.maximum(rates, 0.0) * seconds)
        kind = np.repeat(np.arange(len(rates)), numbers)
        time = self._pairs.integers(start_ps, stop_ps, len(kind))
        at_alice, at_bob = kind < 20, (kind < 16) | (kind >= 20)
        first = np.where(kind < 16, kind // 4, kind - 16)[at_alice]
        second = (kind % 4)[at_bob]
        later = round(self.delay_ps())
        return {
            "alice": time[at_alice] * 4 + first,
            "bob": (time[at_bob] + later) * 4 + second,
        }


def _efficiencies(detectors: list[DetectorPort]) -> Matrix:
    return np.array([d.efficiency if d.live else 0.0 for d in detectors])
