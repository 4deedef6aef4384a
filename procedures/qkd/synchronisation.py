"""Clock and delay between Alice's pulses and Bob's tags, from the tags alone.

Acquisition has two steps. The period of the pulses on Bob's clock and their phase come from the
tags folded with the nominal period (the phase of the first Fourier component turns from slice to
slice). Which pulse is which comes from correlating the clicks with the intensity levels that
Alice reveals of a stretch of pulses. After that `ClockTracker` follows chunk by chunk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.fft

from qnlab.errors import ProcedureError

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class SynchronisationError(ProcedureError):
    """The clock or the delay could not be found in the tags."""


@dataclass(frozen=True, slots=True)
class PulseClock:
    """Pulse ``pulse + j`` arrives at ``time_ps + j * period_ps`` on Bob's clock."""

    pulse: int
    time_ps: float
    period_ps: float

    def arrival_ps(self, pulse: int) -> float:
        """Expected arrival of a pulse, ps."""
        return self.time_ps + (pulse - self.pulse) * self.period_ps

    def pulse_at(self, time_ps: float) -> int:
        """Number of the pulse that arrives nearest to `time_ps`."""
        return self.pulse + round((time_ps - self.time_ps) / self.period_ps)

    def moved_to(self, time_ps: float) -> PulseClock:
        """The same clock, anchored at the pulse nearest to `time_ps`."""
        pulse = self.pulse_at(time_ps)
        return PulseClock(pulse, self.arrival_ps(pulse), self.period_ps)


def find_period(
    t: Int64s, nominal_ps: float, slice_ps: int = 100_000_000, max_ppm: float = 50.0
) -> PulseClock:
    """Period and phase of a pulsed signal; pulse numbers count from the first tag.

    Parameters
    ----------
    t : ndarray of int64, shape (n,)
        Sorted tags, ps.
    nominal_ps : float
        Period on Alice's clock.
    slice_ps : int
        Folding slice; over it the clocks may slip by half a period at `max_ppm`.
    max_ppm : float
        Largest difference of the clocks.

    Raises
    ------
    SynchronisationError
        Too few tags, or no line above the noise.
    """
    if len(t) < 200:
        raise SynchronisationError(f"only {len(t)} tags to find the clock in, at least 200 needed")
    slice_ps = min(slice_ps, int(0.4 * nominal_ps / (max_ppm * 1e-6)))
    x = (t - t[0]).astype(np.float64)
    phasor = np.exp(2j * np.pi * np.remainder(x / nominal_ps, 1.0))
    index = (x // slice_ps).astype(np.int64)
    slices = int(index[-1]) + 1
    folded = np.bincount(index, phasor.real, slices) + 1j * np.bincount(index, phasor.imag, slices)
    size = 8 * (1 << max(slices - 1, 1).bit_length())
    spectrum = np.fft.fft(folded, size)
    best = int(np.argmax(np.abs(spectrum)))
    noise = np.sqrt(len(t))
    if np.abs(spectrum[best]) < 8 * noise:
        raise SynchronisationError(
            f"no pulses of period {nominal_ps:.0f} ps in {len(t)} tags: strongest line "
            f"{np.abs(spectrum[best]) / noise:.1f} sigma, 8 needed"
        )
    turns_a_slice = (best if best < size // 2 else best - size) / size
    detuning = turns_a_slice / slice_ps
    period = nominal_ps / (1 - detuning * nominal_ps)
    for _ in range(3):
        clock = _refine(x, period)
        period = clock.period_ps
    return PulseClock(clock.pulse, clock.time_ps + float(t[0]), clock.period_ps)


def _refine(x: Floats, period: float) -> PulseClock:
    """Least-squares line through the residuals of tags near the folded peak."""
    turns = x / period
    peak = np.angle(np.exp(2j * np.pi * np.remainder(turns, 1.0)).mean()) / (2 * np.pi)
    pulse = np.rint(turns - peak)
    residual = x - (pulse + peak) * period
    near = np.abs(residual) < 0.1 * period
    slope, offset = np.polyfit(pulse[near], residual[near], 1)
    return PulseClock(0, peak * period + float(offset), period + float(slope))


def find_pulse_number(
    t: Int64s, clock: PulseClock, levels: npt.NDArray[np.uint8], means: Floats, first: int
) -> PulseClock:
    """Number the pulses of `clock` by correlating clicks with the revealed levels.

    Parameters
    ----------
    t : ndarray of int64, shape (n,)
        Tags, ps.
    clock : PulseClock
        Result of `find_period`: right but for a whole number of pulses.
    levels : ndarray of uint8, shape (m,)
        Intensity level of pulse ``first + i``.
    means : ndarray of float, shape (number of levels,)
        Mean photon number of each level.
    first : int
        Number of the first revealed pulse.

    Raises
    ------
    SynchronisationError
        No offset stands out by 8 sigma.
    """
    weight = (means - np.mean(means[levels]))[levels]
    turns = (t.astype(np.float64) - clock.time_ps) / clock.period_ps
    pulse = np.rint(turns).astype(np.int64)
    pulse = pulse[np.abs(turns - pulse) < 0.1]
    origin = int(pulse[0])
    clicks = np.bincount(pulse - origin)
    if len(clicks) > len(levels):
        clicks = clicks[: len(levels)]
    size = scipy.fft.next_fast_len(len(levels) + len(clicks) - 1, real=True)
    spectrum = scipy.fft.rfft(weight.astype(np.float32), size)
    spectrum *= np.conj(scipy.fft.rfft(clicks.astype(np.float32), size))
    correlation = scipy.fft.irfft(spectrum, size, overwrite_x=True)
    valid = correlation[: len(levels) - len(clicks) + 1]
    shift = int(np.argmax(valid))
    sigma = float(weight.std() * np.sqrt(clicks.sum()))
    if sigma == 0 or valid[shift] < 8 * sigma:
        strength = valid[shift] / sigma if sigma else 0.0
        raise SynchronisationError(
            f"clicks match Alice's levels nowhere in {len(levels)} pulses from {first}: best match "
            f"{strength:.1f} sigma, 8 needed"
        )
    return replace(clock, pulse=first + shift - origin)


class ClockTracker:
    """Follows phase and period from the mean residual of each chunk (second-order loop).

    Parameters
    ----------
    clock : PulseClock
        Acquired clock.
    jitter_ps : float
        Spread of one residual; the gain falls when a chunk holds few tags.
    """

    def __init__(self, clock: PulseClock, jitter_ps: float = 100.0) -> None:
        self.clock = clock
        self._jitter_ps = jitter_ps
        self._last_ps = clock.time_ps

    def update(self, time_ps: float, residual_ps: float, tags: int) -> None:
        """Take in the mean residual of `tags` tags around `time_ps`."""
        if tags < 20:
            return
        clock = self.clock.moved_to(time_ps)
        span = max(time_ps - self._last_ps, clock.period_ps)
        noise = self._jitter_ps / np.sqrt(tags)
        gain = 0.5 / (1 + (noise / 20.0) ** 2)
        period_gain = 0.1 * gain
        self.clock = PulseClock(
            clock.pulse,
            clock.time_ps + gain * residual_ps,
            clock.period_ps * (1 + period_gain * residual_ps / span),
        )
        self._last_ps = time_ps
