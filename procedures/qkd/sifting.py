"""From tags to detections: pulse number, gate, dead-time rule, double clicks.

The rules do not look at the bit value: the gate and the dead time are the same for all four
detectors (a detection counts only if all four were live), and a click on both detectors of one
basis becomes a random bit. Clicks in both bases at once go to a basis and a bit at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from qnlab.procedures.calibration.alignment import Agreement
from qnlab.procedures.qkd.synchronisation import PulseClock

Int64s = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

H, V, D, A = range(4)
OUT_OF_GATE = 255


@dataclass(frozen=True, slots=True)
class Detections:
    """Detections of a stretch, one a pulse at most, by increasing pulse number.

    Parameters
    ----------
    pulses : ndarray of int64, shape (n,)
    bases, bits : ndarray of uint8, shape (n,)
    doubles : int
        Detections on more than one detector.
    out_of_gate : int
        Tags outside the gate.
    residual_ps : float
        Mean of arrival less expected arrival of the tags in the gate, ps.
    tags : int
        All tags seen.
    blocked_ps : int
        Time during which the dead-time rule let nothing pass.
    """

    pulses: Int64s
    bases: Bytes
    bits: Bytes
    doubles: int
    out_of_gate: int
    residual_ps: float
    tags: int
    blocked_ps: int

    def __len__(self) -> int:
        return len(self.pulses)


def detect(
    t: Int64s,
    detector: Bytes,
    clock: PulseClock,
    gate_ps: float,
    dead_ps: int,
    last_tag_ps: int,
    coins: bytes,
) -> Detections:
    """Detections among the tags `t` of the detectors `detector` (codes 0..3 = H, V, D, A).

    Parameters
    ----------
    t, detector : ndarray, shape (n,)
        Sorted times, ps, and detector codes; n >= 0.
    clock : PulseClock
        When pulse k arrives.
    gate_ps : float
        Full width of the gate around the expected arrival.
    dead_ps : int
        A pulse counts only if no tag fell into this time before it.
    last_tag_ps : int
        Time of the last tag before the stretch.
    coins : bytes
        Random bytes, one a tag at least, for double clicks.
    """
    if len(coins) < len(t):
        raise ValueError(f"{len(t)} tags need as many random bytes, got {len(coins)}")
    pulses = np.empty(len(t), dtype=np.int64)
    codes = np.empty(len(t), dtype=np.uint8)
    n, doubles, outside, inside, total, blocked = _detect(
        t,
        detector,
        clock.pulse,
        clock.time_ps,
        clock.period_ps,
        gate_ps / 2,
        dead_ps,
        last_tag_ps,
        np.frombuffer(coins, dtype=np.uint8),
        pulses,
        codes,
    )
    return Detections(
        pulses=pulses[:n],
        bases=(codes[:n] >> 1).astype(np.uint8),
        bits=(codes[:n] & 1).astype(np.uint8),
        doubles=doubles,
        out_of_gate=outside,
        residual_ps=total / inside if inside else 0.0,
        tags=len(t),
        blocked_ps=blocked,
    )


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _detect(
    t: Int64s,
    detector: Bytes,
    pulse_0: int,
    time_0: float,
    period: float,
    half_gate: float,
    dead: int,
    last: int,
    coins: Bytes,
    pulses: Int64s,
    codes: Bytes,
) -> tuple[int, int, int, int, float, int]:
    n = doubles = outside = inside = blocked = 0
    total = 0.0
    base = np.int64(np.floor(time_0))
    fraction = time_0 - base
    group = np.int64(-1)
    group_mask = 0
    group_live = False
    group_coin = 0
    for i in range(len(t)):
        offset = np.float64(t[i] - base) - fraction
        k = np.int64(np.rint(offset / period))
        residual = offset - k * period
        since = t[i] - last
        blocked += min(since, dead)
        last = t[i]
        if residual > half_gate or residual < -half_gate:
            outside += 1
            continue
        inside += 1
        total += residual
        if k != group:
            if group_live:
                n, doubles = _close(
                    group_mask, group + pulse_0, group_coin, pulses, codes, n, doubles
                )
            group = k
            group_mask = 0
            group_live = since > dead
            group_coin = coins[i]
        group_mask |= 1 << detector[i]
    if group_live and group_mask:
        n, doubles = _close(group_mask, group + pulse_0, group_coin, pulses, codes, n, doubles)
    return n, doubles, outside, inside, total, blocked


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _close(
    mask: int, pulse: int, coin: int, pulses: Int64s, codes: Bytes, n: int, doubles: int
) -> tuple[int, int]:
    if n and pulses[n - 1] >= pulse:
        return n, doubles
    if mask == 1:
        code = 0
    elif mask == 2:
        code = 1
    elif mask == 4:
        code = 2
    elif mask == 8:
        code = 3
    else:
        doubles += 1
        if mask == 3:
            code = coin & 1
        elif mask == 12:
            code = 2 | (coin & 1)
        else:
            code = coin & 3
    pulses[n] = pulse
    codes[n] = code
    return n + 1, doubles


def agreement(detections: Detections, states: Bytes) -> Agreement:
    """Agreement of `detections` with the states that Alice sent in their pulses, shape (n,)."""
    cell = 2 * detections.bases + (states >> 1)
    same = 1.0 - 2.0 * (detections.bits ^ (states & 1))
    counts = np.bincount(cell, minlength=4).reshape(2, 2)
    total = np.bincount(cell, same, minlength=4).reshape(2, 2)
    return Agreement(total / np.maximum(counts, 1), counts)
