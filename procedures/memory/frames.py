"""Tags of a timing table that is played over and over, sorted into its frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qnlab.errors import DataLoss, ProcedureError
from qnlab.instruments.pulse_generator import PulseGenerator, TimingTable
from qnlab.instruments.roles import TimeTagger
from qnlab.runs import Run

Times = npt.NDArray[np.int64]

SYNC = "sync"
LEAST_TAGS = 50
_MOST_PHASES = 1_000_000
_RECENTRED = 3
_EDGES = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class Window:
    """From `start_s` to `stop_s` after the begin of a frame."""

    start_s: float
    stop_s: float

    def later(self, seconds: float, margin_s: float = 0.0) -> Window:
        """This window delayed, and widened at both ends."""
        return Window(self.start_s + seconds - margin_s, self.stop_s + seconds + margin_s)


@dataclass(frozen=True, slots=True)
class Frames:
    """Tags by the frame in which they lie.

    Parameters
    ----------
    number : int
        Complete frames.
    frame, phase_ps : mapping of str to ndarray of int64, shape (n,)
        Number of the frame of each tag, and its time behind the frame's mark; by channel name.
    """

    number: int
    frame: Mapping[str, Times]
    phase_ps: Mapping[str, Times]

    def clicked(self, names: Iterable[str], window: Window) -> npt.NDArray[np.bool_]:
        """Whether any of these channels clicked in the window, shape (number,)."""
        hit = np.zeros(self.number, dtype=np.bool_)
        low, high = window.start_s * 1e12, window.stop_s * 1e12
        for name in names:
            inside = (self.phase_ps[name] >= low) & (self.phase_ps[name] < high)
            hit[self.frame[name][inside]] = True
        return hit

    def arrival_s(self, names: Iterable[str], sent: Window, until_s: float) -> float:
        """How much later than it was sent a pulse arrives, s.

        Looked for where most tags lie within the pulse's length, from when it was sent to
        `until_s`. The middle between its edges counts, for dead time lets more early tags through
        than late ones.

        Raises
        ------
        ProcedureError
            Too few tags to tell.
        """
        phases = np.concatenate([self.phase_ps[name] for name in names])
        begin = sent.start_s * 1e12
        phases = np.sort(phases[(phases >= begin) & (phases < until_s * 1e12)])[:_MOST_PHASES]
        length = (sent.stop_s - sent.start_s) * 1e12
        inside = np.searchsorted(phases, phases + length) - np.arange(len(phases))
        if not len(phases) or inside.max() < LEAST_TAGS:
            found = int(inside.max()) if len(phases) else 0
            raise ProcedureError(
                f"the pulse sent at {sent.start_s:g} s cannot be found: {found} tags lie together, "
                f"{LEAST_TAGS} are needed; more light or more trials would help"
            )
        best = int(inside.argmax())
        centre = float(phases[best : best + int(inside[best])].mean())
        for _ in range(_RECENTRED):
            near = phases[np.abs(phases - centre) < length]
            centre = float(np.quantile(near, _EDGES).mean())
        return (centre - begin - length / 2) * 1e-12


def take_frames(
    generator: PulseGenerator,
    tagger: TimeTagger,
    channels: Mapping[str, int],
    table: TimingTable,
    number: int,
    run: Run,
) -> Frames:
    """Play `table` and sort the tags of `number` frames.

    Parameters
    ----------
    channels : mapping of str to int
        Channels of the tagger by name; `sync` has one mark a frame.

    Raises
    ------
    DataLoss
        The tagger lost tags.
    ProcedureError
        No marks arrive.
    """
    generator.stop()
    played = generator.load(table)
    parts: dict[str, list[Times]] = {name: [] for name in channels}
    with tagger.open_stream(sorted(channels.values())) as stream:
        generator.start()
        marks, begin = 0, None
        while marks <= number:
            chunk = stream.read(5.0)
            begin = chunk.t_begin if begin is None else begin
            if chunk.gaps:
                gap = chunk.gaps[0]
                raise DataLoss(tagger.name, "tags were lost", (gap.begin_ps, gap.end_ps))
            for name, channel in channels.items():
                parts[name].append(chunk.t[chunk.ch == channel])
            marks += len(parts[SYNC][-1])
            if not marks and (chunk.t_end - begin) * 1e-12 > 10 * played.frame_s + 1.0:
                raise ProcedureError(f"no marks of {generator.name} arrive on {tagger.name}")
            run.checkpoint()
    generator.stop()
    return _sorted({name: np.concatenate(times) for name, times in parts.items()}, number)


def _sorted(tags: Mapping[str, Times], number: int) -> Frames:
    marks = tags[SYNC]
    frame, phase = {}, {}
    for name, times in tags.items():
        index = np.searchsorted(marks, times, side="right") - 1
        inside = (index >= 0) & (index < number)
        frame[name] = index[inside]
        phase[name] = times[inside] - marks[index[inside]]
    return Frames(number, frame, phase)
