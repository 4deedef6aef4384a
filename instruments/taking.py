"""`Take`: one tag stream on its way into a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from qnlab.errors import Timeout
from qnlab.tags.cut import cut

if TYPE_CHECKING:
    from qnlab.instruments.roles import TagStream
    from qnlab.runs import TagRecorder

_SLICE_S = 0.2
_PATIENCE_S = 10.0


class Take:
    """Records a stream until its own clock has gone on by a duration.

    Parameters
    ----------
    name : str
        Name of the stream.
    stream : TagStream
        A running acquisition.
    recorder : TagRecorder
        Where its chunks go.
    duration_ps : int
        How much of it, ps.
    """

    def __init__(
        self, name: str, stream: TagStream, recorder: TagRecorder, duration_ps: int
    ) -> None:
        self._name = name
        self._stream = stream
        self._recorder = recorder
        self._duration_ps = duration_ps
        self._counts = np.zeros(256, np.int64)
        self._gaps = self._missed = 0
        self.recorded_ps = 0
        self.chunks = 0

    @property
    def left(self) -> bool:
        """Whether more is to be recorded."""
        return self.recorded_ps < self._duration_ps

    def step(self, waiting: Callable[[], None]) -> None:
        """Record the next chunk, or what of it lies within the duration.

        Parameters
        ----------
        waiting : callable
            Called a few times a second while no chunk comes; what it raises ends the wait.

        Raises
        ------
        Timeout
            No chunk within 10 s.
        StoreError
            The disk does not take it.
        """
        waited = 0.0
        while True:
            try:
                chunk = self._stream.read(_SLICE_S)
                break
            except Timeout:
                waited += _SLICE_S
                if waited >= _PATIENCE_S:
                    raise
                waiting()
        part = cut(chunk, chunk.t_begin, chunk.t_begin + self._duration_ps - self.recorded_ps)
        self._recorder.write(part)
        self.recorded_ps += part.t_end - part.t_begin
        self.chunks += 1
        self._counts += np.bincount(part.ch, minlength=256)
        self._gaps += len(part.gaps)
        self._missed += sum(sum(gap.missed.values()) for gap in part.gaps)

    def figures(self) -> dict[str, object]:
        """What was recorded: stream, duration, tags in all and by channel, gaps, missed tags."""
        return {
            "stream": self._name,
            "duration_s": self.recorded_ps / 1e12,
            "tags": int(self._counts.sum()),
            "channels": {str(n): int(self._counts[n]) for n in np.flatnonzero(self._counts)},
            "gaps": self._gaps,
            "missed": self._missed,
        }
