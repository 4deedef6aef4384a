"""A receiving station: detectors, and the time tagger with a clock of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qnlab.sim_backends.world import kernels
from qnlab.sim_backends.world.gaussian import gaussian
from qnlab.sim_backends.world.ports import DetectorPort, TaggerPort
from qnlab.sim_backends.world.world import World
from qnlab.tags import Gap, TagChunk
from qnlab.tags.cut import only

Packed = npt.NDArray[np.int64]

HOLD_BACK_PS = 10_000
CHANNELS = 4


class Station:
    """Turns what arrives at its detectors into tags.

    Parameters
    ----------
    world : World
    prefix : str
        Begins the names of its random streams; empty where a world has one station.
    detectors : sequence of DetectorPort, at most 4
        Detector ``i`` is wired to the tagger's channel ``i + 1``.
    tagger : TaggerPort
    clock_id : str
        Whose clock the tags are on.
    offset_ps, ppm : float
        The tagger's clock at the world's time 0, and how much faster it runs.
    walk_ppb_per_sqrt_s : float
        Random walk of its rate.
    """

    def __init__(
        self,
        world: World,
        prefix: str,
        detectors: Sequence[DetectorPort],
        tagger: TaggerPort,
        *,
        clock_id: str,
        offset_ps: float,
        ppm: float,
        walk_ppb_per_sqrt_s: float,
    ) -> None:
        self.detectors = detectors
        self.tagger = tagger
        self.rate = 1 + ppm * 1e-6
        self._walk = walk_ppb_per_sqrt_s * 1e-9
        self._clock_id = clock_id
        self._draws = world.stream(prefix + "draws")
        self._oscillator = world.stream(prefix + "tagger clock")
        self._detector_draws = world.stream(prefix + "detectors")
        self._jitter_draws = np.array([world.key(prefix + "jitter")])
        self._time_ps = offset_ps
        self._carried = np.empty(0, dtype=np.int64)
        self._delivered_ps = round(self._time_ps)
        self._last = np.full(CHANNELS, -np.inf)
        self._last_tag = np.full(CHANNELS, -(2**62), dtype=np.int64)
        self._pending = np.full((CHANNELS, kernels.PENDING), np.inf)

    @property
    def listening(self) -> bool:
        """True if anybody reads the tags."""
        return bool(self.tagger.queues)

    def drift(self, seconds: float) -> None:
        """Let the oscillator walk."""
        self.rate += self._oscillator.normal() * self._walk * math.sqrt(seconds)

    def skip(self, start_ps: int, stop_ps: int) -> None:
        """Pass a stretch that nobody listens to."""
        self._time_ps += (stop_ps - start_ps) * self.rate
        self._carried = self._carried[:0]
        self._delivered_ps = round(self._time_ps)

    def advance(self, start_ps: int, stop_ps: int, light: Packed) -> None:
        """Detect, tag and hand out a stretch.

        Parameters
        ----------
        light : ndarray of int64
            ``time_ps * 4 + detector`` of the photons that a live detector would see, in any order.
        """
        begin = self._time_ps
        self._time_ps += (stop_ps - start_ps) * self.rate
        events = np.sort(np.concatenate([light, self._dark_events(start_ps, stop_ps)]))
        self._tag(self._fire(events, stop_ps), start_ps, begin)

    def _dark_events(self, start_ps: int, stop_ps: int) -> Packed:
        parts = []
        for d in self.detectors:
            n = self._draws.poisson(d.dark_rate_hz * (stop_ps - start_ps) * 1e-12)
            parts.append(self._draws.integers(start_ps, stop_ps, n) * 4 + d.index)
        return np.concatenate(parts)

    def _fire(self, events: Packed, stop_ps: int) -> Packed:
        d = self.detectors
        out = np.empty(len(events) * 2 + 1000, dtype=np.int64)
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
        for x, count in zip(d, np.bincount(fired & 3, minlength=CHANNELS), strict=False):
            x.avalanches += int(count)
        return fired

    def _tag(self, fired: Packed, start_ps: int, begin_ps: float) -> None:
        """Put avalanches on the tagger's clock, quantise, and hand out chunks in order of time."""
        tagger = self.tagger
        seen = [tagger.sees(i) for i in range(CHANNELS)]
        if not all(seen):
            fired = fired[np.array(seen)[fired & 3]]
        jitter = [math.hypot(d.jitter_fwhm_s * 1e12 / 2.3548, tagger.jitter_rms_ps)
                  for d in self.detectors]  # fmt: skip
        spread = np.empty(len(fired))
        gaussian(self._jitter_draws, spread)
        packed = np.empty(len(self._carried) + len(fired), dtype=np.int64)
        kernels.tag(
            fired,
            start_ps,
            self.rate,
            begin_ps - self._delivered_ps,
            np.array(tagger.lag_ps()),
            np.array(jitter),
            spread,
            self._delivered_ps % tagger.resolution_ps,
            tagger.resolution_ps,
            self._carried,
            packed,
        )
        begin, end = self._delivered_ps, round(self._time_ps) - HOLD_BACK_PS
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
            chunk = TagChunk(t, ch, begin, end, queue.seq, self._clock_id, gaps)
            if len(queue.channels) < 4:
                chunk = only(chunk, queue.channels)
            queue.seq += 1
            queue.chunks.append(chunk)
