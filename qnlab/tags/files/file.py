"""`open_tags`: find the reader for a file by what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from qnlab.errors import FormatError
from qnlab.tags.chunk import TagChunk

READ = (
    "PicoQuant PTU",
    "qutools 10-byte",
    "S-Fifteen a0, a1 and a2",
    "Photon-HDF5",
    "Parquet with columns t and ch",
    "the segments and folders of runs",
)
_HEAD_BYTES = 16


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


def open_tags(path: str | Path, stream: str | None = None) -> TagFile:
    """Open a time-tag file of any known format, or a run folder, by what it holds.

    Parameters
    ----------
    path : str or Path
    stream : str, optional
        Tag stream of a run folder; needed if it has several.

    Raises
    ------
    FormatError
        Missing, empty, truncated, garbled, or of no known format.
    """
    path = Path(path)
    if path.is_dir():
        from qnlab.tags.files.arrow import RunFolder

        return RunFolder(path, stream)
    if stream is not None:
        raise FormatError(
            path, 0, f"has no stream {stream!r}: only the folder of a run has streams"
        )
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise FormatError(path, 0, f"cannot be read: {error.strerror}") from error
    return _by_content(path, head)


def _by_content(path: Path, head: bytes) -> TagFile:
    from qnlab.tags.files import arrow, photon_hdf5, ptu, qutools, sfifteen
    from qnlab.tags.files.block import BlockFile

    if head.startswith(ptu.MAGIC):
        return BlockFile(ptu.PtuFile(path))
    if head.startswith(photon_hdf5.MAGIC):
        return BlockFile(photon_hdf5.PhotonHdf5File(path))
    if head.startswith(arrow.PARQUET_MAGIC):
        ours = arrow.is_ours(path)
        return arrow.Segment(path, live=False) if ours else BlockFile(arrow.ParquetFile(path))
    if head.startswith(arrow.ARROW_MAGIC):
        return arrow.Segment(path, live=True)
    if head.startswith(qutools.MAGIC):
        return BlockFile(qutools.QutoolsFile(path))
    layout = sfifteen.recognise(path)
    if layout is not None:
        return BlockFile(sfifteen.SFifteenFile(path, layout))
    problem = f"no known time-tag file; read are {', '.join(READ)}"
    raise FormatError(path, 0, "empty" if not head else problem)
