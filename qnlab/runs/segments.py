"""Files of time tags: live segments (Arrow IPC streams) and sealed ones (Parquet).

A record batch of a live segment is one `TagChunk`: its tags in the column ``packed`` (uint32, see
`qnlab.tags.packed`), and in its metadata the rest of the chunk as JSON and a CRC-32 of both. A
sealed segment holds the columns ``t`` (int64, ps) and ``ch`` (uint8) in larger groups, the chunks'
JSON in the metadata of the file, and its SHA-256 in the manifest of the run.
"""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from qnlab.errors import FormatError, StoreError
from qnlab.runs.disk import append
from qnlab.tags.chunk import MAX_TAGS, Gap, Marker, TagChunk
from qnlab.tags.packed import CODES, WORDS_A_TAG, pack, unpack

LIVE, SEALED = ".arrows", ".parquet"
MIMETYPE = "application/vnd.apache.parquet"

_PACKED = [pa.field("packed", pa.uint32(), nullable=False)]
_COLUMNS = [pa.field("t", pa.int64(), nullable=False), pa.field("ch", pa.uint8(), nullable=False)]
_GROUP_ROWS = 1 << 20
_BINARY = getattr(os, "O_BINARY", 0)
_CHUNK, _CRC, _STREAM, _CHUNKS = b"qnlab.chunk", b"qnlab.crc32", b"qnlab.stream", b"qnlab.chunks"


def segment_name(number: int, suffix: str) -> str:
    """File name of a segment; numbers count up over all streams of a run."""
    return f"tags-{number:06d}{suffix}"


def segment_number(path: Path) -> int:
    """Number in a segment's file name."""
    return int(path.name.removesuffix(path.suffix).rpartition("-")[2])


def _schema(columns: list[Any], stream: str) -> Any:
    return pa.schema(columns, metadata={_STREAM: stream.encode()})


class LiveSegment:
    """The segment that is being written: whole chunks only, also when the disk is full."""

    def __init__(self, path: Path, stream: str) -> None:
        self.path = path
        self.chunks = 0
        self.size = 0
        self._ended = False
        self._schema = _schema(_PACKED, stream)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o644)
        self._message = io.BytesIO()
        self._writer = pa.ipc.new_stream(self._message, self._schema)
        self._words = np.empty(WORDS_A_TAG * MAX_TAGS, np.uint32)
        self._channels = np.empty(CODES, np.uint8)

    def write(self, chunk: TagChunk) -> None:
        """Append a chunk and hand it to the operating system."""
        if len(self._words) < WORDS_A_TAG * len(chunk):
            self._words = np.empty(WORDS_A_TAG * len(chunk), np.uint32)
        t, ch = np.ascontiguousarray(chunk.t), np.ascontiguousarray(chunk.ch)
        used, codes = pack(t, ch, chunk.t_begin, self._words, self._channels)
        words = self._words[:used]
        packing = {"rows": len(t), "codes": self._channels[:codes].tolist()}
        described = json.dumps({**_facts(chunk), **packing}, separators=(",", ":")).encode()
        batch = pa.record_batch([pa.array(words)], schema=self._schema)
        crc = str(_crc(described, words)).encode()
        self._writer.write_batch(batch, custom_metadata={_CHUNK: described, _CRC: crc})
        self._append()
        self.chunks += 1

    def sync(self) -> None:
        """Return when all that was written is on the disk; another thread may write meanwhile."""
        os.fsync(self._handle)

    def finish(self) -> None:
        """End the stream: nothing more is written. `close` has yet to follow."""
        self._ended = True
        self._writer.close()
        self._append()

    def close(self) -> None:
        """End the stream if it has not ended, bring it to the disk and close the file."""
        try:
            if not self._ended:
                self.finish()
            self.sync()
        finally:
            os.close(self._handle)

    def _append(self) -> None:
        try:
            with self._message.getbuffer() as message:
                append(self._handle, message)
                self.size += len(message)
        finally:
            self._message.seek(0)
            self._message.truncate()


@dataclass(frozen=True, slots=True)
class Tail:
    """How a live segment ends: `torn_bytes` after the last whole chunk could not be read."""

    chunks: int
    torn_bytes: int


def segment_stream(path: Path) -> str | None:
    """Stream that a segment belongs to; None if the file was torn before it could say so.

    Raises
    ------
    StoreError
        A sealed segment that cannot be read.
    """
    if path.suffix == SEALED:
        with _open_sealed(path) as file:
            return str(file.schema_arrow.metadata[_STREAM].decode())
    with pa.OSFile(str(path)) as source:
        try:
            metadata = pa.ipc.open_stream(source).schema.metadata or {}
            return str(metadata[_STREAM].decode())
        except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError):
            return None


def read_live(path: Path) -> Iterator[TagChunk | Tail]:
    """Whole chunks of a live segment, then its `Tail`.

    Raises
    ------
    FormatError
        A chunk is whole but its checksum is wrong; names the byte at which it begins.
    """
    size = path.stat().st_size
    chunks = good = 0
    with pa.OSFile(str(path)) as source:
        try:
            reader = pa.ipc.open_stream(source)
            if reader.schema != pa.schema(_PACKED):
                raise FormatError(path, 0, "no live segment: it has not the one column packed")
            good = source.tell()
            while True:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
                yield _checked(batch, metadata, path, good)
                chunks, good = chunks + 1, source.tell()
        except StopIteration:
            good = source.tell()
        except (pa.ArrowException, OSError):
            pass
    yield Tail(chunks, max(size - good, 0))


def _checked(batch: Any, metadata: Any, path: Path, offset: int) -> TagChunk:
    try:
        described, crc = metadata[_CHUNK], metadata[_CRC]
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        problem = "a record without the description of its chunk"
        raise FormatError(path, offset, problem) from error
    words = batch.column(0).to_numpy()
    if crc != str(_crc(described, words)).encode():
        raise FormatError(path, offset, "the checksum of a chunk is wrong; the file was changed")
    facts = json.loads(described)
    t, ch = np.empty(facts["rows"], np.int64), np.empty(facts["rows"], np.uint8)
    codes = np.array(facts["codes"], np.uint8)
    if unpack(words, codes, facts["t_begin"], t, ch) != len(t):
        raise FormatError(path, offset, f"a chunk does not hold the {len(t)} tags it tells of")
    return _chunk(facts, t, ch)


def seal(live: Path, stream: str) -> tuple[Path, dict[str, Any]]:
    """Turn a live segment into a sealed one; the live one stays.

    Returns
    -------
    path : Path
        The sealed segment, on the disk and under its final name.
    facts : dict
        ``stream``, ``chunks``, ``rows``, ``first_seq``, and ``torn_bytes`` if the end was torn.

    Raises
    ------
    FormatError
        A chunk's checksum is wrong.
    OSError
        The disk does not take it; nothing is left of the attempt.
    """
    sealed = live.with_suffix(SEALED)
    part = sealed.with_name(sealed.name + ".part")
    tails: list[Tail] = []
    try:
        with part.open("wb") as file:
            facts = write_sealed(file, _whole(live, tails), stream)
            file.flush()
            os.fsync(file.fileno())
        part.replace(sealed)
    except (OSError, FormatError):
        part.unlink(missing_ok=True)
        raise
    torn = sum(tail.torn_bytes for tail in tails)
    return sealed, facts | ({"torn_bytes": torn} if torn else {})


def _whole(live: Path, tails: list[Tail]) -> Iterator[TagChunk]:
    """Chunks of a live segment; its tail goes to `tails`."""
    for item in read_live(live):
        if isinstance(item, Tail):
            tails.append(item)
        else:
            yield item


def write_sealed(file: BinaryIO, chunks: Iterable[TagChunk], stream: str) -> dict[str, Any]:
    """Write chunks as a sealed segment into an open file.

    Returns
    -------
    dict
        ``stream``, ``chunks``, ``rows``, ``first_seq``.
    """
    described: list[dict[str, Any]] = []
    schema = _schema(_COLUMNS, stream)
    total = 0
    with pq.ParquetWriter(
        file,
        schema,
        compression="none",
        use_dictionary=["ch"],
        column_encoding={"t": "DELTA_BINARY_PACKED"},
        write_statistics=False,
        write_page_checksum=True,
    ) as writer:
        waiting: list[TagChunk] = []
        rows = 0
        for chunk in chunks:
            described.append({"rows": len(chunk), **_facts(chunk)})
            waiting.append(chunk)
            rows += len(chunk)
            if rows >= _GROUP_ROWS:
                _write_group(writer, schema, waiting)
                total += rows
                waiting, rows = [], 0
        if waiting:
            _write_group(writer, schema, waiting)
            total += rows
        text = json.dumps(described).encode()
        writer.add_key_value_metadata({_CHUNKS: text, _CRC: str(zlib.crc32(text)).encode()})
    return {
        "stream": stream,
        "chunks": len(described),
        "rows": total,
        "first_seq": described[0]["seq"] if described else None,
    }


def _write_group(writer: Any, schema: Any, chunks: list[TagChunk]) -> None:
    t = np.concatenate([chunk.t for chunk in chunks])
    ch = np.concatenate([chunk.ch for chunk in chunks])
    table = pa.table([pa.array(t), pa.array(ch)], schema=schema)
    writer.write_table(table, row_group_size=max(len(t), 1))


def read_sealed(path: Path) -> Iterator[TagChunk]:
    """Chunks of a sealed segment, as they were written.

    Raises
    ------
    StoreError
        The file is garbled, or its rows are not those of its chunks.
    """
    with _open_sealed(path) as file:
        described = _chunk_list(file, path)
        rows = _Rows(file, path)
        for facts in described:
            yield _chunk(facts, *rows.take(facts["rows"]))


def _chunk_list(file: Any, path: Path) -> list[dict[str, Any]]:
    metadata = file.metadata.metadata or {}
    text = metadata.get(_CHUNKS, b"")
    if metadata.get(_CRC) != str(zlib.crc32(text)).encode():
        raise StoreError(f"{path}: the checksum of the list of its chunks is wrong")
    described: list[dict[str, Any]] = json.loads(text)
    rows = sum(d["rows"] for d in described)
    if rows != file.metadata.num_rows:
        raise StoreError(f"{path}: its chunks and its rows differ in number")
    return described


class _Rows:
    """Rows of a Parquet file in pieces of any size, one row group in memory at a time."""

    def __init__(self, file: Any, path: Path) -> None:
        self._file = file
        self._path = path
        self._group = 0
        self._t = np.empty(0, np.int64)
        self._ch = np.empty(0, np.uint8)

    def take(self, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        while len(self._t) < count:
            if self._group == self._file.num_row_groups:
                raise StoreError(f"{self._path}: its row groups hold fewer rows than its chunks")
            self._load()
        t, ch = self._t[:count], self._ch[:count]
        self._t, self._ch = self._t[count:], self._ch[count:]
        return t, ch

    def _load(self) -> None:
        try:
            table = self._file.read_row_group(self._group, use_threads=False)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{self._path}: row group {self._group}: {error}") from error
        if table.column_names != ["t", "ch"] or table.schema.types != [pa.int64(), pa.uint8()]:
            raise StoreError(f"{self._path}: row group {self._group} has not the columns t and ch")
        self._group += 1
        self._t = np.concatenate([self._t, table.column("t").to_numpy()])
        self._ch = np.concatenate([self._ch, table.column("ch").to_numpy()])


def _open_sealed(path: Path) -> Any:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error


def _crc(described: bytes, words: npt.NDArray[np.uint32]) -> int:
    return zlib.crc32(words.data, zlib.crc32(described))


def _facts(chunk: TagChunk) -> dict[str, Any]:
    """A chunk without its tags."""
    return {
        "t_begin": chunk.t_begin,
        "t_end": chunk.t_end,
        "seq": chunk.seq,
        "clock_id": chunk.clock_id,
        "gaps": [[g.begin_ps, g.end_ps, list(g.missed.items())] for g in chunk.gaps],
        "markers": [[m.time_ps, m.kind, m.detail] for m in chunk.markers],
    }


def _chunk(facts: dict[str, Any], t: npt.NDArray[np.int64], ch: npt.NDArray[np.uint8]) -> TagChunk:
    return TagChunk(
        t=t,
        ch=ch,
        t_begin=facts["t_begin"],
        t_end=facts["t_end"],
        seq=facts["seq"],
        clock_id=facts["clock_id"],
        gaps=tuple(Gap(begin, end, dict(missed)) for begin, end, missed in facts["gaps"]),
        markers=tuple(Marker(*marker) for marker in facts["markers"]),
    )
