"""The world behind the simulated instruments: one decoy-state BB84 link and its clock."""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from qnlab.clock import Clock
from qnlab.sim_backends.world import kernels, optics
from qnlab.sim_backends.world.config import WorldConfig
from qnlab.sim_backends.world.ports import (
    AttenuatorPort,
    DetectorPort,
    IntensityPort,
    LaserPort,
    Port,
    PowerMeterPort,
    RetarderPort,
    StatePort,
    TaggerPort,
)
from qnlab.tags import Gap, TagChunk
from qnlab.tags.cut import only

Matrix = npt.NDArray[np.float64]

TICK_PS = 20_000_000_000
HOLD_BACK_PS = 10_000
SPEED_OF_LIGHT_KM_S = 299_792.458
DETECTORS = ("h", "v", "d", "a")


class World:
    """A link that answers through physics.

    Parameters
    ----------
    config : WorldConfig
        What the link is like.
    clock : Clock
        Its time; pulse 0 leaves Alice when the clock starts.
    seed : int
        Root of all its randomness: each element has a stream of its own, named after it.
    """

    def __init__(self, config: WorldConfig, clock: Clock, seed: int) -> None:
        self.config = config
        self._clock = clock
        self._seed = seed
        self._lock = threading.RLock()
        self._now_ps = clock.now_ps()
        self.next_pulse = 0
        self._draws = self._stream("draws")
        self._drift = self._stream("fibre")
        self._oscillator = self._stream("tagger clock")
        self._detector_draws = self._stream("detectors")
        lanes = range(2)
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="world")
        self._click_draws = [np.array([self._key(f"clicks {i}")]) for i in lanes]
        self._width_draws = [self._stream(f"pulse widths {i}") for i in lanes]
        self.fibre = optics.random_rotation(self._stream("fibre at rest"))
        self._eve_key = self._key("eve")
        self._bob_ps = config.clock_offset_ns * 1e3
        self._bob_rate = 1 + config.clock_ppm * 1e-6
        self._carried = np.empty(0, dtype=np.int64)
        self._delivered_ps = round(self._bob_ps)

        self.laser = LaserPort(self)
        self.intensity = IntensityPort(self, self._key("intensity"), config.modulator_extinction_db)
        self.state = StatePort(self, self._key("state"))
        self.attenuator = AttenuatorPort(self)
        self.controller = self._make_controller()
        self.detectors = [self._make_detector(i) for i in range(4)]
        self.tagger = TaggerPort(
            self,
            config.tagger_resolution_ps,
            config.tagger_jitter_rms_ps,
            config.tagger_max_rate_hz,
        )
        self._last = np.full(4, -np.inf)
        self._last_tag = np.full(4, -(2**62), dtype=np.int64)
        self._pending = np.full((4, kernels.PENDING), np.inf)
        self.ports: dict[str, Port] = {
            "laser": self.laser,
            "intensity": self.intensity,
            "state": self.state,
            "attenuator": self.attenuator,
            "power_meter": PowerMeterPort(self),
            "epc": self.controller,
            "tagger": self.tagger,
            **{f"det_{name}": self.detectors[i] for i, name in enumerate(DETECTORS)},
        }

    # --- making -------------------------------------------------------------------------------

    def _stream(self, element: str) -> np.random.Generator:
        name = zlib.crc32(element.encode())
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(name,)))

    def _key(self, element: str) -> np.uint64:
        return np.uint64(self._stream(element + " choices").integers(0, 2**64, dtype=np.uint64))

    def _make_controller(self) -> RetarderPort:
        c = self.config
        if c.controller == "squeezers":
            rest = (70.0,) * 4
            return RetarderPort(
                self, "squeezers", 0.0, 140.0, "V", c.squeezer_half_wave_v,
                c.actuator_hysteresis, rest, list(rest),
            )  # fmt: skip
        middle = (80.0,) * 3
        return RetarderPort(
            self, "paddles", 0.0, 160.0, "deg", (), c.actuator_hysteresis, middle, list(middle)
        )

    def _make_detector(self, index: int) -> DetectorPort:
        c = self.config
        return DetectorPort(
            world=self,
            index=index,
            efficiency=c.detector_efficiency,
            dark_rate_hz=c.dark_rate_hz,
            dead_time_s=c.detector_dead_time_ns * 1e-9,
            recovery_s=c.detector_recovery_ns * 1e-9,
            afterpulse_probability=c.afterpulse_probability,
            afterpulse_tau_s=c.afterpulse_tau_us * 1e-6,
            jitter_fwhm_s=c.detector_jitter_fwhm_ps * 1e-12,
        )

    # --- time ---------------------------------------------------------------------------------

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let the physics catch up with the clock, then hold it while settings change."""
        with self._lock:
            self.sync()
            yield

    def sync(self) -> None:
        """Advance to the clock's present, with the settings as they are."""
        with self._lock:
            target = self._clock.now_ps()
            while self._now_ps < target:
                edge = (self._now_ps // TICK_PS + 1) * TICK_PS
                stop = min(edge, target)
                self._advance(stop)
                if stop == edge:
                    self._drift_one_tick()

    def _drift_one_tick(self) -> None:
        seconds = TICK_PS * 1e-12
        c = self.config
        step = optics.walk_step(self._drift, seconds / c.polarization_coherence_s)
        self.fibre = step @ self.fibre
        if self._drift.random() < c.burst_rate_per_h * seconds / 3600:
            axis = self._drift.normal(size=3)
            angle = self._drift.rayleigh(c.burst_angle_rad) if c.burst_angle_rad else 0.0
            self.fibre = optics.rotation(axis / np.linalg.norm(axis), angle) @ self.fibre
        self._bob_rate += (
            self._oscillator.normal() * c.clock_walk_ppb_per_sqrt_s * 1e-9 * math.sqrt(seconds)
        )

    def delay_ps(self) -> float:
        """Fibre delay now, ps."""
        c = self.config
        still = c.fibre_group_index * c.fibre_km / SPEED_OF_LIGHT_KM_S * 1e12
        hours = self._now_ps * 1e-12 / 3600
        return still + c.fibre_thermal_ps_per_km_k * c.fibre_km * c.fibre_warming_k_per_h * hours

    # --- physics ------------------------------------------------------------------------------

    def line_transmission(self) -> float:
        """Of fibre, connectors and receiver, before the basis choice."""
        c = self.config
        loss = c.fibre_km * c.fibre_loss_db_per_km + c.connectors_db + c.receiver_loss_db
        return float(10 ** (-loss / 10))

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
        weights = self.outcome_weights() * efficiency * self.line_transmission()
        means: Matrix = self.mean_photon_numbers()[:, None, None] * weights[None]
        return means

    def _advance(self, stop_ps: int) -> None:
        start_ps, self._now_ps = self._now_ps, stop_ps
        period = 1e12 / self.laser.repetition_hz
        delay = self.delay_ps()
        stop_pulse = max(math.ceil((stop_ps - delay) / period), self.next_pulse)
        first_pulse, self.next_pulse = self.next_pulse, stop_pulse
        bob_start = self._bob_ps
        self._bob_ps += (stop_ps - start_ps) * self._bob_rate
        if not self.tagger.queues:
            self._carried = self._carried[:0]
            self._delivered_ps = round(self._bob_ps)
            return
        light = self._photon_events(first_pulse, stop_pulse, period, delay)
        events = np.sort(np.concatenate([light, self._dark_events(start_ps, stop_ps)]))
        fired = self._fire(events, start_ps, stop_ps)
        self._tag(fired, start_ps, bob_start)

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
        width = self.config.pulse_fwhm_ps / 2.3548
        time = pulses[:n] * period + (delay + self._width_draws[lane].normal(0.0, width, n))
        packed: npt.NDArray[np.int64] = np.rint(time).astype(np.int64) * 4 + detectors[:n]
        return packed

    def _dark_events(self, start_ps: int, stop_ps: int) -> npt.NDArray[np.int64]:
        parts = []
        for d in self.detectors:
            n = self._draws.poisson(d.dark_rate_hz * (stop_ps - start_ps) * 1e-12)
            parts.append(self._draws.integers(start_ps, stop_ps, n) * 4 + d.index)
        return np.concatenate(parts)

    def _fire(
        self, events: npt.NDArray[np.int64], start_ps: int, stop_ps: int
    ) -> npt.NDArray[np.int64]:
        d = self.detectors
        room = len(events) * 2 + 1000
        out = np.empty(room, dtype=np.int64)
        n = kernels.avalanche(
            events,
            np.array([x.live for x in d], dtype=np.uint8),
            np.array([x.dead_time_s * 1e12 for x in d]),
            np.array([x.recovery_s * 1e12 for x in d]),
            np.array([x.afterpulse_probability for x in d]),
            np.array([x.afterpulse_tau_s * 1e12 for x in d]),
            self._last,
            self._pending,
            float(stop_ps),
            self._detector_draws,
            out,
        )
        fired = out[:n]
        for x, count in zip(d, np.bincount(fired & 3, minlength=4), strict=True):
            x.avalanches += int(count)
        return fired

    def _tag(self, fired: npt.NDArray[np.int64], start_ps: int, bob_start: float) -> None:
        """Put avalanches on Bob's clock, quantise, and hand out chunks in order of time."""
        tagger, c = self.tagger, self.config
        seen = [tagger.sees(i) for i in range(4)]
        if not all(seen):
            fired = fired[np.array(seen)[fired & 3]]
        jitter = math.hypot(c.detector_jitter_fwhm_ps / 2.3548, tagger.jitter_rms_ps)
        packed = np.empty(len(self._carried) + len(fired), dtype=np.int64)
        kernels.tag(
            fired,
            start_ps,
            self._bob_rate,
            bob_start - self._delivered_ps,
            np.array(tagger.lag_ps()),
            self._detector_draws.normal(0.0, jitter, len(fired)),
            self._delivered_ps % tagger.resolution_ps,
            tagger.resolution_ps,
            self._carried,
            packed,
        )
        begin, end = self._delivered_ps, round(self._bob_ps) - HOLD_BACK_PS
        if end <= begin:
            self._carried = packed
            return
        cut = int(np.searchsorted(packed, (end - begin) << 2))
        self._carried = packed[cut:] - ((end - begin) << 2)
        self._delivered_ps = end
        self._hand_out(packed[:cut], begin, end)

    def _hand_out(self, packed: npt.NDArray[np.int64], begin: int, end: int) -> None:
        t = np.maximum(packed >> 2, 0) + begin
        ch = (packed & 3).astype(np.uint8) + np.uint8(1)
        if any(self.tagger.dead_time_ps):
            kept = np.empty(len(t), np.bool_)
            kernels.hold_off(t, ch, np.array(self.tagger.dead_time_ps), self._last_tag, kept)
            t, ch = t[kept], ch[kept]
        allowed = int(self.tagger.max_rate_hz * (end - begin) * 1e-12) + 1
        gaps: tuple[Gap, ...] = ()
        if len(t) > allowed:
            lost = {int(k): int(n) for k, n in zip(*np.unique(ch[allowed:], return_counts=True),
                                                   strict=True)}  # fmt: skip
            gaps = (Gap(int(t[allowed]), end, lost),)
            keep = t < t[allowed]
            for k, n in zip(*np.unique(ch[:allowed][~keep[:allowed]], return_counts=True),
                            strict=True):  # fmt: skip
                lost[int(k)] = lost.get(int(k), 0) + int(n)
            t, ch = t[keep], ch[keep]
        for queue in self.tagger.queues:
            chunk = TagChunk(t, ch, begin, end, queue.seq, "bob", gaps)
            if len(queue.channels) < 4:
                chunk = only(chunk, queue.channels)
            queue.seq += 1
            queue.chunks.append(chunk)
