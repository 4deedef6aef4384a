"""Compile ahead of an acquisition."""

from __future__ import annotations

import numpy as np

from qnlab.tags.kernels import clocks, coincidences, decode, delays, filters, order


def warm_up() -> None:
    """Compile every kernel, or load it from the cache, for the arrays that streams are made of.

    Call it at the start of an acquisition: no chunk waits for a compiler then.
    """
    for writeable in (True, False):
        t, ch = np.arange(2), np.zeros(2, np.uint8)
        t.flags.writeable = ch.flags.writeable = writeable
        _warm_order(t, ch)
        _warm_counting(t, ch)
        records = np.zeros(1, np.uint32)
        records.flags.writeable = writeable
        decode.decode_hydra(records, 0, 0, 1, True, False)
        decode.decode_pico(records, 0, 0, 1, False, False)


def _warm_order(t: order.I64, ch: order.U8) -> None:
    target, delay = np.zeros(256, np.int16), np.zeros(256, np.int64)
    out_t, out_ch = np.empty(4, np.int64), np.empty(4, np.uint8)
    order.in_order(t, ch)
    order.insert_delayed(t, ch, target, delay, out_t, out_ch, 0, 1)
    held_t, held_ch, ends = np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(512, np.int64)
    order.demultiplex(held_t, held_ch, t, ch, target, delay, out_t, out_ch, ends)
    spare_t, spare_ch = np.empty_like(out_t), np.empty_like(out_ch)
    order.merge_runs(out_t, out_ch, ends, spare_t, spare_ch)
    filters.drop_dead(t.copy(), ch.copy(), delay, delay.copy())
    filters.since_sync(t, ch, 0, 0, 0, spare_t, spare_t.copy())


def _warm_counting(t: order.I64, ch: order.U8) -> None:
    _warm_clocks(t)
    counts, own = np.zeros(2, np.int64), t.copy()
    slot, members = np.zeros(256, np.uint8), np.ones((1, 1), np.uint8)
    coincidences.count_groups(t, ch, slot, members, 1, 0, counts)
    coincidences.match_pairs(own, own, 1)
    edges = np.zeros(2, np.int64)
    coincidences.match_groups(own, edges, edges.copy(), 1, np.empty((1, 2), np.int64))
    delays.pick(t, ch, 0, np.empty(3, np.int64))
    delays.add_delays(counts, own, own, 0, 1)
    delays.add_start_stop(counts, t, ch, 0, 1, filters.NEVER, 1)
    delays.count_heralded(own, own, own, 1, np.zeros(4, np.int64))


def _warm_clocks(t: order.I64) -> None:
    at, residual = np.empty(2), np.empty(2)
    clocks.near_pairs(t, t, 0, 0.0, 0.0, 1.0, at, residual)
    clocks.add_lines(np.zeros((1, 2), np.int64), at, residual, 0.0, 1.0, 1.0)
