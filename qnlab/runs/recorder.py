"""Recording tag streams into the run folder, and reading them back."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qnlab.errors import StoreError
from qnlab.runs.disk import storing, sync_folder
from qnlab.runs.documents import STOP, EventLog
from qnlab.runs.manifest import Manifest, read_manifest

if TYPE_CHECKING:
    from qnlab.runs.segments import LiveSegment, Tail
    from qnlab.tags.chunk import TagChunk

ROTATE_BYTES = 256_000_000
ROTATE_PS = 10_000_000_000_000


class TagRecorder:
    """Writes the chunks of one stream into live segments, and seals those that are full.

    A segment is full at 256 MB or after 10 s of acquisition. Sealing goes on in a thread of its
    own; where the stream is faster, full segments wait for it on the disk, not the stream.
    """

    def __init__(
        self,
        folder: Path,
        stream: str,
        events: EventLog,
        manifest: Manifest,
        numbers: Iterator[int],
    ) -> None:
        from qnlab.tags.packed import warm_up

        warm_up()
        self._folder = folder
        self._numbers = numbers
        self._stream = stream
        self._events = events
        self._manifest = manifest
        self._lock = threading.Lock()
        self._disk = threading.Lock()
        self._live: LiveSegment | None = None
        self._ended: list[LiveSegment] = []
        self._begin_ps = 0
        self._next_seq: int | None = None
        self._first_of_live = 1
        self._sealer = ThreadPoolExecutor(1, thread_name_prefix=f"seal-{stream}")
        self._sealing: deque[Future[None]] = deque()
        self._descriptor = events.describe_external(stream, tag_data_key(stream))

    def write(self, chunk: TagChunk) -> None:
        """Append a chunk.

        Raises
        ------
        ValueError
            `chunk.seq` does not follow that of the chunk before.
        StoreError
            The disk does not take it.
        """
        from qnlab.runs.segments import LIVE, LiveSegment, segment_name

        with self._lock, storing(self._folder):
            if self._next_seq is not None and chunk.seq != self._next_seq:
                raise ValueError(
                    f"stream {self._stream!r}: chunk {chunk.seq} follows chunk "
                    f"{self._next_seq - 1}; none may be missing"
                )
            if self._live is not None and self._full(self._live, chunk):
                self._rotate(self._live)
            if self._live is None:
                name = segment_name(next(self._numbers), LIVE)
                self._live = LiveSegment(self._folder / name, self._stream)
                sync_folder(self._folder)
                self._begin_ps = chunk.t_begin
            self._live.write(chunk)
            self._next_seq = chunk.seq + 1

    def sync(self) -> None:
        """Return when all that was written is on the disk: it is acknowledged then.

        Raises
        ------
        StoreError
            The disk does not take it.
        """
        with self._disk, storing(self._folder):
            with self._lock:
                unsynced = [*self._ended, *([] if self._live is None else [self._live])]
            for segment in unsynced:
                segment.sync()

    def close(self) -> None:
        """Seal the last segment and wait for it.

        Raises
        ------
        StoreError
            The disk does not take it; live segments that could not be sealed are left and can be
            read.
        """
        with storing(self._folder):
            try:
                with self._lock:
                    if self._live is not None:
                        self._rotate(self._live)
                while self._sealing:
                    self._sealing.popleft().result()
            finally:
                self._sealer.shutdown()

    def _full(self, live: LiveSegment, chunk: TagChunk) -> bool:
        return live.size >= ROTATE_BYTES or chunk.t_end - self._begin_ps > ROTATE_PS

    def _rotate(self, live: LiveSegment) -> None:
        self._live = None
        try:
            live.finish()
        except OSError:
            live.close()
            raise
        self._ended.append(live)
        while self._sealing and self._sealing[0].done():
            self._sealing.popleft().result()
        first = self._first_of_live
        self._first_of_live += live.chunks
        self._sealing.append(self._sealer.submit(self._seal, live, first))

    def _seal(self, live: LiveSegment, first: int) -> None:
        with self._disk:
            with self._lock:
                self._ended.remove(live)
            live.close()
        name, facts = seal_segment(live.path, self._stream, self._manifest)
        documents = external_documents(name, facts, self._descriptor, first)
        self._events.external(self._stream, documents)


def tag_data_key(stream: str) -> dict[str, Any]:
    """Data key of a tag stream, for its descriptor."""
    return {"source": f"run:{stream}", "dtype": "array", "shape": [None], "dims": ["tag"]}


def seal_segment(live: Path, stream: str, manifest: Manifest) -> tuple[str, dict[str, Any]]:
    """Seal a live segment, enter it in the manifest, delete the live file; name and facts."""
    from qnlab.runs.segments import seal

    sealed, facts = seal(live, stream)
    sync_folder(sealed.parent)
    manifest.add(sealed.name, **facts)
    live.unlink()
    return sealed.name, facts


def external_documents(
    name: str,
    facts: Mapping[str, Any],
    descriptor: str,
    first: int,
    resource: str | None = None,
) -> list[tuple[str, dict[str, Any]]]:
    """The stream_resource and stream_datum of a sealed segment; an index is one chunk.

    Parameters
    ----------
    descriptor : str
        UID of the stream's descriptor.
    first : int
        Number of the segment's first chunk in the stream, from 1.
    resource : str, optional
        UID of the stream_resource if it is written already.
    """
    from qnlab.runs.segments import MIMETYPE

    resource = resource or str(uuid.uuid4())
    stop = first + facts["chunks"]
    return [
        (
            "stream_resource",
            {
                "uid": resource,
                "data_key": facts["stream"],
                "mimetype": MIMETYPE,
                "uri": name,
                "parameters": {"rows": facts["rows"], "columns": {"t": "int64 ps", "ch": "uint8"}},
            },
        ),
        (
            "stream_datum",
            {
                "uid": f"{resource}/0",
                "stream_resource": resource,
                "descriptor": descriptor,
                "indices": {"start": first - 1, "stop": stop - 1},
                "seq_nums": {"start": first, "stop": stop},
            },
        ),
    ]


def segments(folder: Path) -> list[Path]:
    """Segments of a run in the order they were written: sealed if finished, else live."""
    from qnlab.runs.segments import LIVE, SEALED, segment_number

    finished = {segment_number(folder / n) for n in read_manifest(folder) if n.endswith(SEALED)}
    live = (p for p in folder.glob(f"tags-*{LIVE}") if segment_number(p) not in finished)
    sealed = (p for p in folder.glob(f"tags-*{SEALED}") if segment_number(p) in finished)
    return sorted((*live, *sealed), key=segment_number)


def read_tags(folder: Path, stream: str) -> Iterator[TagChunk]:
    """Chunks of a stream of a run, one at a time, also while it is being written.

    What is missing at the end of a live segment is not there yet, or was not when the writer died.

    Raises
    ------
    StoreError
        The run has no such stream, a chunk between two others is missing, or a file is damaged.
    FormatError
        The checksum of a chunk is wrong.
    """
    from qnlab.runs.segments import SEALED, Tail, read_live, read_sealed, segment_stream

    own = [path for path in segments(folder) if segment_stream(path) == stream]
    if not own:
        raise StoreError(f"{folder}: no tags of stream {stream!r}")
    expected: int | None = None
    with storing(folder):
        for path in own:
            items = read_sealed(path) if path.suffix == SEALED else read_live(path)
            for item in items:
                if isinstance(item, Tail):
                    _check_tail(item, path, folder)
                    break
                if expected is not None and item.seq != expected:
                    raise StoreError(f"{path}: chunk {item.seq} follows chunk {expected - 1}")
                expected = item.seq + 1
                yield item


def _check_tail(tail: Tail, path: Path, folder: Path) -> None:
    if tail.torn_bytes and (folder / STOP).exists():
        raise StoreError(
            f"{path}: {tail.torn_bytes} bytes after chunk {tail.chunks} cannot be read, "
            "though the run has ended"
        )
