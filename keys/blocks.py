"""Blocks and their keys as rows: cut, sealed, found, opened and forgotten."""

from __future__ import annotations

import hmac
import json
import sqlite3
import uuid

from qnlab.keys.database import Database
from qnlab.keys.errors import KeyDesync, KeyUnavailable
from qnlab.keys.sealing import BytesLike, SealingKey, new_key, wipe

KEY_BITS = 256
KEY_BYTES = KEY_BITS // 8
_NAMESPACE = uuid.UUID("5c1f2a53-1d1e-4a92-9ab4-6f5c5b0c8f6e")


def key_id(link: str, block_id: str, place: int) -> str:
    """Id of the key at `place` of a block: UUID version 5 (RFC 9562), the same at both sites."""
    return str(uuid.uuid5(_NAMESPACE, json.dumps([link, block_id, place])))


def require(row: sqlite3.Row, pair: str, *, states: tuple[str, ...]) -> None:
    """Refuse a key that is in another state, or reserved for another pair."""
    if row["state"] not in states:
        raise KeyUnavailable(
            f"key {row['key_id']} is {row['state']}, expected {' or '.join(states)}"
        )
    if row["state"] == "reserved" and row["pair"] != pair:
        raise KeyUnavailable(f"key {row['key_id']} is reserved for another pair")


def spend(connection: sqlite3.Connection, row: sqlite3.Row, state: str, pair: str | None) -> None:
    """Forget one key; with a block's last key, the data key too."""
    connection.execute(
        "UPDATE keys SET state = ?, pair = ?, box = NULL WHERE key_id = ?",
        (state, pair, row["key_id"]),
    )
    connection.execute(
        "UPDATE blocks SET data_key = NULL WHERE block_id = ? AND NOT EXISTS "
        "(SELECT 1 FROM keys WHERE block_id = ? AND box IS NOT NULL)",
        (row["block_id"], row["block_id"]),
    )


class Blocks:
    """The tables ``blocks`` and ``keys`` of a store.

    A block has a data key, which opens its keys and is wiped with the last of them, and a check
    key derived from its content. Both are sealed with the store's key-encryption key.

    Parameters
    ----------
    database : Database
        The store's file.
    sealing : SealingKey
        The key-encryption key.
    link : str
        Bound into everything sealed.
    """

    def __init__(self, database: Database, sealing: SealingKey, link: str) -> None:
        self._database = database
        self._sealing = sealing
        self._link = link

    def find(self, block_id: str) -> sqlite3.Row | None:
        """The block, if it is known."""
        rows = self._database.rows("SELECT * FROM blocks WHERE block_id = ?", block_id)
        return rows[0] if rows else None

    def held(self, block_id: str) -> sqlite3.Row:
        """The block; `KeyUnavailable` if it is unknown or discarded."""
        block = self.find(block_id)
        if block is None:
            raise KeyUnavailable(f"no block {block_id!r} on link {self._link}")
        if block["state"] == "discarded":
            raise KeyUnavailable(f"block {block_id!r} was discarded")
        return block

    def check_key(self, block: sqlite3.Row) -> bytes:
        """32 bytes that depend on every bit of the block."""
        block_id = str(block["block_id"])
        return bytes(self._sealing.open(block["check_key"], "check key", self._link, block_id))

    def deposited_again(self, block: sqlite3.Row, check_key: bytes) -> int:
        """Number of its keys, if the block is the same; `KeyDesync` if not."""
        if block["state"] == "discarded":
            raise KeyUnavailable(f"block {block['block_id']!r} was discarded")
        if not hmac.compare_digest(self.check_key(block), check_key):
            raise KeyDesync(
                f"KEY_DESYNC: block {block['block_id']!r} is already there with other content"
            )
        return int(block["keys"])

    def insert(
        self,
        connection: sqlite3.Connection,
        block_id: str,
        key: BytesLike,
        check_key: bytes,
        epsilon: float,
        count: int,
        dropped: int,
    ) -> None:
        """Cut and seal a new block."""
        data_key = new_key()
        data_sealing = SealingKey(data_key)
        connection.execute(
            "INSERT INTO blocks "
            "(block_id, state, keys, dropped_bits, epsilon, data_key, check_key) "
            "VALUES (?, 'pending', ?, ?, ?, ?, ?)",
            (
                block_id,
                count,
                dropped,
                epsilon,
                self._sealing.seal(data_key, "data key", self._link, block_id),
                self._sealing.seal(check_key, "check key", self._link, block_id),
            ),
        )
        wipe(data_key)
        view = memoryview(key)
        for place in range(count):
            one, direction = key_id(self._link, block_id, place), place % 2
            box = data_sealing.seal(
                view[KEY_BYTES * place : KEY_BYTES * (place + 1)],
                *self._key_context(one, block_id, place, direction),
            )
            connection.execute(
                "INSERT INTO keys (key_id, block_id, place, direction, state, box) "
                "VALUES (?, ?, ?, ?, 'pending', ?)",
                (one, block_id, place, direction, box),
            )

    def key(self, one: str) -> sqlite3.Row:
        """The key of an id; `KeyUnavailable` if there is none."""
        rows = self._database.rows("SELECT * FROM keys WHERE key_id = ?", one)
        if not rows:
            raise KeyUnavailable(f"no key {one!r} on link {self._link}")
        return rows[0]

    def last_keys(self, block: sqlite3.Row, n_bits: int) -> list[sqlite3.Row]:
        """The keys at the block's end that make up `n_bits`, all of them available."""
        block_id, first = block["block_id"], int(block["keys"]) - n_bits // KEY_BITS
        if block["state"] != "confirmed" or first < 0 or block["moved_bits"]:
            raise KeyUnavailable(
                f"block {block_id!r} cannot give {n_bits} bits to authentication: it is "
                f"{block['state']}, has {KEY_BITS * int(block['keys'])} bits and gave "
                f"{block['moved_bits']}"
            )
        rows = self._database.rows(
            "SELECT * FROM keys WHERE block_id = ? AND place >= ? ORDER BY place", block_id, first
        )
        for row in rows:
            require(row, "", states=("available",))
        return rows

    def open_key(self, row: sqlite3.Row) -> bytearray:
        """Decrypt one key."""
        block = self.held(str(row["block_id"]))
        block_id = str(block["block_id"])
        data_key = self._sealing.open(block["data_key"], "data key", self._link, block_id)
        sealing = SealingKey(data_key)
        wipe(data_key)
        context = self._key_context(row["key_id"], block_id, row["place"], row["direction"])
        return sealing.open(row["box"], *context)

    def _key_context(
        self, one: str, block_id: str, place: int, direction: int
    ) -> tuple[str | int, ...]:
        return ("key", one, "link", self._link, "direction", direction, block_id, place)
