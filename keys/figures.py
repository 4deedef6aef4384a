"""Counts and sums of a store, and the reader that needs no secret to make them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qnlab.errors import StoreError
from qnlab.keys.database import DATABASE, in_words, read_only

KEY_STATES = ("pending", "available", "reserved", "delivered", "moved", "discarded")
BLOCK_STATES = ("pending", "confirmed", "discarded")
Rows = Callable[..., list[sqlite3.Row]]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of one store, no key bits.

    Parameters
    ----------
    keys : dict of str to int
        Keys in each state: pending, available, reserved, delivered, moved (to authentication),
        discarded.
    blocks : dict of str to int
        Blocks in each state: pending, confirmed, discarded.
    dropped_bits : int
        Bits of blocks beyond the last whole key.
    produced_bits, delivered_bits, authentication_consumed_bits : int
        Totals of the ledger.
    authentication_remaining_bits : int
        Left in the pool.
    epsilon_total : float
        Failure probability of all key ever made available, added up over blocks.
    """

    keys: dict[str, int]
    blocks: dict[str, int]
    dropped_bits: int
    produced_bits: int
    delivered_bits: int
    authentication_consumed_bits: int
    authentication_remaining_bits: int
    epsilon_total: float


def statistics(rows: Rows) -> Statistics:
    """Collect the figures through `rows`, which runs one query."""
    pool = rows("SELECT * FROM authentication")[0]
    return Statistics(
        keys=_counts(rows, "keys", KEY_STATES),
        blocks=_counts(rows, "blocks", BLOCK_STATES),
        dropped_bits=_bits(rows, "dropped"),
        produced_bits=_bits(rows, "produced"),
        delivered_bits=_bits(rows, "delivered"),
        authentication_consumed_bits=_bits(rows, "authentication_consumed"),
        authentication_remaining_bits=8 * (pool["provisioned"] - pool["position"]),
        epsilon_total=epsilon_total(rows),
    )


def epsilon_total(rows: Rows) -> float:
    """Failure probabilities of all blocks ever made available, added up (union bound)."""
    query = "SELECT total(epsilon) FROM ledger WHERE entry = 'produced'"
    return float(rows(query)[0][0])


class StoreReader:
    """Reads a store without its key-encryption key, also while another process writes.

    Use `reading`.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection
        self._meta = {row["name"]: row["value"] for row in self._rows("SELECT * FROM meta")}
        if not self._meta:
            raise StoreError(f"{folder}: the store was never finished; open it for writing once")

    @property
    def meta(self) -> dict[str, str]:
        """Site, link, simulated, protection and what else the store knows of itself."""
        return dict(self._meta)

    def statistics(self) -> Statistics:
        """Counts and sums."""
        return statistics(self._rows)

    def blocks(self) -> list[dict[str, object]]:
        """All blocks, oldest first: id, state, keys, dropped bits, epsilon."""
        query = "SELECT block_id, state, keys, dropped_bits, epsilon FROM blocks ORDER BY sequence"
        return [dict(row) for row in self._rows(query)]

    def keys(self, limit: int) -> list[dict[str, object]]:
        """The newest `limit` keys: id, block, state and pair."""
        query = "SELECT key_id, block_id, state, pair FROM keys ORDER BY sequence DESC LIMIT ?"
        return [dict(row) for row in self._rows(query, limit)]

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with in_words(self.folder / DATABASE):
            return self._connection.execute(query, values).fetchall()


@contextmanager
def reading(folder: Path) -> Iterator[StoreReader]:
    """Open the store in `folder` for reading.

    Raises
    ------
    StoreError
        There is no store, or it is damaged.
    """
    connection = read_only(folder)
    try:
        yield StoreReader(folder, connection)
    finally:
        connection.close()


def _counts(rows: Rows, table: str, states: tuple[str, ...]) -> dict[str, int]:
    found = dict(map(tuple, rows(f"SELECT state, count(*) FROM {table} GROUP BY state")))
    return {state: found.get(state, 0) for state in states}


def _bits(rows: Rows, entry: str) -> int:
    query = "SELECT coalesce(sum(bits), 0) FROM ledger WHERE entry = ?"
    return int(rows(query, entry)[0][0])
