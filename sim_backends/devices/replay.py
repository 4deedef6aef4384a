"""A time tagger that plays a recording back; driver ``replay`` of a bench file.

The address is a time-tag file or the folder of a run (``folder#stream`` if it has several streams).
The recording runs from the first use on, with the bench's clock: in real time on a wall clock, as
fast as it is read on a virtual one. A stream opened later joins where the recording is then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.clock import Clock
from qnlab.errors import BenchError, Disconnected, OutOfRange, QnlabError, Timeout
from qnlab.instruments.base import Health, Identity, Setting
from qnlab.instruments.roles import TagStream, TimeTagger, TimeTaggerCapabilities
from qnlab.instruments.settings import Entry, SettingTable
from qnlab.tags import TagChunk
from qnlab.tags.cut import cut, only, pieces
from qnlab.tags.files import FileInfo, TagFile, open_tags
from qnlab.values import Alarm, Limits, Reading


def connect(spec: InstrumentSpec, context: BenchContext) -> ReplayTagger:
    """The tagger that plays back what lies at ``spec.address``.

    Raises
    ------
    BenchError
        No recording there, or it has no tags on a channel that the bench names.
    """
    place, _, stream = spec.address.partition("#")
    where = f"instruments.{spec.name}"
    try:
        recording = open_tags(Path(place).expanduser(), stream or None)
        info = recording.info()
    except QnlabError as error:
        raise BenchError(f"{where}.address: {error}") from error
    wrong = {name: n for name, n in spec.channels.items() if n not in info.channels}
    if wrong:
        have = ", ".join(map(str, info.channels)) or "none"
        raise BenchError(
            *(
                f"{where}.channels.{name}: no tags on channel {n} in {place}; it has {have}"
                for name, n in wrong.items()
            )
        )
    return ReplayTagger(spec.name, context.clock, recording, info, context.limits)


class Tape:
    """Where the recording is: it starts when it is first asked."""

    def __init__(self, clock: Clock, recording: TagFile) -> None:
        self.clock = clock
        self._recording = recording
        self._started_ps: int | None = None
        self._origin_ps = 0

    def now_ps(self) -> int:
        """Time of the recording that is being played now."""
        if self._started_ps is None:
            first = next(self.chunks(), None)
            self._origin_ps = 0 if first is None else first.t_begin
            self._started_ps = self.clock.now_ps()
        return self._origin_ps + self.clock.now_ps() - self._started_ps

    def chunks(self) -> Iterator[TagChunk]:
        """The recording from its first tag, gap or marker on, in parts of at most 20 ms."""
        begun = False
        for chunk in self._recording.chunks():
            begun = begun or bool(len(chunk) or chunk.gaps or chunk.markers)
            if begun:
                yield from pieces(chunk)


class ReplayStream:
    """A running playback of some channels, numbered from 0."""

    def __init__(
        self, device: str, tape: Tape, channels: frozenset[int], enabled: Mapping[int, bool]
    ) -> None:
        self._device = device
        self._tape = tape
        self._channels = channels
        self._enabled = enabled
        self._begin_ps = tape.now_ps()
        self._chunks: Iterator[TagChunk] | None = tape.chunks()
        self._next: TagChunk | None = None
        self._seq = 0

    @property
    def running(self) -> bool:
        """True until closed."""
        return self._chunks is not None

    def read(self, timeout_s: float = 1.0) -> TagChunk:
        """Next chunk, when the recording has come to its end.

        Raises
        ------
        Timeout
            It has not within `timeout_s`.
        Disconnected
            The stream is closed, or the recording is over.
        """
        if self._chunks is None:
            raise Disconnected(self._device, "the stream is closed", command="read")
        if self._next is None:
            self._next = self._fetch(self._chunks)
        wait_s = (self._next.t_end - self._tape.now_ps()) * 1e-12
        if wait_s > timeout_s:
            self._tape.clock.sleep(timeout_s)
            raise Timeout(self._device, f"no tags within {timeout_s:g} s", command="read")
        if wait_s > 0:
            self._tape.clock.sleep(wait_s)
        heard = {n for n in self._channels if self._enabled[n]}
        chunk = replace(only(self._next, heard), seq=self._seq)
        self._next = None
        self._seq += 1
        return chunk

    def _fetch(self, chunks: Iterator[TagChunk]) -> TagChunk:
        for chunk in chunks:
            if chunk.t_end > self._begin_ps:
                return cut(chunk, self._begin_ps, chunk.t_end)
        raise Disconnected(self._device, "the recording is over", command="read")

    def close(self) -> None:
        """Stop playing. Idempotent."""
        self._chunks = None

    def __enter__(self) -> TagStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class ReplayTagger(TimeTagger):
    """Plays a recording back. Settings: ``ch{n}.enabled`` for each channel with tags."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        recording: TagFile,
        info: FileInfo,
        tighter: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        self.name = name
        self._clock = clock
        self._recording = recording
        self._tape = Tape(clock, recording)
        self._format = info.format
        self._streams: list[ReplayStream] = []
        self._enabled: dict[int, bool] = dict.fromkeys(sorted(info.channels), True)
        none = Limits(0.0, 0.0, "ps")
        span_s = ((info.last_ps or 0) - (info.first_ps or 0) + 1) * 1e-12
        self.capabilities = TimeTaggerCapabilities(
            channels=tuple(self._enabled),
            resolution_ps=info.resolution_ps,
            jitter_rms_ps=0.0,
            dead_time_ps=none,
            delay_ps=none,
            threshold_v=Limits(0.0, 0.0, "V"),
            max_rate_hz=info.tags / span_s,
            streaming=True,
            external_reference=False,
        )
        entries = {
            f"ch{n}.enabled": Entry(
                "", partial(self._enabled.__getitem__, n), partial(self._enable, n)
            )
            for n in self._enabled
        }
        self._table = SettingTable(name, clock, entries, tighter)

    def _enable(self, channel: int, value: Setting) -> None:
        self._enabled[channel] = bool(value)

    @property
    def identity(self) -> Identity:
        return Identity(
            "qnlab", f"replay of {self._format}", self._recording.path.name, "1", simulated=True
        )

    def settings(self) -> dict[str, Reading]:
        return self._table.read()

    def apply(self, settings: Mapping[str, Setting]) -> dict[str, Reading]:
        return self._table.apply(settings)

    def health(self) -> Health:
        return Health(Alarm.NONE)

    def counts(self, duration_s: float) -> dict[int, int]:
        totals = {n: 0 for n, enabled in self._enabled.items() if enabled}
        with self.open_stream() as stream:
            chunk = stream.read(duration_s + 1.0)
            begin, end = chunk.t_begin, chunk.t_begin + round(duration_s * 1e12)
            while True:
                inside = cut(chunk, begin, end).ch if chunk.t_begin < end else chunk.ch[:0]
                for n in totals:
                    totals[n] += int((inside == n).sum())
                if chunk.t_end >= end:
                    return totals
                chunk = stream.read(duration_s + 1.0)

    def open_stream(self, channels: Sequence[int] | None = None) -> TagStream:
        known = self.capabilities.channels
        for channel in channels or ():
            if channel not in known:
                raise OutOfRange(
                    self.name, "no such channel in the recording", command="open_stream",
                    expected=known, last=channel,
                )  # fmt: skip
        wanted = known if channels is None else channels
        chosen = frozenset(n for n in wanted if self._enabled[n])
        stream = ReplayStream(self.name, self._tape, chosen, self._enabled)
        self._streams = [*(s for s in self._streams if s.running), stream]
        return stream

    def safe_state(self) -> None:
        for stream in self._streams:
            stream.close()
        self._streams.clear()

    def reconnect(self) -> None:
        """Nothing is connected; the recording goes on."""

    def close(self) -> None:
        """Nothing to release."""
