"""`open_tags`: find the reader for a file by its first bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from qnlab.errors import FormatError
from qnlab.tags.chunk import TagChunk


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a whole file holds.

    Parameters
    ----------
    format : str
        Name of the file's record format.
    records, tags, overflows : int
        Records of all kinds, photons and sync events, and roll-over records.
    channels : dict of int to int
        Tags a channel.
    resolution_ps : float
        Smallest time step, ps.
    first_ps, last_ps : int or None
        First and last tag; None without tags.
    gaps : int
        Stretches of lost data.
    """

    format: str
    records: int
    tags: int
    overflows: int
    channels: dict[int, int]
    resolution_ps: float
    first_ps: int | None
    last_ps: int | None
    gaps: int


class TagFile(Protocol):
    """A time-tag file; each call reads the file anew, in constant memory."""

    @property
    def path(self) -> Path:
        """Where the file lies."""

    def info(self) -> FileInfo:
        """Count the whole file."""

    def chunks(self) -> Iterator[TagChunk]:
        """Yield the tags in time order, equal times with the lower channel first."""


def open_tags(path: str | Path) -> TagFile:
    """Open a time-tag file of any known format.

    Raises
    ------
    FormatError
        Missing, not a file, empty, or of no known format.
    """
    from qnlab.tags.files.ptu import MAGIC, PtuFile

    path = Path(path)
    if path.is_dir():
        raise FormatError(path, 0, "is a folder, not a time-tag file")
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except OSError as error:
        raise FormatError(path, 0, f"cannot be read: {error.strerror}") from error
    if head != MAGIC:
        raise FormatError(path, 0, f"no known time-tag file: a PTU file begins with {MAGIC!r}")
    return PtuFile(path)
