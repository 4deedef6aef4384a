"""Procedure ``record``: the tag streams of a bench's time taggers, into a run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from qnlab.bench import Bench
from qnlab.instruments.roles import LaserSource, SinglePhotonDetector, TimeTagger
from qnlab.instruments.taking import Take
from qnlab.runs import Run


class RecordParameters(BaseModel):
    """Parameters of the procedure ``record``: bench table ``[procedures.record]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration_s: float = Field(10.0, gt=0, description="time to record, on the taggers' clocks")
    channels: tuple[int | str, ...] = Field(
        (), description="channels by number or by their name in the bench; none: all enabled"
    )


class Record:
    """Records every time tagger of the bench in a stream of its name.

    Lasers and detectors of the bench are switched on, all else stays as the bench sets it.
    """

    name: ClassVar[str] = "record"
    summary: ClassVar[str] = "record the streams of the time taggers"
    Parameters: ClassVar[type[RecordParameters]] = RecordParameters

    def check(self, bench: Bench, parameters: RecordParameters) -> list[str]:
        """What the bench lacks, one line each."""
        taggers = _taggers(bench)
        if not taggers:
            return ["the bench has no TimeTagger"]
        names = {name for tagger in taggers for name in bench.channel_map(tagger.name)}
        numbers = {n for tagger in taggers for n in tagger.capabilities.channels}
        known = ", ".join([*sorted(names), *map(str, sorted(numbers))])
        return [
            f"procedures.record.channels: no channel {channel!r}; there are {known}"
            for channel in parameters.channels
            if channel not in names and channel not in numbers
        ]

    def run(self, bench: Bench, run: Run, parameters: RecordParameters) -> Mapping[str, object]:
        """Record until every tagger's clock has gone on by the duration."""
        run.cleanup(bench.safe_state)
        for laser in bench.all(LaserSource):  # type: ignore[type-abstract]
            laser.enable()
        for detector in bench.all(SinglePhotonDetector):  # type: ignore[type-abstract]
            detector.enable()
        duration_ps = round(parameters.duration_s * 1e12)
        taggers = _taggers(bench)
        with ExitStack() as stack:
            recorders = [run.recorder(tagger.name) for tagger in taggers]
            takes = [
                Take(
                    tagger.name,
                    stack.enter_context(tagger.open_stream(_chosen(bench, tagger, parameters))),
                    recorder,
                    duration_ps,
                )
                for tagger, recorder in zip(taggers, recorders, strict=True)
            ]
            try:
                while (take := min(takes, key=lambda take: take.recorded_ps)).left:
                    take.step(run.checkpoint)
                    done = min(take.recorded_ps for take in takes)
                    run.checkpoint(done / duration_ps, "recording")
            finally:
                run.result({"streams": [take.figures() for take in takes]})
        return run.outcome


def _taggers(bench: Bench) -> list[TimeTagger]:
    return bench.all(TimeTagger)  # type: ignore[type-abstract]


def _chosen(bench: Bench, tagger: TimeTagger, parameters: RecordParameters) -> list[int] | None:
    """Channels of this tagger among those asked for; None for all."""
    if not parameters.channels:
        return None
    numbers = bench.channel_map(tagger.name)
    asked = {numbers.get(c) if isinstance(c, str) else c for c in parameters.channels}
    return [n for n in tagger.capabilities.channels if n in asked]
