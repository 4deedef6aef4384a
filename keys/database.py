"""The store's SQLite file: one writer, full sync, errors in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from qnlab.errors import StoreError
from qnlab.keys.errors import StoreFull, StoreIntegrity, StoreLocked

DATABASE = "store.sqlite"
_WRITER = "writer.lock"

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS blocks (
    sequence INTEGER PRIMARY KEY,
    block_id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'confirmed', 'discarded')),
    keys INTEGER NOT NULL,
    dropped_bits INTEGER NOT NULL,
    epsilon REAL NOT NULL,
    moved_bits INTEGER NOT NULL DEFAULT 0,
    data_key BLOB,
    check_key BLOB
) STRICT;
CREATE TABLE IF NOT EXISTS keys (
    sequence INTEGER PRIMARY KEY,
    key_id TEXT NOT NULL UNIQUE,
    block_id TEXT NOT NULL REFERENCES blocks (block_id),
    place INTEGER NOT NULL,
    direction INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('pending', 'available', 'reserved', 'delivered', 'moved', 'discarded')),
    pair TEXT,
    box BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS keys_by_state ON keys (state, direction, sequence);
CREATE INDEX IF NOT EXISTS keys_by_block ON keys (block_id, place);
CREATE TABLE IF NOT EXISTS authentication_cells (
    start INTEGER PRIMARY KEY, length INTEGER NOT NULL, box BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS authentication (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL,
    provisioned INTEGER NOT NULL,
    reserve_bits INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS ledger (
    sequence INTEGER PRIMARY KEY,
    time_s REAL NOT NULL,
    entry TEXT NOT NULL,
    block_id TEXT,
    bits INTEGER NOT NULL,
    epsilon REAL NOT NULL
) STRICT;
INSERT OR IGNORE INTO authentication VALUES (1, 0, 0, 0);
"""


class Database:
    """The writing end of a store; a second one, in any process, is refused.

    Parameters
    ----------
    folder : Path
        Existing folder of the store.

    Raises
    ------
    StoreLocked, StoreIntegrity, StoreFull, StoreError
        Named after what SQLite reported.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / DATABASE
        with in_words(folder):
            self._writer = _hold_writing_place(folder / _WRITER)
        try:
            with in_words(self.path):
                self._connection = _open_for_writing(self.path)
        except StoreError:
            self._writer.close()
            raise

    def close(self) -> None:
        """Give the writing place free."""
        self._connection.close()
        self._writer.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        with in_words(self.path):
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; on the disk when the block is left without an error."""
        with in_words(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def read_only(folder: Path) -> sqlite3.Connection:
    """A reading connection to the store in `folder`; works beside a writer."""
    path = folder / DATABASE
    with in_words(path):
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        connection.execute("SELECT count(*) FROM meta")
    return connection


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into the store's."""
    try:
        yield
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        match code:
            case sqlite3.SQLITE_FULL:
                raise StoreFull(
                    f"STORE_FULL: {path}: no space left, nothing was changed"
                ) from error
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                raise StoreLocked(f"{path}: another process is using this store") from error
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                raise StoreIntegrity(f"STORE_INTEGRITY: {path}: damaged ({error})") from error
            case _:
                raise StoreError(f"{path}: {error}") from error


def _hold_writing_place(path: Path) -> sqlite3.Connection:
    writer = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        writer.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error:
        writer.close()
        raise
    return writer


def _open_for_writing(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise StoreIntegrity(f"STORE_INTEGRITY: {path}: damaged ({damage})")
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    except (sqlite3.Error, StoreIntegrity):
        connection.close()
        raise
    return connection
