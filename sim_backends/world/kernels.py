"""Numba kernels of the world: Alice's choices, clicks of the receiver, dead time, afterpulses."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

PENDING = 16

_jit = numba.njit(cache=True, nogil=True)


GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@_jit
def scrambled(x: np.uint64) -> np.uint64:
    """64 random bits out of a counter that goes in steps of `GOLDEN` (splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@_jit
def uniform(key: np.uint64, counter: np.int64) -> float:
    """A number in [0, 1) that depends on key and counter alone."""
    x = scrambled(key + np.uint64(counter) * GOLDEN)
    return np.float64(x >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@_jit
def level_of(u: float, cumulative: Floats) -> int:
    """Intensity level that `u` falls into."""
    level = 0
    for i in range(len(cumulative) - 1):
        level += u >= cumulative[i]
    return level


@_jit
def state_of(u: float, key_basis: float) -> int:
    """State code 2 * basis + bit that `u` falls into."""
    return (u >= 0.5 * key_basis) + (u >= key_basis) + (u >= 0.5 * (1 + key_basis))


@_jit
def levels(pulses: Int64s, key: np.uint64, cumulative: Floats, out: Bytes) -> None:
    """Intensity levels of `pulses`."""
    for i in range(len(pulses)):
        out[i] = level_of(uniform(key, pulses[i]), cumulative)


@_jit
def states(pulses: Int64s, key: np.uint64, key_basis: float, out: Bytes) -> None:
    """State codes of `pulses`."""
    for i in range(len(pulses)):
        out[i] = state_of(uniform(key, pulses[i]), key_basis)


@_jit
def clicks(
    first: int,
    stop: int,
    means: Floats,
    level_key: np.uint64,
    cumulative: Floats,
    state_key: np.uint64,
    key_basis: float,
    eve_key: np.uint64,
    intercept: float,
    state: Words,
    pulses: Int64s,
    detectors: Bytes,
) -> int:
    """Photon clicks of pulses ``first <= i < stop``, before dead time.

    ``means[level, state, detector]`` are mean detected photons a pulse. Detectors click
    independently with 1 - exp(-mean), as a phase-randomised coherent pulse split by linear optics
    does. Pulses without a click are skipped in one step. Returns the number of clicks, -1 if they
    do not fit.
    """
    counts = means.shape[0]
    # later[k, s, j, o]: chance of a click on one of the detectors j .. o.
    later = np.zeros((counts, 4, 5, 4))
    for k in range(counts):
        for s in range(4):
            for j in range(4):
                passed = 0.0
                for o in range(j, 4):
                    passed += means[k, s, o]
                    later[k, s, j, o] = -np.expm1(-passed)
    p_max = later[:, :, 0, 3].max()
    if p_max <= 0.0:
        return 0
    miss = 1.0 / np.log1p(-p_max)
    room = len(pulses) - 4
    x = state[0]
    n = 0
    i = first - 1
    while n <= room:
        x += GOLDEN
        i += 1 + np.int64(np.log(1.0 - uniform(x, 0)) * miss)
        if i >= stop:
            state[0] = x
            return n
        k = level_of(uniform(level_key, i), cumulative)
        s = state_of(uniform(state_key, i), key_basis)
        if intercept > 0.0:
            u = uniform(eve_key, i)
            if u < 0.5 * intercept:
                # A measurement in the other basis leaves a random state of that basis.
                s = (2 - (s & 2)) | (1 if u < 0.25 * intercept else 0)
        # One number decides whether any detector is left to click, and which is the next to do so.
        chances = later[k, s]
        x += GOLDEN
        u = uniform(x, 0) * p_max
        j = 0
        while u < chances[j, 3]:
            o = j
            for d in range(j, 3):
                o += u >= chances[j, d]
            pulses[n] = i
            detectors[n] = o
            n += 1
            j = o + 1
            x += GOLDEN
            u = uniform(x, 0)
    return -1


@_jit
def emit(
    pulses: Int64s,
    detectors: Bytes,
    period: float,
    delay: float,
    width: float,
    spread: Floats,
    out: Int64s,
) -> None:
    """Photons of `pulses` as ``time_ps * 4 + detector``, in pulses of rms `width`."""
    for i in range(len(pulses)):
        time = np.rint(pulses[i] * period + (delay + width * spread[i]))
        out[i] = (np.int64(time) << 2) | detectors[i]


@_jit
def avalanche(
    events: Int64s,
    live: Bytes,
    dead: Floats,
    recovery: Floats,
    afterpulse: Floats,
    tau: Floats,
    last: Floats,
    pending: Floats,
    end: float,
    rng: np.random.Generator,
    out: Int64s,
) -> int:
    """Dead time, recovery and afterpulses of each detector, in time order.

    ``events`` holds ``time_ps * 4 + detector``, sorted; `last` and `pending` are carried from
    stretch to stretch. Afterpulses before `end` fire; later ones stay pending. Returns the number
    of avalanches written to `out` (same packing, sorted).
    """
    n = 0
    i = 0
    soonest = pending.min()
    while True:
        is_event = i < len(events)
        t = np.float64(events[i] >> 2) if is_event else end
        if soonest < t:
            t = soonest
            slot = pending.argmin()
            d = slot // PENDING
            pending[d, slot % PENDING] = np.inf
            soonest = pending.min()
        elif is_event:
            d = events[i] & 3
            i += 1
        else:
            return n
        if not live[d]:
            continue
        since = t - last[d]
        if since < dead[d]:
            continue
        if recovery[d] > 0.0 and rng.random() < np.exp(-(since - dead[d]) / recovery[d]):
            continue
        last[d] = t
        out[n] = np.int64(t) * 4 + d
        n += 1
        if afterpulse[d] > 0.0 and rng.random() < afterpulse[d]:
            for p in range(PENDING):
                if pending[d, p] == np.inf:
                    pending[d, p] = t + dead[d] - tau[d] * np.log1p(-rng.random())
                    soonest = min(soonest, pending[d, p])
                    break


@_jit
def tag(
    fired: Int64s,
    start: int,
    rate: float,
    offset: float,
    lag: Floats,
    jitter: Floats,
    spread: Floats,
    phase: float,
    resolution: float,
    carried: Int64s,
    out: Int64s,
) -> None:
    """Avalanches as tags: on the tagger's clock, with lag and jitter, in its steps, sorted.

    Parameters
    ----------
    fired : ndarray of int64, shape (n,)
        ``time_ps * 4 + detector``, sorted.
    start, rate, offset : int, float, float
        The tagger reads ``(time - start) * rate + offset`` ps.
    lag, jitter : ndarray of float, shape (4,)
        Delay and rms jitter of each detector, ps.
    spread : ndarray of float, shape (n,)
        Jitter of each tag, of deviation 1.
    phase, resolution : float
        Steps of the tagger and where they lie, ps.
    carried : ndarray of int64, shape (m,)
        Tags of before that may be overtaken, packed and sorted as `out`.
    out : ndarray of int64, shape (m + n,)
    """
    m = len(carried)
    out[:m] = carried
    for i in range(len(fired)):
        d = fired[i] & 3
        time = np.float64((fired[i] >> 2) - start) * rate + offset + lag[d] + jitter[d] * spread[i]
        step = np.rint((time + phase) / resolution)
        packed = (np.int64(np.rint(step * resolution)) << 2) | d
        k = m + i
        while k > 0 and out[k - 1] > packed:
            out[k] = out[k - 1]
            k -= 1
        out[k] = packed


@_jit
def hold_off(t: Int64s, ch: Bytes, dead_ps: Floats, last: Int64s, kept: Bytes) -> None:
    """Mark the tags that come at least a dead time after the last kept one of their channel."""
    for i in range(len(t)):
        c = np.int64(ch[i]) - 1
        kept[i] = t[i] - last[c] >= dead_ps[c]
        if kept[i]:
            last[c] = t[i]
