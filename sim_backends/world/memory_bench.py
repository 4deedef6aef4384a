"""A quantum memory on its table: laser, modulators by a pulse generator, analyser, detectors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from qnlab.clock import Clock
from qnlab.instruments.pulse_generator import Pulse
from qnlab.sim_backends.world import memory_light
from qnlab.sim_backends.world.memory import HeraldedMemory
from qnlab.sim_backends.world.memory_config import MemoryConfig
from qnlab.sim_backends.world.memory_light import Plates
from qnlab.sim_backends.world.memory_ports import GeneratorPort, waveplate_port
from qnlab.sim_backends.world.ports import (
    PHOTON_ENERGY_M,
    AttenuatorPort,
    DetectorPort,
    LaserPort,
    TaggerPort,
)
from qnlab.sim_backends.world.station import Station
from qnlab.sim_backends.world.world import World

Packed = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

HERALD, SYNC = 2, 3
QUARTER, HALF = math.pi / 2, math.pi


class MemoryBench(World):
    """A memory driven by a timing table and read by tags.

    Poissonian light is drawn as a whole: how many detections a stretch holds, then in which trial
    each lies. Pairs of a heralded memory are drawn with their thermal photon numbers.

    Parameters
    ----------
    config : MemoryConfig
    clock : Clock
    seed : int
    """

    def __init__(self, config: MemoryConfig, clock: Clock, seed: int) -> None:
        super().__init__(clock, seed)
        self.config = config
        self.memory = config.memory()
        self._light = self.stream("light")
        self._pairs = self.stream("pairs")
        self.laser = LaserPort(self, wavelength_m=795e-9, tuning_m=(7.7e-7, 9e-7))
        self.attenuator = AttenuatorPort(self)
        self.generator = GeneratorPort(self)
        self.preparer = waveplate_port(self, (HALF, QUARTER))
        self.analyser = waveplate_port(self, (QUARTER, HALF))
        self.tagger = TaggerPort(
            self,
            config.tagger_resolution_ps,
            config.tagger_jitter_rms_ps,
            config.tagger_max_rate_hz,
        )
        self.detectors = [self._detector(i) for i in range(3)]
        marks = DetectorPort(self, self.tagger, SYNC, 1.0, 0.0, 0.0, 0.0, 0.0, 1e-6, 0.0, True)
        self.station = Station(
            self,
            "",
            [*self.detectors, marks],
            self.tagger,
            clock_id="tagger",
            offset_ps=0.0,
            ppm=config.clock_ppm,
            walk_ppb_per_sqrt_s=config.clock_walk_ppb_per_sqrt_s,
        )
        self._under_way = np.empty(0, dtype=np.int64)
        self.ports = {
            "laser": self.laser,
            "attenuator": self.attenuator,
            "generator": self.generator,
            "preparer": self.preparer,
            "analyser": self.analyser,
            "det_1": self.detectors[0],
            "det_2": self.detectors[1],
            "det_herald": self.detectors[HERALD],
            "tagger": self.tagger,
        }

    def _detector(self, index: int) -> DetectorPort:
        c = self.config
        return DetectorPort(
            world=self,
            tagger=self.tagger,
            index=index,
            efficiency=c.detector_efficiency,
            dark_rate_hz=c.dark_rate_hz,
            dead_time_s=c.detector_dead_time_ns * 1e-9,
            recovery_s=c.detector_recovery_ns * 1e-9,
            afterpulse_probability=c.afterpulse_probability,
            afterpulse_tau_s=c.afterpulse_tau_us * 1e-6,
            jitter_fwhm_s=c.detector_jitter_fwhm_ps * 1e-12,
        )

    def start_generator(self) -> None:
        """Begin the loaded table now."""
        self.generator.start(self._now_ps)

    def photons_hz(self) -> float:
        """In front of the memory while the signal is on."""
        energy = PHOTON_ENERGY_M / self.laser.wavelength_m
        return self.laser.emitted_w * self.attenuator.transmission / energy

    def _drift(self, seconds: float) -> None:
        self.station.drift(seconds)

    def _advance(self, start_ps: int, stop_ps: int) -> None:
        begun = self._begun(stop_ps)
        if not self.station.listening:
            self.station.skip(start_ps, stop_ps)
            self._under_way = self._under_way[:0]
            return
        light = np.concatenate([self._under_way, *self._drawn(begun)])
        late = light >= stop_ps << 2
        self._under_way = light[late]
        self.station.advance(start_ps, stop_ps, light[~late])

    def _begun(self, stop_ps: int) -> range:
        """Trials that begin before `stop_ps` and were not yet drawn."""
        g = self.generator
        if g.started_ps is None:
            return range(0)
        first = g.next_trial
        after = math.ceil((stop_ps - g.started_ps) * 1e-12 / g.table.period_s)
        g.next_trial = max(first, after)
        return range(first, g.next_trial)

    def _drawn(self, begun: range) -> Iterator[Packed]:
        """Photons that live detectors see, ``time_ps * 4 + detector``, row by row of the table."""
        table = self.generator.table
        rows = len(table.trials)
        plates = Plates(self.preparer.rotation(), self.analyser.rotation())
        live = np.array([d.efficiency if d.live else 0.0 for d in self.detectors])
        for number, row in enumerate(table.trials):
            trials = np.arange(begun.start + (number - begun.start) % rows, begun.stop, rows)
            on = [self._clipped(p) for p in row if self.generator.enabled[p.output]]
            if not len(trials) or not on:
                continue
            yield from self._marks(on, trials)
            yield from self._poissonian(on, trials, plates, live)
            if isinstance(self.memory, HeraldedMemory):
                for pair in memory_light.pairs(on, self.config, self.memory, plates):
                    yield self._heralded(pair, trials, live)

    def _clipped(self, pulse: Pulse) -> Pulse:
        return replace(pulse, stop_s=min(pulse.stop_s, self.generator.table.period_s))

    def _marks(self, on: list[Pulse], trials: Packed) -> Iterator[Packed]:
        for mark in on:
            if mark.output == "sync":
                yield self._times(trials, np.full(len(trials), mark.start_s)) * 4 + SYNC

    def _poissonian(
        self, on: list[Pulse], trials: Packed, plates: Plates, live: Floats
    ) -> Iterator[Packed]:
        c, period = self.config, self.generator.table.period_s
        light = memory_light.emissions(on, c, self.memory, self.photons_hz(), plates)
        for one in light + memory_light.fluorescence(on, period, c, plates):
            numbers = self._light.poisson(one.means * live[:2] * len(trials))
            for detector, n in enumerate(numbers):
                when = self._light.uniform(one.start_s, one.stop_s, n) + c.path_ns * 1e-9
                yield self._times(self._light.choice(trials, n), when) * 4 + detector

    def _heralded(self, pair: memory_light.Pair, trials: Packed, live: Floats) -> Packed:
        """Stokes and anti-Stokes photons of the trials that hold an excitation."""
        c, rng = self.config, self._pairs
        excited = trials[rng.random(len(trials)) < c.write_probability]
        number = rng.geometric(1 - c.write_probability, len(excited))
        chances = [live[HERALD] * c.stokes_transmission, *(live[:2] * pair.retrieved)]
        stokes = np.repeat(excited, rng.binomial(number, chances[0]))
        first = rng.binomial(number, chances[1])
        second = rng.binomial(number - first, chances[2] / max(1 - chances[1], 1e-12))
        drawn = [(pair.written, stokes, HERALD)]
        if pair.read is not None:
            drawn += [(pair.read, np.repeat(excited, first), 0)]
            drawn += [(pair.read, np.repeat(excited, second), 1)]
        parts = []
        for pulse, where, detector in drawn:
            when = rng.uniform(pulse.start_s, pulse.stop_s, len(where)) + c.path_ns * 1e-9
            parts.append(self._times(where, when) * 4 + detector)
        return np.concatenate(parts)

    def _times(self, trials: Packed, seconds: Floats) -> Packed:
        """World times of moments in trials, ps."""
        g = self.generator
        assert g.started_ps is not None
        period_ps = g.table.period_s * 1e12
        begin = np.rint(trials * period_ps).astype(np.int64) + g.started_ps
        found: Packed = begin + np.rint(seconds * 1e12).astype(np.int64)
        return found
