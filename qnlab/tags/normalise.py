"""The one stage between a tagger and the analysers.

Channel map (and with it the edge), delays, order in time, hold-back, dead time, gate: each is done
here once, and no analyser does any of it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from qnlab.tags import kernels
from qnlab.tags.chunk import Gap, Marker, TagChunk

_Times = npt.NDArray[np.int64]
_Channels = npt.NDArray[np.uint8]

_INSERTED = 4.0
_MOVES_A_TAG = 16


@dataclass(frozen=True, slots=True)
class Input:
    """What becomes of a tagger's channel.

    Parameters
    ----------
    channel : int
        Channel as the tagger numbers it. Where it reports both edges, each is a channel.
    to : int
        New channel, 0 to 255; several inputs may share one.
    delay_ps : int
        Added to the time of each tag, ps; may be negative.
    """

    channel: int
    to: int
    delay_ps: int = 0


@dataclass(frozen=True, slots=True)
class Gate:
    """Of `channels`, keep tags with ``begin_ps <= time since the latest sync < end_ps``.

    Channels are the new ones. A tag without a sync before it since the latest gap is dropped.
    """

    sync: int
    channels: frozenset[int]
    begin_ps: int
    end_ps: int


@dataclass
class _Held:
    """What is newer than the watermark, and where the output stands."""

    t: _Times = field(default_factory=lambda: np.empty(0, np.int64))
    ch: _Channels = field(default_factory=lambda: np.empty(0, np.uint8))
    gaps: list[Gap] = field(default_factory=list)


class Normaliser:
    """Turns the raw chunks of one tagger into sorted, delayed, filtered ones.

    With delays from `low` to `high`, the output ends at the watermark plus `low`; what is newer
    is held back. Where not every input is known, there is a gap: ``high - low`` at the start of
    the stream, and every gap of the input grows by as much. Tags in a gap are dropped. Tags of
    equal time stand in the order of their new channels. A result depends on neither the size of
    the chunks nor the order of the inputs.

    Memory is constant: it holds the tags of one chunk and of ``high - low``.

    Parameters
    ----------
    inputs : sequence of Input
        Channels to take; all others are dropped.
    dead_ps : mapping of int to int, optional
        Dead time of new channels, ps: a tag is dropped if it is nearer than that to the latest
        kept tag of its channel (non-paralysable).
    gate : Gate, optional
        Filter on the time since a sync, after the dead time.

    Raises
    ------
    ValueError
        A channel is named twice or is not a number of 0 to 255; a dead time is negative; a gate
        is empty.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        *,
        dead_ps: Mapping[int, int] | None = None,
        gate: Gate | None = None,
    ) -> None:
        _check(inputs, dead_ps or {}, gate)
        self._target = np.full(256, kernels.DROPPED, np.int16)
        self._delay = np.zeros(256, np.int64)
        for entry in inputs:
            self._target[entry.channel] = entry.to
            self._delay[entry.channel] = entry.delay_ps
        self._low = min(entry.delay_ps for entry in inputs)
        self._high = max(entry.delay_ps for entry in inputs)
        self._dead = np.zeros(256, np.int64)
        for channel, dead in (dead_ps or {}).items():
            self._dead[channel] = dead
        self._kept = np.full(256, kernels.NEVER, np.int64)
        self._gate = gate
        self._last_sync = kernels.NEVER
        self._held = _Held()
        self._raw_end: int | None = None

    def feed(self, chunk: TagChunk) -> TagChunk:
        """Normalise the next chunk; the result may also hold tags of chunks before.

        Raises
        ------
        ValueError
            The chunk, or a tag in it, is older than the end of the chunk before.
        """
        begin, end = chunk.t_begin + self._low, chunk.t_end + self._low
        gaps = self._gaps(chunk)
        if self._raw_end is not None:
            begin = self._raw_end + self._low
        self._raw_end = chunk.t_end
        t, ch = self._sorted(chunk)
        if len(t) and t[0] < begin:
            raise ValueError(
                f"chunk {chunk.seq}: a tag at {t[0]} ps, after its delay, is older than {begin} "
                "ps, the end of what was handed on; tags may be unsorted only within a chunk"
            )
        cut = int(np.searchsorted(t, end))
        now, self._held.gaps = _split(gaps, end)
        self._held.t, self._held.ch = t[cut:].copy(), ch[cut:].copy()
        t, ch = _outside(t[:cut], ch[:cut], now)
        if self._dead.any():
            kept = kernels.drop_dead(t, ch, self._dead, self._kept)
            t, ch = t[:kept], ch[:kept]
        if self._gate is not None:
            t, ch = self._gated(t, ch, now, self._gate)
        markers = tuple(Marker(m.time_ps + self._low, m.kind, m.detail) for m in chunk.markers)
        return replace(
            chunk, t=t, ch=ch, t_begin=begin, t_end=end, gaps=tuple(now), markers=markers
        )

    def _gaps(self, chunk: TagChunk) -> list[Gap]:
        if self._raw_end is None:
            new = [Gap(chunk.t_begin + self._low, chunk.t_begin + self._high)]
        elif chunk.t_begin < self._raw_end:
            raise ValueError(
                f"chunk {chunk.seq} begins at {chunk.t_begin} ps, the one before ended at "
                f"{self._raw_end} ps; chunks must follow each other"
            )
        elif chunk.t_begin > self._raw_end:
            new = [Gap(self._raw_end + self._low, chunk.t_begin + self._high)]
        else:
            new = []
        for gap in chunk.gaps:
            missed: dict[int, int] = {}
            for channel, number in gap.missed.items():
                to = int(self._target[channel])
                if to != kernels.DROPPED:
                    missed[to] = missed.get(to, 0) + number
            new.append(Gap(gap.begin_ps + self._low, gap.end_ps + self._high, missed))
        return _joined([*self._held.gaps, *new])

    def _sorted(self, chunk: TagChunk) -> tuple[_Times, _Channels]:
        held = len(self._held.t)
        t, ch = np.empty(held + len(chunk), np.int64), np.empty(held + len(chunk), np.uint8)
        span = max(chunk.t_end - chunk.t_begin, 1)
        if (self._high - self._low) * (len(chunk) / span) > _INSERTED:
            ends = np.empty(512, np.int64)
            tables = (self._target, self._delay)
            if kernels.demultiplex(
                self._held.t, self._held.ch, chunk.t, chunk.ch, *tables, t, ch, ends
            ):
                t, ch = t[: ends[-1]], ch[: ends[-1]]
                spare_t, spare_ch = np.empty_like(t), np.empty_like(ch)
                in_spare = kernels.merge_runs(t, ch, ends, spare_t, spare_ch)
                return (spare_t, spare_ch) if in_spare else (t, ch)
        t[:held], ch[:held] = self._held.t, self._held.ch
        insert = (chunk.t, chunk.ch, self._target, self._delay, t, ch, held)
        moves = _MOVES_A_TAG * (len(chunk) + 1024)
        number = kernels.insert_delayed(*insert, moves)
        if number == kernels.TOO_UNSORTED:
            t[:held], ch[:held] = self._held.t, self._held.ch
            number = kernels.insert_delayed_reference(*insert, moves)
        return t[:number], ch[:number]

    def _gated(
        self, t: _Times, ch: _Channels, gaps: Sequence[Gap], gate: Gate
    ) -> tuple[_Times, _Channels]:
        since, number = np.empty_like(t), np.empty_like(t)
        last, low = self._last_sync, 0
        for edge in [*np.searchsorted(t, [gap.begin_ps for gap in gaps]).tolist(), None]:
            part = slice(low, edge)
            last, _ = kernels.since_sync(
                t[part], ch[part], gate.sync, last, 0, since[part], number[part]
            )
            if edge is not None:
                last, low = kernels.NEVER, edge
        self._last_sync = last
        gated = np.zeros(256, np.bool_)
        gated[list(gate.channels)] = True
        inside = (since >= gate.begin_ps) & (since < gate.end_ps)
        kept = inside | ~gated[ch]
        return t[kept], ch[kept]


def _check(inputs: Sequence[Input], dead_ps: Mapping[int, int], gate: Gate | None) -> None:
    if not inputs:
        raise ValueError("a normaliser needs at least one input")
    channels = [entry.channel for entry in inputs]
    numbers = [*channels, *(entry.to for entry in inputs), *dead_ps]
    if gate is not None:
        numbers += [gate.sync, *gate.channels]
        if not 0 <= gate.begin_ps < gate.end_ps:
            raise ValueError(f"a gate needs 0 <= begin < end, got {gate.begin_ps}, {gate.end_ps}")
    for number in numbers:
        if not 0 <= number <= 255:
            raise ValueError(f"channels are numbered from 0 to 255, got {number}")
    for channel in channels:
        if channels.count(channel) > 1:
            raise ValueError(f"input channel {channel} is named twice")
    for channel, dead in dead_ps.items():
        if dead < 0:
            raise ValueError(f"the dead time of channel {channel} must be 0 or more, got {dead} ps")


def _joined(gaps: list[Gap]) -> list[Gap]:
    """Gaps in order, those that overlap or touch made one."""
    joined: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: gap.begin_ps):
        if gap.end_ps <= gap.begin_ps:
            continue
        if joined and gap.begin_ps <= joined[-1].end_ps:
            before = joined[-1]
            missed = dict(before.missed)
            for channel, number in gap.missed.items():
                missed[channel] = missed.get(channel, 0) + number
            joined[-1] = Gap(before.begin_ps, max(before.end_ps, gap.end_ps), missed)
        else:
            joined.append(gap)
    return joined


def _split(gaps: list[Gap], at_ps: int) -> tuple[list[Gap], list[Gap]]:
    """The gaps before a time and after it; what was missed stays with the first part."""
    before = [replace(g, end_ps=min(g.end_ps, at_ps)) for g in gaps if g.begin_ps < at_ps]
    after = [g if g.begin_ps >= at_ps else Gap(at_ps, g.end_ps) for g in gaps if g.end_ps > at_ps]
    return before, after


def _outside(t: _Times, ch: _Channels, gaps: Sequence[Gap]) -> tuple[_Times, _Channels]:
    if not gaps:
        return t, ch
    kept = np.ones(len(t), np.bool_)
    for gap in gaps:
        low, high = np.searchsorted(t, [gap.begin_ps, gap.end_ps])
        kept[low:high] = False
    return t[kept], ch[kept]
