"""Our own files (run folders, live and sealed segments), and Parquet files of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from qnlab.errors import FormatError, StoreError
from qnlab.tags.chunk import TagChunk
from qnlab.tags.files.block import LATEST_PS, Block, tally_chunks
from qnlab.tags.files.file import FileInfo

PARQUET_MAGIC = b"PAR1"
ARROW_MAGIC = b"\xff\xff\xff\xff"
_BLOCK = 131_072


class RunFolder:
    """A tag stream of a run.

    Parameters
    ----------
    path : Path
        The run's folder.
    stream : str, optional
        Which stream; needed if the run has several.

    Raises
    ------
    FormatError
        No run, or not one such stream.
    """

    def __init__(self, path: Path, stream: str | None) -> None:
        from qnlab.runs.recorder import segments
        from qnlab.runs.segments import segment_stream

        self.path = path
        if not (path / "start.json").exists():
            raise FormatError(path, 0, "is a folder without start.json, so not a run")
        found = {segment_stream(segment) for segment in segments(path)}
        names = sorted(name for name in found if name is not None)
        if stream is None and len(names) != 1:
            have = ", ".join(names) or "none"
            raise FormatError(path, 0, f"name one tag stream of the run, which has {have}")
        if stream is not None and stream not in names:
            have = ", ".join(names) or "none"
            raise FormatError(path, 0, f"no tag stream {stream!r} in the run, which has {have}")
        self._stream = stream or names[0]

    def info(self) -> FileInfo:
        """Count the whole stream."""
        return tally_chunks(self.chunks(), f"qnlab run, stream {self._stream}")

    def chunks(self) -> Iterator[TagChunk]:
        """Yield the chunks as they were recorded; raises StoreError if one is damaged."""
        from qnlab.runs.recorder import read_tags

        return read_tags(self.path, self._stream)


class Segment:
    """One segment of a run, or a Parquet file that `qnlab tags convert` wrote."""

    def __init__(self, path: Path, *, live: bool) -> None:
        self.path = path
        self._live = live

    def info(self) -> FileInfo:
        """Count the whole file; raises FormatError if it is damaged."""
        kind = "live segment" if self._live else "Parquet"
        return tally_chunks(self.chunks(), f"qnlab {kind}")

    def chunks(self) -> Iterator[TagChunk]:
        """Yield the chunks as they were written; raises FormatError at what is damaged."""
        from qnlab.runs.segments import Tail, read_live, read_sealed

        try:
            for item in read_live(self.path) if self._live else read_sealed(self.path):
                if not isinstance(item, Tail):
                    yield item
                elif item.torn_bytes:
                    at = self.path.stat().st_size - item.torn_bytes
                    problem = f"truncated or garbled after {item.chunks} chunks"
                    raise FormatError(self.path, at, problem)
        except StoreError as error:
            raise FormatError(self.path, 0, str(error).removeprefix(f"{self.path}: ")) from error


class ParquetFile:
    """A Parquet file of anybody: column ``t`` (int64, ps, in time order) and column ``ch``.

    Raises
    ------
    FormatError
        Garbled, or other columns; Parquet does not tell the offset, it is given as 0.
    """

    format = "Parquet"
    resolution_ps = 1.0

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self.path = path
        schema = _opened(path).schema_arrow
        kinds = {name: schema.field(name).type for name in ("t", "ch") if name in schema.names}
        if kinds.get("t") != pa.int64() or not pa.types.is_integer(kinds.get("ch", pa.null())):
            have = ", ".join(f"{field.name} {field.type}" for field in schema)
            problem = f"needs the columns t (int64, ps) and ch (an integer); it has {have}"
            raise FormatError(path, 0, problem)

    def blocks(self) -> Iterator[Block]:
        """Decode the file; raises FormatError at a row that cannot be."""
        import pyarrow as pa

        newest = row = 0
        try:
            batches = _opened(self.path).iter_batches(
                _BLOCK, columns=["t", "ch"], use_threads=False
            )
            for batch in batches:
                if batch.column("t").null_count or batch.column("ch").null_count:
                    raise FormatError(self.path, 0, f"a null in rows from {row} on")
                t, ch = batch.column("t").to_numpy(), batch.column("ch").to_numpy()
                wrong = np.diff(np.concatenate(([newest], t))) < 0
                wrong |= (t >= LATEST_PS) | (t < 0) | (ch < 0) | (ch > 255)
                if wrong.any():
                    bad = int(wrong.argmax())
                    problem = "time goes back, or is not in 0..2^62, or the channel not in 0..255"
                    text = f"row {row + bad}: time {t[bad]}, channel {ch[bad]}: {problem}"
                    raise FormatError(self.path, 0, text)
                newest = int(t[-1]) if len(t) else newest
                row += len(t)
                yield Block(t, ch.astype(np.uint8), watermark=newest, records=len(t))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise FormatError(self.path, 0, f"garbled Parquet: {error}") from error


def is_ours(path: Path) -> bool:
    """Whether a Parquet file holds the list of chunks that ours have."""
    return b"qnlab.chunks" in (_opened(path).metadata.metadata or {})


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FormatError(path, 0, f"truncated or garbled Parquet: {error}") from error
