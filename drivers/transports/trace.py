"""What went over a link and when, one JSON line an event."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

Event = Literal["open", "write", "read", "error", "close"]


class Trace(Protocol):
    """Is told of everything that goes over a link, by the link's own thread."""

    def note(self, event: Event, data: bytes = b"", text: str = "") -> None:
        """Something happened now."""


class JsonlTrace:
    """A transcript: ``{"t": seconds since it began, "event": ..., "hex": ..., "text": ...}``.

    Parameters
    ----------
    path : Path
        Created; an earlier file is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._begin = time.monotonic()

    def note(self, event: Event, data: bytes = b"", text: str = "") -> None:
        line: dict[str, object] = {"t": round(time.monotonic() - self._begin, 6), "event": event}
        if data:
            line["hex"] = data.hex()
        if text:
            line["text"] = text
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
