"""One acquisition of a real time tagger, given to any number of streams."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from qnlab.clock import Clock, VirtualClock
from qnlab.errors import DataLoss, Disconnected, InstrumentError, OutOfRange, Timeout
from qnlab.instruments.roles import TagStream
from qnlab.tags import Gap, TagChunk
from qnlab.tags.chunk import MAX_SPAN_PS, MAX_TAGS
from qnlab.tags.cut import only, pieces

WAIT_S = 0.05
STEP_S = 0.02
MOST_WAITING = 1 << 26

Times = npt.NDArray[np.int64]
Channels = npt.NDArray[np.uint8]


@dataclass(eq=False)
class _Reader:
    channels: frozenset[int]
    chunks: deque[TagChunk] = field(default_factory=deque)
    waiting: int = 0
    seq: int = 0
    closed: bool = False


class TagHub:
    """Cuts what a tagger delivers into chunks and hands them to all who read.

    Parameters
    ----------
    device : str
        Name of the instrument, and of the clock of its tags.
    clock : Clock
        The bench's.
    enabled : mapping of int to bool
        Channels; tags of those that are not enabled are left out from now on whenever it changes.
    begin, end : callable
        Start the acquisition for the first reader, and end it after the last one.
    """

    def __init__(
        self,
        device: str,
        clock: Clock,
        enabled: Mapping[int, bool],
        begin: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        self.device = device
        self._clock = clock
        self._enabled = enabled
        self._begin = begin
        self._end = end
        self._changed = threading.Condition()
        self._readers: list[_Reader] = []
        self._failure: InstrumentError | None = None
        self._from_ps: int | None = None
        self._pending: list[tuple[Times, Channels]] = []
        self._pending_tags = 0
        self._opening = threading.Lock()

    @property
    def running(self) -> bool:
        """True while somebody reads."""
        return bool(self._readers)

    def chosen(self, channels: Collection[int] | None) -> frozenset[int]:
        """Enabled ones of `channels`, None for all.

        Raises
        ------
        OutOfRange
            One of them is not there.
        """
        for channel in channels or ():
            if channel not in self._enabled:
                raise OutOfRange(
                    self.device, "no such channel", command="open_stream",
                    expected=tuple(self._enabled), last=channel,
                )  # fmt: skip
        wanted = self._enabled if channels is None else channels
        return frozenset(n for n in wanted if self._enabled[n])

    def open(self, channels: Collection[int] | None) -> TagStream:
        """A stream from now on; the first one starts the acquisition."""
        reader = _Reader(self.chosen(channels))
        with self._opening:
            if not self._readers:
                self._failure, self._from_ps = None, None
                self._pending, self._pending_tags = [], 0
                self._begin()
            with self._changed:
                self._readers.append(reader)
        return HubStream(self, reader)

    def counts(self, duration_s: float) -> dict[int, int]:
        """Tags a channel in the first `duration_s` of a stream that begins now.

        Raises
        ------
        DataLoss
            Tags were lost in that time.
        """
        totals = dict.fromkeys(sorted(self.chosen(None)), 0)
        with self.open(None) as stream:
            end: int | None = None
            while True:
                chunk = stream.read(duration_s + 2.0)
                end = chunk.t_begin + round(duration_s * 1e12) if end is None else end
                lost = next((gap for gap in chunk.gaps if gap.begin_ps < end), None)
                if lost is not None:
                    raise DataLoss(
                        self.device, "tags were lost while counting", (lost.begin_ps, lost.end_ps)
                    )
                inside = np.bincount(chunk.ch[chunk.t < end], minlength=256)
                for n in totals:
                    totals[n] += int(inside[n])
                if chunk.t_end >= end:
                    return totals

    def close(self) -> None:
        """End all streams, and with them the acquisition."""
        with self._changed:
            readers = list(self._readers)
        for reader in readers:
            self.leave(reader)

    # --- the side of the device -----------------------------------------------------------------

    def feed(self, t: Times, ch: Channels, until_ps: int) -> None:
        """Tags that follow those fed before; all before `until_ps` are there now.

        Parameters
        ----------
        t : ndarray of int64, shape (n,)
            ps, non-decreasing.
        ch : ndarray of uint8, shape (n,)
        until_ps : int
            No later tag is older.
        """
        with self._changed:
            if self._from_ps is None:
                self._from_ps = int(t[0]) if len(t) else until_ps
            if len(t):
                self._pending.append((t, ch))
                self._pending_tags += len(t)
            if until_ps - self._from_ps < MAX_SPAN_PS and self._pending_tags < MAX_TAGS:
                return
            if until_ps > self._from_ps:
                self._hand_out(self._from_ps, until_ps)
                self._changed.notify_all()

    def fail(self, error: InstrumentError) -> None:
        """No more tags come: the next read raises `error`."""
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _hand_out(self, begin: int, until: int) -> None:
        t = np.concatenate([np.empty(0, np.int64), *(part for part, _ in self._pending)])
        ch = np.concatenate([np.empty(0, np.uint8), *(part for _, part in self._pending)])
        self._pending, self._pending_tags, self._from_ps = [], 0, until
        for chunk in pieces(TagChunk(t, ch, begin, until, 0, self.device)):
            for reader in self._readers:
                reader.chunks.append(chunk if reader.waiting < MOST_WAITING else _lost(chunk))
                reader.waiting += len(reader.chunks[-1])

    # --- the side of the readers ----------------------------------------------------------------

    def take(self, reader: _Reader, timeout_s: float) -> TagChunk:
        """The next chunk of a reader."""
        begin = self._clock.now()
        while True:
            if (chunk := self._ready(reader)) is not None:
                return chunk
            left = timeout_s - (self._clock.now() - begin)
            if left <= 0:
                raise Timeout(self.device, f"no tags within {timeout_s:g} s", command="read")
            if isinstance(self._clock, VirtualClock):
                self._clock.sleep(min(STEP_S, left))
                left = WAIT_S
            with self._changed:
                self._changed.wait_for(
                    lambda: reader.chunks or reader.closed or self._failure, min(left, WAIT_S)
                )

    def _ready(self, reader: _Reader) -> TagChunk | None:
        with self._changed:
            if reader.closed:
                raise Disconnected(self.device, "the stream is closed", command="read")
            if not reader.chunks:
                if self._failure is not None:
                    raise self._failure
                return None
            chunk = reader.chunks.popleft()
            reader.waiting -= len(chunk)
            reader.seq += 1
        wanted = {n for n in reader.channels if self._enabled[n]}
        return replace(only(chunk, wanted), seq=reader.seq - 1)

    def leave(self, reader: _Reader) -> None:
        """Close the stream of a reader; idempotent."""
        with self._opening:
            with self._changed:
                if reader.closed:
                    return
                reader.closed = True
                self._readers.remove(reader)
                self._changed.notify_all()
            if not self._readers:
                self._end()


class HubStream:
    """A reader's end."""

    def __init__(self, hub: TagHub, reader: _Reader) -> None:
        self._hub = hub
        self._reader = reader

    def read(self, timeout_s: float = 1.0) -> TagChunk:
        return self._hub.take(self._reader, timeout_s)

    def close(self) -> None:
        self._hub.leave(self._reader)

    def __enter__(self) -> TagStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _lost(chunk: TagChunk) -> TagChunk:
    """`chunk` as it shows to one who reads too slowly: a gap."""
    channels, numbers = np.unique(chunk.ch, return_counts=True)
    missed = {int(n): int(many) for n, many in zip(channels, numbers, strict=True)}
    gaps = (Gap(chunk.t_begin, chunk.t_end, missed),)
    return replace(chunk, t=chunk.t[:0], ch=chunk.ch[:0], gaps=gaps)
