"""Key that authenticates messages between the sites: handed out once, in order, from the front."""

from __future__ import annotations

import sqlite3

from qnlab.keys.database import Database
from qnlab.keys.errors import AuthenticationPoolLow
from qnlab.keys.sealing import BytesLike, SealingKey, wipe

CELL_BYTES = 32


class AuthenticationPool:
    """One long string of secret bytes, sealed in cells of 32, and a position that only grows.

    Methods that change something take the connection of a transaction of the caller, who hands
    bytes on only after that transaction was committed.

    Parameters
    ----------
    database : Database
        The store's file.
    sealing : SealingKey
        Seals the cells.
    link : str
        Bound into every cell.
    """

    def __init__(self, database: Database, sealing: SealingKey, link: str) -> None:
        self._database = database
        self._sealing = sealing
        self._link = link

    @property
    def position(self) -> int:
        """Bytes handed out or passed over since the store began."""
        return self._column("position")

    @property
    def remaining_bits(self) -> int:
        """Bits that can still be taken."""
        return 8 * (self._column("provisioned") - self._column("position"))

    @property
    def reserve_bits(self) -> int:
        """Bits that must be in the pool before keys are delivered to anybody."""
        return self._column("reserve_bits")

    def append(self, connection: sqlite3.Connection, secret: BytesLike) -> None:
        """Add `secret` at the end."""
        end = self._column("provisioned")
        for offset in range(0, len(secret), CELL_BYTES):
            cell = secret[offset : offset + CELL_BYTES]
            start = end + offset
            connection.execute(
                "INSERT INTO authentication_cells VALUES (?, ?, ?)",
                (start, len(cell), self._sealing.seal(cell, *self._context(start))),
            )
        connection.execute(
            "UPDATE authentication SET provisioned = provisioned + ?", (len(secret),)
        )

    def advance(self, connection: sqlite3.Connection, n_bytes: int) -> bytes:
        """Take the next `n_bytes` and forget them.

        Raises
        ------
        AuthenticationPoolLow
            Fewer bytes are left.
        """
        if 8 * n_bytes > self.remaining_bits:
            raise AuthenticationPoolLow(
                f"AUTH_POOL_LOW: link {self._link}: {8 * n_bytes} bits needed, "
                f"{self.remaining_bits} left; provision more or replenish from a block"
            )
        begin = self.position
        end = begin + n_bytes
        taken = bytearray()
        for row in connection.execute(
            "SELECT start, length, box FROM authentication_cells "
            "WHERE start < ? AND start + length > ? ORDER BY start",
            (end, begin),
        ).fetchall():
            start = row["start"]
            cell = self._sealing.open(row["box"], *self._context(start))
            taken += cell[max(0, begin - start) : end - start]
            wipe(cell)
        connection.execute("UPDATE authentication SET position = ?", (end,))
        connection.execute("DELETE FROM authentication_cells WHERE start + length <= ?", (end,))
        result = bytes(taken)
        wipe(taken)
        return result

    def _context(self, start: int) -> tuple[str | int, ...]:
        return ("authentication", self._link, start)

    def _column(self, name: str) -> int:
        return int(self._database.rows("SELECT * FROM authentication")[0][name])
