"""What a reader hands on: decoded blocks of a file, and the two things made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from qnlab.tags.chunk import Marker, TagChunk
from qnlab.tags.files.file import FileInfo
from qnlab.tags.files.split import split

LATEST_PS = 2**62
"""Times from here on are refused: no measurement lasts 53 days."""


@dataclass(frozen=True, slots=True)
class Block:
    """A decoded stretch of a file.

    Parameters
    ----------
    t, ch : ndarray, shape (n,)
        Times in ps, in any order, none negative, and channels.
    watermark : int
        No later block holds an older tag, ps.
    records, overflows : int
        Records of all kinds, and roll-overs of the time.
    markers : tuple of Marker
        Events that are no photons.
    """

    t: npt.NDArray[np.int64]
    ch: npt.NDArray[np.uint8]
    watermark: int
    records: int
    overflows: int = 0
    markers: tuple[Marker, ...] = ()


class Reader(Protocol):
    """A file format: how to decode it."""

    @property
    def path(self) -> Path:
        """Where the file lies."""

    @property
    def format(self) -> str:
        """Name of the record format."""

    @property
    def resolution_ps(self) -> float:
        """Smallest time step, ps."""

    def blocks(self) -> Iterator[Block]:
        """Decode the file anew; raises FormatError at what cannot be."""


class BlockFile:
    """A `TagFile` by way of a reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._reader.path

    def info(self) -> FileInfo:
        """Count the whole file; raises FormatError at what cannot be."""
        tally = Tally()
        records = overflows = 0
        for block in self._reader.blocks():
            records += block.records
            overflows += block.overflows
            tally.add(block.t, block.ch)
        return tally.info(
            self._reader.format, self._reader.resolution_ps, records=records, overflows=overflows
        )

    def chunks(self) -> Iterator[TagChunk]:
        """Yield the tags in time order; raises FormatError at what cannot be."""
        blocks = self._reader.blocks()
        return split(
            ((block.t, block.ch, block.markers, block.watermark) for block in blocks),
            clock_id=self.path.name,
        )


class Tally:
    """Counts tags a channel, and the first and the last."""

    def __init__(self) -> None:
        self._counts = np.zeros(256, dtype=np.int64)
        self._first: int | None = None
        self._last: int | None = None

    def add(self, t: npt.NDArray[np.int64], ch: npt.NDArray[np.uint8]) -> None:
        """Count the tags of a block or chunk."""
        self._counts += np.bincount(ch, minlength=256)
        if len(t):
            oldest, newest = int(t.min()), int(t.max())
            self._first = oldest if self._first is None else min(self._first, oldest)
            self._last = newest if self._last is None else max(self._last, newest)

    def info(
        self,
        name: str,
        resolution_ps: float,
        *,
        records: int | None = None,
        overflows: int = 0,
        gaps: int = 0,
    ) -> FileInfo:
        """The sum; a record is a tag if `records` is not given."""
        tags = int(self._counts.sum())
        return FileInfo(
            format=name,
            records=tags if records is None else records,
            tags=tags,
            overflows=overflows,
            channels={int(c): int(self._counts[c]) for c in np.flatnonzero(self._counts)},
            resolution_ps=round(resolution_ps, 6),
            first_ps=self._first,
            last_ps=self._last,
            gaps=gaps,
        )


def tally_chunks(chunks: Iterable[TagChunk], name: str) -> FileInfo:
    """Count a stream of chunks, with its gaps; times are exact to 1 ps."""
    tally = Tally()
    gaps = 0
    for chunk in chunks:
        tally.add(chunk.t, chunk.ch)
        gaps += len(chunk.gaps)
    return tally.info(name, 1.0, gaps=gaps)
