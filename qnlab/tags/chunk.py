"""`TagChunk`, the unit in which time tags travel."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

MAX_TAGS = 131_072
MAX_SPAN_PS = 20_000_000_000


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of lost data, ``begin_ps <= t < end_ps``; `missed` maps channel to lost tags."""

    begin_ps: int
    end_ps: int
    missed: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Marker:
    """An event that is no photon: ``overflow_begin``, ``overflow_end``, ``settings``, ..."""

    time_ps: int
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TagChunk:
    """A stretch ``t_begin <= t < t_end`` of one tag stream.

    Parameters
    ----------
    t : ndarray of int64, shape (n,)
        Times in ps, non-decreasing.
    ch : ndarray of uint8, shape (n,)
        Channels.
    t_begin, t_end : int
        Stretch covered, ps; `t_end` is the watermark: no later chunk holds an older tag.
    seq : int
        Counts up by one from chunk to chunk of a stream.
    clock_id : str
        Whose clock the times are read on.
    gaps : tuple of Gap
        Lost stretches inside ``[t_begin, t_end)``.
    markers : tuple of Marker
        Events that are no photons.
    """

    t: npt.NDArray[np.int64]
    ch: npt.NDArray[np.uint8]
    t_begin: int
    t_end: int
    seq: int
    clock_id: str
    gaps: tuple[Gap, ...] = ()
    markers: tuple[Marker, ...] = ()

    def __len__(self) -> int:
        return len(self.t)

    @property
    def live_ps(self) -> int:
        """Covered time less the gaps, ps."""
        return self.t_end - self.t_begin - sum(g.end_ps - g.begin_ps for g in self.gaps)
