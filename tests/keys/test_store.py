"""One store, and two stores of one link: what goes in comes out once, the same at both ends."""

from __future__ import annotations

import os
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qnlab.errors import StoreError
from qnlab.keys import (
    AuthenticationPoolLow,
    KeyDesync,
    KeyUnavailable,
    SiteKeyStore,
    StoreFull,
    StoreIntegrity,
    StoreLocked,
    StoreSealed,
    open_site_store,
)

PASSPHRASE = "QNLAB_KEYSTORE_PASSPHRASE"
PAIR = "radio-a/radio-b"


@pytest.fixture(autouse=True)
def _no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE, raising=False)


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[SiteKeyStore]:
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        yield store


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[SiteKeyStore]:
    with open_site_store(tmp_path, "bob", "quantum", simulated=False) as store:
        yield store


def fill(store: SiteKeyStore, block: str, key: bytes, epsilon: float = 1e-10) -> None:
    store.deposit(block, key, epsilon=epsilon, simulated=False)
    store.confirm(block)


def test_both_sites_hold_the_same_keys_under_the_same_ids(
    alice: SiteKeyStore, bob: SiteKeyStore
) -> None:
    block = secrets.token_bytes(5 * 32 + 7)
    for store in (alice, bob):
        assert store.deposit("r/1", block, epsilon=1e-10, simulated=False) == 5
    nonce = secrets.token_bytes(16)
    assert alice.digest("r/1", nonce) == bob.digest("r/1", nonce)
    assert alice.digest("r/1", nonce) != alice.digest("r/1", nonce[::-1])
    for store in (alice, bob):
        store.confirm("r/1")
    got = [alice.get_key(PAIR, 0) for _ in range(3)]
    assert [bytes(one.key) for one in got] == [block[:32], block[64:96], block[128:160]]
    assert [bob.get_key_with_id(one.key_id, PAIR).key for one in got] == [one.key for one in got]
    back = bob.get_key(PAIR, 1)
    assert bytes(back.key) == block[32:64]
    assert alice.get_key_with_id(back.key_id.upper(), PAIR).key == back.key
    assert alice.statistics() == bob.statistics()
    assert alice.statistics().dropped_bits == 56


def test_digest_tells_blocks_apart_that_differ_in_one_bit_of_the_dropped_rest(
    alice: SiteKeyStore, bob: SiteKeyStore
) -> None:
    block = bytearray(secrets.token_bytes(40))
    alice.deposit("r/1", block, epsilon=0, simulated=False)
    block[39] ^= 1
    bob.deposit("r/1", block, epsilon=0, simulated=False)
    assert alice.digest("r/1", b"n") != bob.digest("r/1", b"n")


def test_nothing_is_delivered_before_confirmation(alice: SiteKeyStore) -> None:
    alice.deposit("r/1", bytes(64), epsilon=1e-10, simulated=False)
    assert alice.available() == 0
    assert alice.epsilon_total == 0
    with pytest.raises(KeyUnavailable, match="1 keys of direction 0 asked for, 0 available"):
        alice.get_key(PAIR, 0)
    alice.confirm("r/1")
    alice.confirm("r/1")
    assert alice.available() == 2
    assert alice.statistics().produced_bits == 512


def test_a_key_is_delivered_once(alice: SiteKeyStore) -> None:
    fill(alice, "r/1", secrets.token_bytes(32))
    one = alice.get_key(PAIR, 0)
    with pytest.raises(KeyUnavailable, match=f"key {one.key_id} is delivered"):
        alice.get_key_with_id(one.key_id, PAIR)
    with pytest.raises(KeyUnavailable, match="no key"):
        alice.get_key_with_id("00000000-0000-4000-8000-000000000000", PAIR)


def test_repeated_deposit_changes_nothing_and_another_content_is_refused(
    alice: SiteKeyStore,
) -> None:
    block = secrets.token_bytes(96)
    fill(alice, "r/1", block)
    before = alice.statistics()
    assert alice.deposit("r/1", block, epsilon=1e-10, simulated=False) == 3
    assert alice.statistics() == before
    with pytest.raises(KeyDesync, match="KEY_DESYNC: block 'r/1'"):
        alice.deposit("r/1", block[::-1], epsilon=1e-10, simulated=False)


def test_discarded_block_is_gone(alice: SiteKeyStore) -> None:
    fill(alice, "r/1", secrets.token_bytes(96))
    alice.get_key(PAIR, 0)
    alice.discard("r/1")
    alice.discard("r/1")
    assert alice.available() == 0
    assert alice.statistics().keys["discarded"] == 2
    for attempt in (alice.confirm, lambda block: alice.digest(block, b"n")):
        with pytest.raises(KeyUnavailable, match="block 'r/1' was discarded"):
            attempt("r/1")
    with pytest.raises(KeyUnavailable, match="was discarded"):
        alice.deposit("r/1", bytes(96), epsilon=0, simulated=False)
    with pytest.raises(KeyUnavailable, match="no block 'r/2'"):
        alice.discard("r/2")


def test_epsilons_add_up_and_deposits_outside_0_to_1_are_refused(alice: SiteKeyStore) -> None:
    fill(alice, "r/1", bytes(32), 1e-10)
    fill(alice, "r/2", bytes(32), 3e-10)
    alice.discard("r/2")
    assert alice.epsilon_total == pytest.approx(4e-10, rel=1e-12)
    for wrong in (-1e-10, 1.0, float("nan")):
        with pytest.raises(StoreError, match=r"epsilon must be in 0\.\.1"):
            alice.deposit("r/3", bytes(32), epsilon=wrong, simulated=False)


def test_reserved_keys_are_for_their_pair_only(alice: SiteKeyStore) -> None:
    fill(alice, "r/1", secrets.token_bytes(4 * 32))
    ids = alice.reserve(PAIR, 0, 2)
    assert alice.available() == 2
    assert alice.available(0) == 0
    with pytest.raises(KeyUnavailable, match="reserved for another pair"):
        alice.get_key_with_id(ids[0], "somebody/else")
    with pytest.raises(KeyUnavailable, match="reserved for another pair"):
        alice.release("somebody/else", ids)
    alice.get_key_with_id(ids[0], PAIR)
    with pytest.raises(KeyUnavailable, match="is delivered, expected reserved"):
        alice.release(PAIR, ids)
    alice.release(PAIR, ids[1:])
    assert alice.available(0) == 1
    for number in (0, 1025):
        with pytest.raises(StoreError, match="between 1 and 1024"):
            alice.reserve(PAIR, 0, number)
    with pytest.raises(StoreError, match="direction must be 0 or 1"):
        alice.reserve(PAIR, 2)


def test_simulated_keys_are_marked_and_kept_apart(tmp_path: Path, alice: SiteKeyStore) -> None:
    with open_site_store(tmp_path, "alice", "quantum", simulated=True) as store:
        assert store.folder != alice.folder
        with pytest.raises(StoreError, match="simulated is False"):
            store.deposit("r/1", bytes(32), epsilon=0, simulated=False)
        store.deposit("r/1", bytes(32), epsilon=0, simulated=True)
        store.confirm("r/1")
        assert store.get_key(PAIR, 0).simulated
    fill(alice, "r/1", bytes(32))
    assert not alice.get_key(PAIR, 0).simulated


def test_authentication_key_comes_once_and_in_order(tmp_path: Path) -> None:
    secret = secrets.token_bytes(150)
    taken = b""
    for sizes in ((1, 31, 33), (64, 16)):
        with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
            if not taken:
                store.provision_authentication(secret[:100])
                store.provision_authentication(secret[100:])
            for size in sizes:
                taken += store.take_authentication(size)
            assert store.authentication_position == len(taken)
            assert store.authentication_remaining_bits == 8 * (150 - len(taken))
    assert taken == secret[:145]
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        with pytest.raises(AuthenticationPoolLow, match="48 bits needed, 40 left"):
            store.take_authentication(6)
        assert store.take_authentication(5) == secret[145:]
        with pytest.raises(StoreError, match="at least 1 byte"):
            store.take_authentication(0)


def test_ends_that_lost_step_meet_again_at_the_later_position(
    alice: SiteKeyStore, bob: SiteKeyStore
) -> None:
    secret = secrets.token_bytes(96)
    for store in (alice, bob):
        store.provision_authentication(secret)
    alice.take_authentication(40)
    bob.advance_authentication(alice.authentication_position)
    assert alice.take_authentication(32) == bob.take_authentication(32) == secret[40:72]
    with pytest.raises(StoreError, match="used up to byte 72, cannot go back to 71"):
        bob.advance_authentication(71)
    with pytest.raises(AuthenticationPoolLow):
        bob.advance_authentication(97)


def test_replenishing_moves_the_same_bits_at_both_ends(
    alice: SiteKeyStore, bob: SiteKeyStore
) -> None:
    block = secrets.token_bytes(6 * 32)
    for store in (alice, bob):
        fill(store, "r/1", block)
        store.replenish_authentication("r/1", 512)
        store.replenish_authentication("r/1", 512)
        assert store.available() == 4
        assert store.authentication_remaining_bits == 512
    assert alice.take_authentication(64) == bob.take_authentication(64) == block[128:]
    with pytest.raises(KeyUnavailable, match="gave 512"):
        alice.replenish_authentication("r/1", 256)
    with pytest.raises(StoreError, match="whole keys of 256 bits"):
        alice.replenish_authentication("r/1", 255)


def test_replenishing_refuses_keys_in_use_and_short_or_pending_blocks(alice: SiteKeyStore) -> None:
    alice.deposit("r/1", bytes(64), epsilon=0, simulated=False)
    with pytest.raises(KeyUnavailable, match="it is pending"):
        alice.replenish_authentication("r/1", 256)
    alice.confirm("r/1")
    with pytest.raises(KeyUnavailable, match="has 512 bits"):
        alice.replenish_authentication("r/1", 768)
    alice.get_key(PAIR, 1)
    with pytest.raises(KeyUnavailable, match="is delivered"):
        alice.replenish_authentication("r/1", 256)


def test_delivery_stops_at_the_reserve_for_authentication(alice: SiteKeyStore) -> None:
    fill(alice, "r/1", secrets.token_bytes(4 * 32))
    alice.set_reserve_bits(3 * 256)
    assert alice.available() == 1
    alice.get_key(PAIR, 0)
    with pytest.raises(KeyUnavailable, match="3 held back for authentication"):
        alice.get_key(PAIR, 1)
    alice.provision_authentication(secrets.token_bytes(96))
    alice.get_key(PAIR, 1)
    with pytest.raises(StoreError, match="0 or more"):
        alice.set_reserve_bits(-1)


def test_with_the_last_key_the_data_key_is_destroyed(alice: SiteKeyStore) -> None:
    fill(alice, "r/1", secrets.token_bytes(64))
    query = "SELECT data_key IS NULL FROM blocks"
    with sqlite3.connect(alice.folder / "store.sqlite") as reader:
        alice.get_key(PAIR, 0)
        assert reader.execute(query).fetchone() == (0,)
        alice.get_key(PAIR, 1)
        assert reader.execute(query).fetchone() == (1,)
        assert reader.execute("SELECT count(*) FROM keys WHERE box NOTNULL").fetchone() == (0,)
    reader.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE keys SET box = zeroblob(length(box))",
        "UPDATE keys SET box = substr(box, 1, 5)",
        "UPDATE keys SET box = (SELECT box FROM keys WHERE place = 1)",
        "DELETE FROM keys WHERE place = 0; UPDATE keys SET direction = 0, place = 2",
        "UPDATE blocks SET data_key = zeroblob(60)",
    ],
)
def test_changed_ciphertext_is_noticed(tmp_path: Path, change: str) -> None:
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        fill(store, "r/1", bytes(range(64)))
    connection = sqlite3.connect(store.folder / "store.sqlite")
    connection.executescript(change)
    connection.close()
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        with pytest.raises(StoreIntegrity, match="STORE_INTEGRITY"):
            store.get_key(PAIR, 0)
        assert store.statistics().delivered_bits == 0


def test_changed_authentication_key_is_noticed_and_not_used_up(tmp_path: Path) -> None:
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        store.provision_authentication(bytes(64))
    connection = sqlite3.connect(store.folder / "store.sqlite")
    connection.executescript("UPDATE authentication_cells SET start = 96 WHERE start = 32")
    connection.executescript("UPDATE authentication_cells SET start = 32 WHERE start = 0")
    connection.executescript("UPDATE authentication_cells SET start = 0 WHERE start = 96")
    connection.close()
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        with pytest.raises(StoreIntegrity, match="STORE_INTEGRITY: authentication quantum 0"):
            store.take_authentication(16)
        assert store.authentication_position == 0


def test_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE, "correct horse battery staple")
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        fill(store, "r/1", b"k" * 32)
    assert not (store.folder / "kek").exists()
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        assert store.get_key(PAIR, 0).key == b"k" * 32
    monkeypatch.setenv(PASSPHRASE, "correct horse battery stapler")
    with pytest.raises(StoreSealed, match="wrong passphrase"):
        open_site_store(tmp_path, "alice", "quantum", simulated=False)
    monkeypatch.delenv(PASSPHRASE)
    with pytest.raises(StoreSealed, match=f"set {PASSPHRASE}"):
        open_site_store(tmp_path, "alice", "quantum", simulated=False)


def test_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        key_file = store.folder / "kek"
    content = key_file.read_bytes()
    assert len(content) == 32

    def reopen() -> None:
        open_site_store(tmp_path, "alice", "quantum", simulated=False).close()

    monkeypatch.setenv(PASSPHRASE, "x")
    with pytest.raises(StoreSealed, match="protected by the key file"):
        reopen()
    monkeypatch.delenv(PASSPHRASE)
    key_file.write_bytes(content[::-1])
    with pytest.raises(StoreSealed, match="wrong passphrase or key file"):
        reopen()
    key_file.write_bytes(content[:31])
    with pytest.raises(StoreSealed, match="has 31 bytes, expected 32"):
        reopen()
    key_file.unlink()
    with pytest.raises(StoreSealed, match="cannot be read"):
        reopen()


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_key_file_is_private(tmp_path: Path) -> None:
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        key_file = store.folder / "kek"
    assert key_file.stat().st_mode & 0o777 == 0o600
    key_file.chmod(0o640)
    with pytest.raises(StoreSealed, match="can be read by others"):
        open_site_store(tmp_path, "alice", "quantum", simulated=False)


def test_a_store_taken_for_another_is_refused(tmp_path: Path) -> None:
    with open_site_store(tmp_path, "alice", "quantum", simulated=True) as store:
        simulated = store.folder
    secret = tmp_path / "quantum"
    secret.mkdir()
    simulated.rename(secret / "alice")
    with pytest.raises(StoreError, match=r"this store is for .*'simulated': 'yes'"):
        open_site_store(tmp_path, "alice", "quantum", simulated=False)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a" * 65])
def test_names_that_cannot_be_folders_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="cannot name a key store"):
        open_site_store(tmp_path, name, "quantum", simulated=False)


def test_another_process_is_kept_out_until_the_store_is_closed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from qnlab.keys import open_site_store\n"
        "open_site_store(Path(sys.argv[1]), 'alice', 'quantum', simulated=False).close()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with open_site_store(tmp_path, "alice", "quantum", simulated=False):
        with pytest.raises(StoreLocked, match="another process is using this store"):
            open_site_store(tmp_path, "alice", "quantum", simulated=False)
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "StoreLocked" in other.stderr
    assert subprocess.run(command, check=False).returncode == 0


def test_damaged_database_is_named(tmp_path: Path) -> None:
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        fill(store, "r/1", bytes(3200))
    path = store.folder / "store.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:40960] = secrets.token_bytes(36864)
    path.write_bytes(content)
    with pytest.raises(StoreIntegrity, match=r"STORE_INTEGRITY: .*store\.sqlite: damaged"):
        open_site_store(tmp_path, "alice", "quantum", simulated=False)
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreIntegrity, match=r"STORE_INTEGRITY: .*store\.sqlite: damaged"):
        open_site_store(tmp_path, "alice", "quantum", simulated=False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("needs the right to mount a small tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_full_disk_accepts_and_delivers_nothing(small_disk: Path) -> None:
    with open_site_store(small_disk, "alice", "quantum", simulated=False) as store:
        fill(store, "r/1", bytes(range(64)))
        ballast = small_disk / "ballast"
        with pytest.raises(OSError, match="No space"):
            ballast.write_bytes(bytes(1 << 20))
        before = store.statistics()
        with pytest.raises(StoreFull, match="STORE_FULL"):
            store.deposit("r/2", bytes(64_000), epsilon=0, simulated=False)
        with pytest.raises(StoreFull, match="STORE_FULL"):
            store.provision_authentication(bytes(64_000))
        assert store.statistics().blocks == before.blocks
        ballast.unlink()
        assert store.get_key(PAIR, 0).key == bytes(range(32))
    with open_site_store(small_disk, "alice", "quantum", simulated=False) as store:
        assert store.get_key(PAIR, 1).key == bytes(range(32, 64))
