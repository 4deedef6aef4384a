"""What a time tagger promises."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from qnlab.errors import Disconnected, OutOfRange, Timeout
from qnlab.instruments.contract.core import Context, Contract, NotApplicable, refused, require
from qnlab.tags import TagChunk

CHUNKS = 6
SIGMAS = 6.0

contract = Contract("TimeTagger")


def _take(
    instrument: Any, channels: list[int] | None = None, chunks: int = CHUNKS
) -> list[TagChunk]:
    with instrument.open_stream(channels) as stream:
        return [stream.read(5.0) for _ in range(chunks)]


def _enabled(instrument: Any) -> set[int]:
    settings = instrument.settings()
    return {n for n in instrument.capabilities.channels if settings[f"ch{n}.enabled"].value}


def _seen(chunks: list[TagChunk]) -> set[int]:
    return {int(n) for chunk in chunks for n in np.unique(chunk.ch)}


def _busiest(chunks: list[TagChunk]) -> int:
    channels = np.concatenate([chunk.ch for chunk in chunks])
    if not len(channels):
        raise NotApplicable("no tags arrive: connect a source")
    return int(np.bincount(channels).argmax())


@contract.promises("chunks follow each other without a break, numbered by one")
def stream_is_contiguous(instrument: Any, context: Context) -> None:
    chunks = _take(instrument)
    for before, after in pairwise(chunks):
        gap = f"chunk {after.seq} begins at {after.t_begin} ps, the last ended at {before.t_end} ps"
        require(instrument, after.t_begin == before.t_end, gap)
        require(instrument, after.seq == before.seq + 1, f"{after.seq} follows {before.seq}")
        require(instrument, after.clock_id == before.clock_id, "the clock changed its name")
    for chunk in chunks:
        require(instrument, chunk.t_end > chunk.t_begin, f"chunk {chunk.seq} covers no time")


@contract.promises("tags are int64 ps in order of time, inside their chunk")
def tags_are_in_order(instrument: Any, context: Context) -> None:
    for chunk in _take(instrument):
        right = chunk.t.dtype == np.int64 and chunk.ch.dtype == np.uint8
        require(instrument, right, f"tags are {chunk.t.dtype}, channels {chunk.ch.dtype}")
        require(instrument, len(chunk.t) == len(chunk.ch), "as many channels as times are needed")
        require(instrument, bool((np.diff(chunk.t) >= 0).all()), "tags are not in order of time")
        inside = (chunk.t >= chunk.t_begin) & (chunk.t < chunk.t_end)
        require(instrument, bool(inside.all()), f"{int((~inside).sum())} tags outside their chunk")


@contract.promises("gaps lie inside their chunk, hold no tags and count only streamed channels")
def gaps_are_accounted(instrument: Any, context: Context) -> None:
    channels = _enabled(instrument)
    for chunk in _take(instrument):
        for gap in chunk.gaps:
            inside = chunk.t_begin <= gap.begin_ps < gap.end_ps <= chunk.t_end
            require(instrument, inside, f"{gap} is not inside {chunk.t_begin}..{chunk.t_end} ps")
            held = int(((chunk.t >= gap.begin_ps) & (chunk.t < gap.end_ps)).sum())
            require(instrument, held == 0, f"{held} tags inside {gap}")
            require(instrument, set(gap.missed) <= channels, f"{gap} counts other channels")
        require(instrument, 0 <= chunk.live_ps <= chunk.t_end - chunk.t_begin, "gaps overlap")


@contract.promises("a stream holds the channels asked for, and only those")
def stream_of_some_channels(instrument: Any, context: Context) -> None:
    busiest = _busiest(_take(instrument))
    require(instrument, _seen(_take(instrument, [busiest])) == {busiest}, "wrong channels")
    others = sorted(_enabled(instrument) - {busiest})
    stray = _seen(_take(instrument, others)) - set(others)
    require(instrument, not stray, f"tags of channels {stray}, which were not asked for")


@contract.promises("a channel that is not there is refused")
def unknown_channel_refused(instrument: Any, context: Context) -> None:
    absent = max(instrument.capabilities.channels) + 1
    error = refused(
        instrument, OutOfRange, f"channel {absent}", lambda: instrument.open_stream([absent])
    )
    require(instrument, error.last == absent, f"the error names channel {error.last}")


@contract.promises("a disabled channel gives no tags, in a running stream too")
def disabled_channel_is_silent(instrument: Any, context: Context) -> None:
    n = _busiest(_take(instrument))
    try:
        with instrument.open_stream() as stream:
            instrument.apply({f"ch{n}.enabled": False})
            off_at = stream.read(5.0).t_end
            later = [stream.read(5.0) for _ in range(CHUNKS)]
        stray = sum(int((chunk.ch[chunk.t >= off_at] == n).sum()) for chunk in later)
        require(instrument, stray == 0, f"{stray} tags on channel {n}, which is disabled")
        require(instrument, n not in instrument.counts(0.01), f"counts of disabled channel {n}")
    finally:
        instrument.apply({f"ch{n}.enabled": True})


@contract.promises("a closed stream is over; closing it twice does no harm")
def closing_stops(instrument: Any, context: Context) -> None:
    stream = instrument.open_stream()
    stream.read(5.0)
    stream.close()
    stream.close()
    refused(instrument, Disconnected, "reading a closed stream", lambda: stream.read(1.0))


@contract.promises("read() gives up after its time-out")
def read_times_out(instrument: Any, context: Context) -> None:
    with instrument.open_stream() as stream:
        begin = context.clock.now()
        refused(instrument, Timeout, "a read that may not wait", lambda: stream.read(0.0))
        took = context.clock.now() - begin
    require(instrument, took < 0.5, f"read with a time-out of 0 s took {took:.2f} s")


@contract.promises("two streams at once show the same tags")
def streams_share_the_tags(instrument: Any, context: Context) -> None:
    with instrument.open_stream() as one, instrument.open_stream() as two:
        first = [one.read(5.0) for _ in range(CHUNKS)]
        second = [two.read(5.0) for _ in range(CHUNKS)]
    begin = max(first[0].t_begin, second[0].t_begin)
    end = min(first[-1].t_end, second[-1].t_end)
    shown = []
    for chunks in (first, second):
        t = np.concatenate([chunk.t for chunk in chunks])
        shown.append(t[(t >= begin) & (t < end)])
    require(instrument, end > begin, "two streams at once show different times")
    require(instrument, np.array_equal(*shown), "two streams at once show different tags")


@contract.promises("counts() agrees with the rate of the stream")
def counts_agree_with_the_stream(instrument: Any, context: Context) -> None:
    chunks = _take(instrument, chunks=2 * CHUNKS)
    n = _busiest(chunks)
    live_s = sum(chunk.live_ps for chunk in chunks) * 1e-12
    streamed = sum(int((chunk.ch == n).sum()) for chunk in chunks)
    counts = instrument.counts(live_s)
    require(instrument, set(counts) == _enabled(instrument), f"counts of {sorted(counts)}")
    apart = abs(counts[n] - streamed)
    allowed = SIGMAS * math.sqrt(counts[n] + streamed)
    require(
        instrument, apart <= allowed,
        f"counts() gives {counts[n]} and the stream {streamed} tags on channel {n} in {live_s} s",
    )  # fmt: skip


@contract.promises("dead time of a channel: no two tags lie closer")
def dead_time_holds(instrument: Any, context: Context) -> None:
    chunks = _take(instrument)
    n = _busiest(chunks)
    limits = instrument.settings().get(f"ch{n}.dead_time_ps", None)
    if limits is None:
        raise NotApplicable("the dead time is not adjustable")
    t = np.concatenate([chunk.t[chunk.ch == n] for chunk in chunks])
    if len(t) < 20:
        raise NotApplicable("too few tags arrive: connect a source")
    dead = min(float(np.median(np.diff(t))), limits.limits.high)
    try:
        taken = instrument.apply({f"ch{n}.dead_time_ps": dead})[f"ch{n}.dead_time_ps"].value
        t = np.concatenate([chunk.t[chunk.ch == n] for chunk in _take(instrument)])
        shortest = int(np.diff(t).min())
        require(instrument, shortest >= taken, f"{shortest} ps apart with {taken} ps dead time")
    finally:
        instrument.apply({f"ch{n}.dead_time_ps": limits.value})
