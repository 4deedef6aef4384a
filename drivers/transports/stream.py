"""`ByteStream`: what a link needs of a connection."""

from __future__ import annotations

from typing import Protocol


class ByteStream(Protocol):
    """A connection that carries bytes; used by one thread only.

    Every method raises `qnlab.errors.Disconnected` if the other side is not there or went away, and
    no error of the library below.
    """

    def open(self, timeout_s: float) -> None:
        """Connect; a connection that is open is closed first."""

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all of `data`.

        Raises
        ------
        Timeout
            Not all could be sent within `timeout_s`.
        """

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, waiting for at most `timeout_s` (0: not at all)."""

    def close(self) -> None:
        """Hang up. Idempotent, never fails."""
