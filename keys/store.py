"""One site's key store: blocks in, keys out, each key handed out at most once.

A block is deposited at both sites, cut by the same rule into 256-bit keys with the same ids, and
becomes available when both ends have confirmed that they hold the same. Everything that a method
acknowledges is on the disk before it returns.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from qnlab.errors import StoreError
from qnlab.keys.audit import LOG, AuditLog
from qnlab.keys.authentication import AuthenticationPool
from qnlab.keys.blocks import KEY_BITS, KEY_BYTES, Blocks, require, spend
from qnlab.keys.database import Database
from qnlab.keys.errors import KeyUnavailable, StoreIntegrity
from qnlab.keys.figures import Statistics, epsilon_total, statistics
from qnlab.keys.sealing import (
    BytesLike,
    SealingKey,
    audit_key,
    derive,
    seal_store,
    unseal_store,
    wipe,
)

MAX_RESERVED_AT_ONCE = 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FORMAT = "1"


@dataclass(frozen=True, slots=True)
class DeliveredKey:
    """A key on its way out.

    Parameters
    ----------
    key_id : str
        UUID, the same at both sites.
    key : bytearray
        32 bytes; `wipe` overwrites them.
    simulated : bool
        True: made by a simulated bench, not secret.
    """

    key_id: str
    key: bytearray = field(repr=False)
    simulated: bool

    def wipe(self) -> None:
        """Overwrite the key."""
        wipe(self.key)


def store_folder(folder: Path, site: str, link: str, *, simulated: bool) -> Path:
    """Where below `folder` a site's store lies; simulated keys have a folder of their own."""
    for what, name in (("site", site), ("link", link)):
        if not _NAME.fullmatch(name):
            raise StoreError(
                f"{what} {name!r} cannot name a key store: letters, digits, '.', '_', '-' only"
            )
    return (folder / "simulated" if simulated else folder) / link / site


def open_site_store(folder: Path, site: str, link: str, *, simulated: bool) -> SiteKeyStore:
    """Open the key store of `site` for `link` below `folder`, making it when absent.

    Parameters
    ----------
    folder : Path
        Folder of the bench's key stores, below ``<home>/keys``.
    site, link : str
        Names in the bench file.
    simulated : bool
        The keys come from a simulated bench and are marked as not secret.

    Raises
    ------
    StoreLocked
        Another process writes to this store.
    StoreSealed
        Wrong passphrase, or key file missing.
    StoreIntegrity
        Database or audit log damaged.
    """
    return SiteKeyStore(
        store_folder(folder, site, link, simulated=simulated), site, link, simulated
    )


class SiteKeyStore:
    """A site's keys of one link. Safe to use from several threads; one process at a time.

    Use `open_site_store`. A context manager: leaving it closes the store.
    """

    def __init__(self, folder: Path, site: str, link: str, simulated: bool) -> None:
        self.folder = folder
        self.site = site
        self.link = link
        self.simulated = simulated
        self._lock = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"{folder}: cannot be made: {error.strerror}") from error
        self._database = Database(folder)
        try:
            kek = self._unseal()
            self._sealing = SealingKey(kek)
            self._pool = AuthenticationPool(self._database, self._sealing, link)
            self._blocks = Blocks(self._database, self._sealing, link)
            self._audit = AuditLog(folder / LOG, audit_key(kek))
        except StoreError:
            self._database.close()
            raise
        if self._audit.head.sequence < self._committed_audit():
            self.close()
            raise StoreIntegrity(f"STORE_INTEGRITY: {folder / LOG}: lines are missing at the end")

    def __repr__(self) -> str:
        kind = "simulated" if self.simulated else "secret"
        return f"<SiteKeyStore {self.site} of link {self.link}, {kind}>"

    def __enter__(self) -> SiteKeyStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store and let another process have it."""
        with self._lock:
            self._audit.close()
            self._database.close()

    # Blocks

    def deposit(self, block_id: str, key: BytesLike, *, epsilon: float, simulated: bool) -> int:
        """Take a block in, cut into 256-bit keys that stay pending until `confirm`.

        Every bit of `key` must be secret: cut it to whole bytes before. Bits beyond the last whole
        key are dropped and counted. Repeating a deposit changes nothing.

        Parameters
        ----------
        block_id : str
            Names the block on this link, equal at both sites.
        key : bytes-like
            The block.
        epsilon : float
            Failure probability of the block, secrecy plus correctness, 0..1.
        simulated : bool
            Must be what the store was opened for.

        Returns
        -------
        int
            Keys in the block.

        Raises
        ------
        KeyDesync
            The block is known with other content.
        KeyUnavailable
            The block was discarded.
        StoreError
            `epsilon` or `simulated` is wrong.
        """
        if not 0 <= epsilon < 1:
            raise StoreError(f"block {block_id}: epsilon must be in 0..1, got {epsilon}")
        if simulated != self.simulated:
            raise StoreError(
                f"block {block_id}: simulated is {simulated}, but the store {self.folder} "
                f"was opened with simulated {self.simulated}"
            )
        check_key = derive(key, "check", self.link, block_id)
        with self._lock:
            known = self._blocks.find(block_id)
            if known is not None:
                return self._blocks.deposited_again(known, check_key)
            count = len(key) // KEY_BYTES
            dropped = 8 * len(key) - KEY_BITS * count
            with self._change("deposit", block=block_id, keys=count) as (connection, _):
                self._blocks.insert(connection, block_id, key, check_key, epsilon, count, dropped)
                self._enter(connection, "dropped", dropped, block_id)
            return count

    def digest(self, block_id: str, nonce: bytes) -> bytes:
        """HMAC-SHA256 over `nonce`, keyed by the block: equal at both ends if the blocks are.

        Safe to send in the clear if HKDF and HMAC with SHA-256 hide their key: a computational
        assumption, unlike the block's own secrecy.

        Raises
        ------
        KeyUnavailable
            Unknown or discarded block.
        """
        with self._lock:
            check_key = self._blocks.check_key(self._blocks.held(block_id))
            return hmac.new(check_key, nonce, hashlib.sha256).digest()

    def confirm(self, block_id: str) -> None:
        """Both ends hold the same block: make its keys available. Repeating changes nothing.

        Raises
        ------
        KeyUnavailable
            Unknown or discarded block.
        """
        with self._lock:
            block = self._blocks.held(block_id)
            if block["state"] == "confirmed":
                return
            with self._change("confirm", block=block_id) as (connection, _):
                connection.execute(
                    "UPDATE blocks SET state = 'confirmed' WHERE block_id = ?", (block_id,)
                )
                connection.execute(
                    "UPDATE keys SET state = 'available' WHERE block_id = ?", (block_id,)
                )
                bits = KEY_BITS * int(block["keys"])
                self._enter(connection, "produced", bits, block_id, float(block["epsilon"]))

    def discard(self, block_id: str) -> None:
        """Destroy a block's keys that were not handed out, and the key that opens them.

        Raises
        ------
        KeyUnavailable
            Unknown block.
        """
        with self._lock:
            block = self._blocks.find(block_id)
            if block is None:
                raise KeyUnavailable(f"no block {block_id!r} on link {self.link}")
            if block["state"] == "discarded":
                return
            with self._change("discard", block=block_id) as (connection, _):
                lost = connection.execute(
                    "UPDATE keys SET state = 'discarded', box = NULL "
                    "WHERE block_id = ? AND state IN ('pending', 'available', 'reserved')",
                    (block_id,),
                ).rowcount
                connection.execute(
                    "UPDATE blocks SET state = 'discarded', data_key = NULL, check_key = NULL "
                    "WHERE block_id = ?",
                    (block_id,),
                )
                self._enter(connection, "discarded", KEY_BITS * lost, block_id)

    def pending(self) -> list[str]:
        """Blocks deposited here that were neither confirmed nor discarded, oldest first."""
        with self._lock:
            rows = self._database.rows(
                "SELECT block_id FROM blocks WHERE state = 'pending' ORDER BY rowid"
            )
            return [str(row[0]) for row in rows]

    def holds(self, block_id: str) -> bool:
        """Whether a block was deposited here and not discarded."""
        with self._lock:
            block = self._blocks.find(block_id)
            return block is not None and block["state"] != "discarded"

    # Delivery

    def available(self, direction: int | None = None) -> int:
        """Keys that can be had now, of one direction (0, 1) or both, above the reserve."""
        with self._lock:
            state = "SELECT count(*) FROM keys WHERE state = 'available'"
            total = int(self._database.rows(state)[0][0])
            deliverable = max(0, total - self._keys_held_back())
            if direction is None:
                return deliverable
            own = self._database.rows(f"{state} AND direction = ?", _direction(direction))[0][0]
            return min(int(own), deliverable)

    def reserve(self, pair: str, direction: int, number: int = 1) -> list[str]:
        """Set keys aside for a pair of applications; their ids, oldest first.

        Parameters
        ----------
        pair : str
            Who will use the keys.
        direction : int
            0 or 1. Each site takes new keys from a direction of its own, so that both never choose
            the same key.
        number : int
            1 to 1024, all or none.

        Raises
        ------
        KeyUnavailable
            Fewer are available above the reserve for authentication.
        """
        if not 1 <= number <= MAX_RESERVED_AT_ONCE:
            raise StoreError(f"between 1 and {MAX_RESERVED_AT_ONCE} keys at once, got {number}")
        with self._lock:
            rows = self._oldest(direction, number)
            ids = [str(row["key_id"]) for row in rows]
            with self._change("reserve", pair=pair, keys=ids) as (connection, _):
                connection.executemany(
                    "UPDATE keys SET state = 'reserved', pair = ? WHERE key_id = ?",
                    [(pair, one) for one in ids],
                )
            return ids

    def release(self, pair: str, key_ids: list[str]) -> None:
        """Give reserved keys back.

        Raises
        ------
        KeyUnavailable
            A key is not reserved for `pair`; nothing was given back.
        """
        with self._lock:
            for one in key_ids:
                require(self._blocks.key(one), pair, states=("reserved",))
            with self._change("release", pair=pair, keys=key_ids) as (connection, _):
                connection.executemany(
                    "UPDATE keys SET state = 'available', pair = NULL WHERE key_id = ?",
                    [(one,) for one in key_ids],
                )

    def get_key(self, pair: str, direction: int) -> DeliveredKey:
        """Deliver the oldest available key of `direction`, once and for all.

        Raises
        ------
        KeyUnavailable
            None is available above the reserve for authentication.
        StoreIntegrity
            The stored key was changed.
        """
        with self._lock:
            return self._deliver(self._oldest(direction, 1)[0], pair)

    def get_key_with_id(self, key_id: str, pair: str) -> DeliveredKey:
        """Deliver a key that the other site named, or that is reserved for `pair`, once.

        Raises
        ------
        KeyUnavailable
            Unknown, pending, already delivered, or reserved for another pair.
        StoreIntegrity
            The stored key was changed.
        """
        with self._lock:
            row = self._blocks.key(key_id.lower())
            require(row, pair, states=("available", "reserved"))
            return self._deliver(row, pair)

    # Authentication

    @property
    def authentication_remaining_bits(self) -> int:
        """Bits of authentication key left."""
        with self._lock:
            return self._pool.remaining_bits

    @property
    def authentication_position(self) -> int:
        """Bytes of authentication key used up since the store began; both ends must agree on it."""
        with self._lock:
            return self._pool.position

    @property
    def reserve_bits(self) -> int:
        """Authentication key wanted in the pool; delivery leaves what is missing from it."""
        with self._lock:
            return self._pool.reserve_bits

    def set_reserve_bits(self, bits: int) -> None:
        """Set `reserve_bits`, 0 or more."""
        if bits < 0:
            raise StoreError(f"a reserve of {bits} bits is impossible, 0 or more are needed")
        with self._lock, self._change("set_reserve", bits=bits) as (connection, _):
            connection.execute("UPDATE authentication SET reserve_bits = ?", (bits,))

    def provision_authentication(self, secret: BytesLike) -> None:
        """Add key that both sites share already, the same at both."""
        with self._lock, self._change("provision", bits=8 * len(secret)) as (connection, _):
            self._pool.append(connection, secret)
            self._enter(connection, "authentication_provisioned", 8 * len(secret), None)

    def take_authentication(self, n_bytes: int) -> bytes:
        """Take the next bytes of authentication key; used up on the disk before this returns.

        Raises
        ------
        AuthenticationPoolLow
            Fewer are left; none was taken.
        """
        if n_bytes < 1:
            raise StoreError(f"at least 1 byte of authentication key, got {n_bytes}")
        with self._lock:
            with self._change("authenticate", bits=8 * n_bytes) as (connection, note):
                note["position"] = self._pool.position
                secret = self._pool.advance(connection, n_bytes)
                self._enter(connection, "authentication_consumed", 8 * n_bytes, None)
            return secret

    def advance_authentication(self, position: int) -> None:
        """Throw authentication key away up to `position`, to where the other end already is.

        Raises
        ------
        StoreError
            `position` lies behind: key is never used twice.
        AuthenticationPoolLow
            `position` lies beyond what was provisioned.
        """
        with self._lock:
            missing = position - self._pool.position
            if missing < 0:
                raise StoreError(
                    f"authentication key was used up to byte {self._pool.position}, "
                    f"cannot go back to {position}"
                )
            if missing > 0:
                self.take_authentication(missing)

    def replenish_authentication(self, block_id: str, n_bits: int) -> None:
        """Move the last keys of a confirmed block to the authentication pool.

        Both ends do this for the same blocks in the same order, before they deliver from the block.
        A block is used for this once; repeating the same call changes nothing.

        Parameters
        ----------
        block_id : str
            A confirmed block.
        n_bits : int
            A positive multiple of 256.

        Raises
        ------
        KeyUnavailable
            The block is not confirmed, too short, or one of these keys is in use already.
        """
        if n_bits < KEY_BITS or n_bits % KEY_BITS:
            raise StoreError(f"whole keys of {KEY_BITS} bits can be moved, got {n_bits} bits")
        with self._lock:
            block = self._blocks.held(block_id)
            if block["moved_bits"] == n_bits:
                return
            rows = self._blocks.last_keys(block, n_bits)
            with self._change("replenish", block=block_id, bits=n_bits) as (connection, _):
                for row in rows:
                    key = self._blocks.open_key(row)
                    self._pool.append(connection, key)
                    wipe(key)
                    spend(connection, row, "moved", None)
                connection.execute(
                    "UPDATE blocks SET moved_bits = ? WHERE block_id = ?", (n_bits, block_id)
                )
                self._enter(connection, "authentication_replenished", n_bits, block_id)

    # Figures

    @property
    def epsilon_total(self) -> float:
        """Failure probabilities of all blocks ever made available, added up (union bound)."""
        with self._lock:
            return epsilon_total(self._database.rows)

    def statistics(self) -> Statistics:
        """Counts and sums of the store."""
        with self._lock:
            return statistics(self._database.rows)

    # Inside

    def _unseal(self) -> bytes:
        meta = {row["name"]: row["value"] for row in self._database.rows("SELECT * FROM meta")}
        if not meta:
            return self._found()
        identity = self._identity()
        found = {name: meta.get(name) for name in identity}
        if found != identity:
            raise StoreError(f"{self.folder}: this store is for {found}, asked for {identity}")
        return unseal_store(self.folder, meta)

    def _found(self) -> bytes:
        kek, protection = seal_store(self.folder, self._identity())
        meta = {**self._identity(), **protection, "audit_sequence": "0"}
        with self._database.transaction() as connection:
            connection.executemany("INSERT INTO meta VALUES (?, ?)", list(meta.items()))
        return kek

    def _identity(self) -> dict[str, str]:
        return {
            "format": _FORMAT,
            "site": self.site,
            "link": self.link,
            "simulated": "yes" if self.simulated else "no",
        }

    def _committed_audit(self) -> int:
        rows = self._database.rows("SELECT value FROM meta WHERE name = 'audit_sequence'")
        return int(rows[0][0])

    @contextmanager
    def _change(
        self, event: str, **data: object
    ) -> Iterator[tuple[sqlite3.Connection, dict[str, object]]]:
        """A transaction whose audit line is on the disk before it is committed."""
        with self._database.transaction() as connection:
            yield connection, data
            head = self._audit.append(event, data)
            connection.execute(
                "UPDATE meta SET value = ? WHERE name = 'audit_sequence'", (str(head.sequence),)
            )

    def _keys_held_back(self) -> int:
        missing = self._pool.reserve_bits - self._pool.remaining_bits
        return max(0, math.ceil(missing / KEY_BITS))

    def _oldest(self, direction: int, number: int) -> list[sqlite3.Row]:
        rows = self._database.rows(
            "SELECT * FROM keys WHERE state = 'available' AND direction = ? "
            "ORDER BY sequence LIMIT ?",
            _direction(direction),
            number,
        )
        held_back = self._keys_held_back()
        if len(rows) < number or (held_back and self.available(direction) < number):
            raise KeyUnavailable(
                f"{number} keys of direction {direction} asked for, {self.available(direction)} "
                f"available on link {self.link}, {held_back} held back for authentication"
            )
        return rows

    def _deliver(self, row: sqlite3.Row, pair: str) -> DeliveredKey:
        key = self._blocks.open_key(row)
        with self._change("deliver", pair=pair, keys=[row["key_id"]]) as (connection, _):
            spend(connection, row, "delivered", pair)
            self._enter(connection, "delivered", KEY_BITS, str(row["block_id"]))
        return DeliveredKey(str(row["key_id"]), key, self.simulated)

    def _enter(
        self,
        connection: sqlite3.Connection,
        entry: str,
        bits: int,
        block_id: str | None,
        epsilon: float = 0.0,
    ) -> None:
        connection.execute(
            "INSERT INTO ledger (time_s, entry, block_id, bits, epsilon) VALUES (?, ?, ?, ?, ?)",
            (time.time(), entry, block_id, bits, epsilon),
        )


def _direction(direction: int) -> int:
    if direction not in (0, 1):
        raise StoreError(f"direction must be 0 or 1, got {direction}")
    return direction
