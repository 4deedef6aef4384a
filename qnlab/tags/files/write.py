"""Writing time-tag files: PicoQuant PTU (T2), Parquet and S-Fifteen a1."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from qnlab.errors import QnlabError
from qnlab.tags.chunk import TagChunk
from qnlab.tags.files.file import TagFile
from qnlab.tags.files.ptu_write import GENERIC_T2, HYDRAHARP_2_T2, write_ptu
from qnlab.tags.files.sfifteen import DETECTORS, ROLL_OVER, to_ticks
from qnlab.tags.files.unfit import UnfitForFormat

Progress = Callable[[float | None, str], None]
_TAGS_A_MESSAGE = 10_000_000
_LAST_A1_PS = (ROLL_OVER - 1) * 1000 // 256


@dataclass(frozen=True, slots=True)
class Written:
    """What was written, and what of the input the format cannot hold."""

    tags: int
    dropped_gaps: int
    dropped_markers: int


def convert_tags(source: TagFile, out: Path, name: str, progress: Progress) -> Written:
    """Write all tags of `source` into the file `out`, which appears when it is complete.

    Parameters
    ----------
    source : TagFile
    out : Path
        Replaced if it exists.
    name : str
        One of `WRITERS`.
    progress : callable
        Called with a fraction (None, for the end is not known) and a message.

    Raises
    ------
    UnfitForFormat
        A channel or time that the format cannot hold.
    FormatError
        The source is damaged.
    QnlabError
        `out` cannot be written.
    """
    part = out.with_name(out.name + ".part")
    try:
        with part.open("wb") as file:
            written = WRITERS[name](file, _telling(source.chunks(), progress))
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as error:
        raise QnlabError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return written


def _telling(chunks: Iterable[TagChunk], progress: Progress) -> Iterator[TagChunk]:
    tags = told = 0
    for chunk in chunks:
        yield chunk
        tags += len(chunk)
        if tags - told >= _TAGS_A_MESSAGE:
            told = tags
            progress(None, f"{tags // 1_000_000} million tags")


def _write_generic_t2(file: BinaryIO, chunks: Iterable[TagChunk]) -> Written:
    return Written(*write_ptu(file, chunks, GENERIC_T2))


def _write_hydraharp_2_t2(file: BinaryIO, chunks: Iterable[TagChunk]) -> Written:
    return Written(*write_ptu(file, chunks, HYDRAHARP_2_T2))


def _write_parquet(file: BinaryIO, chunks: Iterable[TagChunk]) -> Written:
    from qnlab.runs.segments import write_sealed

    return Written(write_sealed(file, chunks, "tags")["rows"], 0, 0)


def _write_a1(file: BinaryIO, chunks: Iterable[TagChunk]) -> Written:
    """Channel n of 1 to 4 becomes detector n; times are rounded to 1/256 ns, one event a tag."""
    tags = gaps = markers = 0
    for chunk in chunks:
        if len(chunk):
            if not 1 <= int(chunk.ch.min()) <= int(chunk.ch.max()) <= DETECTORS:
                wrong = int(chunk.ch[(chunk.ch < 1) | (chunk.ch > DETECTORS)][0])
                raise UnfitForFormat(f"a1 holds channels 1 to {DETECTORS}, not {wrong}")
            if chunk.t[0] < 0 or chunk.t[-1] > _LAST_A1_PS:
                raise UnfitForFormat(
                    f"a1 holds times of 0 to {_LAST_A1_PS} ps (19.5 h), "
                    f"not {chunk.t[0]} to {chunk.t[-1]}"
                )
            pattern = np.left_shift(1, chunk.ch.astype(np.int64) - 1)
            file.write(((to_ticks(chunk.t) << 10) | pattern).astype("<u8").tobytes())
        tags += len(chunk)
        gaps += len(chunk.gaps)
        markers += len(chunk.markers)
    return Written(tags, gaps, markers)


WRITERS: dict[str, Callable[[BinaryIO, Iterable[TagChunk]], Written]] = {
    "ptu": _write_generic_t2,
    "ptu-hydraharp2": _write_hydraharp_2_t2,
    "parquet": _write_parquet,
    "a1": _write_a1,
}
