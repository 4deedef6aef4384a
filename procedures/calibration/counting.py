"""What calibrations share: a bench with light on it or none, and rates of its detectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from qnlab.bench import Bench
from qnlab.errors import DataLoss
from qnlab.instruments.roles import (
    Attenuator,
    LaserSource,
    SinglePhotonDetector,
    TimeTagger,
)
from qnlab.procedures.restoring import restore_after
from qnlab.runs import Run
from qnlab.tags import TagChunk

MARKS = "sync"


@dataclass(frozen=True, slots=True)
class Rate:
    """Counts in a time; the error is that of Poissonian counts."""

    counts: int
    seconds: float

    @property
    def hz(self) -> float:
        return self.counts / self.seconds

    @property
    def error_hz(self) -> float:
        return math.sqrt(max(self.counts, 1)) / self.seconds

    def live_hz(self, dead_s: float) -> float:
        """Without the loss in a dead time that further photons do not prolong."""
        return self.hz / (1 - self.hz * dead_s)


def lacks(bench: Bench, *roles: type) -> list[str]:
    """Roles of which the bench should have exactly one and has not, and unnamed channels."""
    found = [
        f"exactly one {role.__name__} is needed, the bench has {len(bench.all(role))}"
        for role in (TimeTagger, *roles)
        if len(bench.all(role)) != 1
    ]
    if not bench.all(SinglePhotonDetector):  # type: ignore[type-abstract]
        found.append("the bench has no SinglePhotonDetector")
    return found


class Counting:
    """A bench whose detectors count; everything is set back when the run ends.

    Parameters
    ----------
    bench : Bench
    run : Run
    """

    def __init__(self, bench: Bench, run: Run) -> None:
        self._bench = bench
        self._run = run
        self.tagger = bench.get(TimeTagger)  # type: ignore[type-abstract]
        names = bench.channel_map(self.tagger.name)
        self.channels = {name: n for name, n in names.items() if name != MARKS}
        restore_after(run, bench.instruments.values())
        run.cleanup(bench.safe_state)
        bench.safe_state()
        for detector in bench.all(SinglePhotonDetector):  # type: ignore[type-abstract]
            detector.enable()

    def light(self, attenuation_db: float) -> float:
        """Let light through an attenuator set to this; returns the attenuation taken, dB."""
        attenuator = self._bench.get(Attenuator)  # type: ignore[type-abstract]
        taken = attenuator.set_attenuation(attenuation_db)
        self._bench.get(LaserSource).enable()  # type: ignore[type-abstract]
        attenuator.apply({"shutter_closed": False})
        return taken

    def darkness(self) -> None:
        """All lasers off, all shutters closed."""
        for laser in self._bench.all(LaserSource):  # type: ignore[type-abstract]
            laser.disable()
        for attenuator in self._bench.all(Attenuator):  # type: ignore[type-abstract]
            attenuator.apply({"shutter_closed": True})

    def take(self, seconds: float, *feeds: Callable[[TagChunk], None]) -> float:
        """Give every chunk of the next `seconds` to all `feeds`; returns the time covered, s.

        Raises
        ------
        DataLoss
            The tagger lost tags.
        """
        covered = 0
        with self.tagger.open_stream(sorted(self.channels.values())) as stream:
            while covered < seconds * 1e12:
                chunk = stream.read(seconds + 5.0)
                if chunk.gaps:
                    gap = chunk.gaps[0]
                    lost = "tags were lost: less light would help"
                    raise DataLoss(self.tagger.name, lost, (gap.begin_ps, gap.end_ps))
                for feed in feeds:
                    feed(chunk)
                covered += chunk.t_end - chunk.t_begin
                self._run.checkpoint()
        return covered * 1e-12

    def rates(self, seconds: float) -> dict[str, Rate]:
        """Rate of each detector's channel, by its name on the bench."""
        totals = dict.fromkeys(self.channels, 0)

        def count(chunk: TagChunk) -> None:
            for name, n in self.channels.items():
                totals[name] += int((chunk.ch == n).sum())

        covered = self.take(seconds, count)
        return {name: Rate(counts, covered) for name, counts in totals.items()}

    def dead_times_s(self) -> dict[str, float]:
        """Dead time that each detector states, by channel; the longest where they are not told."""
        stated = [
            float(settings["dead_time_s"].value)
            for detector in self._bench.all(SinglePhotonDetector)  # type: ignore[type-abstract]
            if "dead_time_s" in (settings := detector.settings())
        ]
        return dict.fromkeys(self.channels, max(stated, default=0.0))
