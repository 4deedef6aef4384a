"""Audit log: JSON lines with a sequence, the hash of the line before, and an HMAC.

A line can be neither changed, removed, inserted nor reordered without the audit key. Lines cut off
the end are noticed because the store remembers the newest sequence that it committed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from qnlab.errors import StoreError
from qnlab.keys.errors import StoreFull, StoreIntegrity

LOG = "audit.jsonl"
_START = hashlib.sha256(b"").hexdigest()
_TAIL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Head:
    """Newest line: its sequence (0 for an empty log) and SHA-256."""

    sequence: int
    digest: str


class AuditLog:
    """Appends lines, each on the disk before `append` returns.

    Parameters
    ----------
    path : Path
        The log; made when absent. A last line that a crash left unfinished is removed.
    key : bytes
        HMAC-SHA256 key.

    Raises
    ------
    StoreIntegrity
        The last line is not one that this key signed.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._key = key
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise StoreError(f"{path}: cannot be opened: {error.strerror}") from error
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            self._end, self._head = self._find_end()
        except StoreIntegrity:
            self.close()
            raise

    @property
    def head(self) -> Head:
        """The newest line."""
        return self._head

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def append(self, event: str, data: dict[str, object]) -> Head:
        """Write one line; `data` must hold JSON values and no secret.

        Raises
        ------
        StoreFull
            No space: the log is as it was.
        """
        body = {
            "sequence": self._head.sequence + 1,
            "time_s": round(time.time(), 6),
            "event": event,
            **data,
            "previous": self._head.digest,
        }
        line = _canonical({**body, "mac": _mac(self._key, body)})
        try:
            written = self._file.write(line + b"\n")
            if written != len(line) + 1:
                raise OSError("short write")
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(self._end)
            raise StoreFull(f"STORE_FULL: {self._path}: cannot write ({error})") from error
        self._end += written
        self._head = Head(self._head.sequence + 1, hashlib.sha256(line).hexdigest())
        return self._head

    def _find_end(self) -> tuple[int, Head]:
        size = self._file.seek(0, os.SEEK_END)
        start = max(0, size - _TAIL_BYTES)
        self._file.seek(start)
        tail = self._file.read(size - start)
        whole = tail.rfind(b"\n") + 1
        if whole == 0 and start > 0:
            raise StoreIntegrity(f"STORE_INTEGRITY: {self._path}: the last line never ends")
        if whole != len(tail):
            self._file.truncate(start + whole)
        if whole == 0:
            return 0, Head(0, _START)
        last = tail[:whole].splitlines()[-1]
        body = _checked(self._path, 0, last, self._key)
        sequence = int(str(body["sequence"]))
        return start + whole, Head(sequence, hashlib.sha256(last).hexdigest())


def verify(path: Path, key: bytes, committed: int) -> int:
    """Check every line of the log; the number of lines.

    Parameters
    ----------
    path : Path
        The log.
    key : bytes
        HMAC-SHA256 key.
    committed : int
        Newest sequence that the store committed.

    Raises
    ------
    StoreIntegrity
        Names the first line that is wrong, or says that lines are missing at the end.
    """
    sequence, digest = 0, _START
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    for line in content.split(b"\n")[:-1]:
        body = _checked(path, sequence + 1, line, key)
        if body["sequence"] != sequence + 1 or body["previous"] != digest:
            raise StoreIntegrity(
                f"STORE_INTEGRITY: {path}: line {sequence + 1} does not follow the one before it"
            )
        sequence += 1
        digest = hashlib.sha256(line).hexdigest()
    if sequence < committed:
        raise StoreIntegrity(
            f"STORE_INTEGRITY: {path}: ends at line {sequence}, the store committed {committed}"
        )
    return sequence


def _canonical(body: dict[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _mac(key: bytes, body: dict[str, object]) -> str:
    return hmac.new(key, _canonical(body), hashlib.sha256).hexdigest()


def _checked(path: Path, number: int, line: bytes, key: bytes) -> dict[str, object]:
    where = f"STORE_INTEGRITY: {path}: {f'line {number}' if number else 'the last line'}"
    try:
        body = json.loads(line)
    except ValueError:
        raise StoreIntegrity(f"{where} is not JSON") from None
    if not isinstance(body, dict) or not {"sequence", "previous", "mac"} <= body.keys():
        raise StoreIntegrity(f"{where} lacks sequence, previous or mac")
    mac = body.pop("mac")
    if _canonical({**body, "mac": mac}) != line or not hmac.compare_digest(
        str(mac).encode(), _mac(key, body).encode()
    ):
        raise StoreIntegrity(f"{where} was changed: its HMAC is wrong")
    return body
