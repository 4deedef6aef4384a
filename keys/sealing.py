"""Encryption at rest: AES-256-GCM, and where the key-encryption key comes from.

Python copies and garbage-collects memory as it likes: buffers of ours are overwritten after use,
but copies inside the interpreter and the cryptographic library may stay until their memory is
used again.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from qnlab.keys.errors import StoreIntegrity, StoreSealed

PASSPHRASE_VARIABLE = "QNLAB_KEYSTORE_PASSPHRASE"
KEY_FILE = "kek"
BytesLike = bytes | bytearray | memoryview

IDENTITY = ("format", "site", "link", "simulated")

_ARGON2ID = {"passes": 3, "lanes": 4, "memory_kib": 65536}
_KEY_BYTES = 32
_NONCE_BYTES = 12


class SealingKey:
    """A 256-bit AES-GCM key; each seal draws a fresh random 96-bit nonce.

    Parameters
    ----------
    key : bytes-like
        32 bytes.
    """

    def __init__(self, key: BytesLike) -> None:
        self._aead = AESGCM(bytes(key))

    def __repr__(self) -> str:
        return "<SealingKey>"

    def seal(self, plain: BytesLike, *context: str | int) -> bytes:
        """Encrypt `plain`, bound to `context`; nonce, ciphertext and tag in one piece."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, _associated(context))

    def open(self, box: bytes, *context: str | int) -> bytearray:
        """Decrypt what `seal` made with the same context.

        Raises
        ------
        StoreIntegrity
            The box was changed, cut, moved to another row, or sealed with another key.
        """
        try:
            plain = self._aead.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], _associated(context))
        except (InvalidTag, ValueError):
            raise StoreIntegrity(
                f"STORE_INTEGRITY: {' '.join(map(str, context))} does not decrypt: "
                "changed, or sealed with another key"
            ) from None
        return bytearray(plain)


def new_key() -> bytearray:
    """32 fresh secret bytes, to be wiped after use."""
    return bytearray(secrets.token_bytes(_KEY_BYTES))


def wipe(buffer: bytearray) -> None:
    """Overwrite `buffer` with zeros."""
    buffer[:] = bytes(len(buffer))


def derive(secret: BytesLike, *label: str | int) -> bytes:
    """32 bytes bound to `label` by HKDF-SHA256 (RFC 5869)."""
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=_associated(label)).derive(bytes(secret))


def audit_key(kek: BytesLike) -> bytes:
    """The audit log's HMAC key."""
    return derive(kek, "audit")


def seal_store(folder: Path, identity: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """Choose the key-encryption key of a new store in `folder`.

    With a passphrase in the environment: Argon2id with the second recommended parameter set of
    RFC 9106 (section 4). Otherwise a key file beside the store, made here, that only its owner
    can read: who copies the whole folder then has the keys.

    Returns
    -------
    bytes, dict
        The key, and what `unseal_store` needs besides `identity` to find it again.

    Raises
    ------
    StoreSealed
        The key file cannot be made or read.
    """
    protection: dict[str, str | int] = {"source": "file"}
    if os.environ.get(PASSPHRASE_VARIABLE):
        salt = secrets.token_hex(16)
        protection = {"source": "passphrase", "salt": salt} | _ARGON2ID
    elif not (folder / KEY_FILE).exists():
        _write_key_file(folder / KEY_FILE)
    kek = _key_encryption_key(folder, protection)
    probe = SealingKey(kek).seal(b"", "probe", *identity.values())
    return kek, {"protection": json.dumps(protection), "probe": probe.hex()}


def unseal_store(folder: Path, meta: Mapping[str, str]) -> bytes:
    """The key-encryption key of the store in `folder`; `meta` is its identity and protection.

    Raises
    ------
    StoreSealed
        The passphrase or the key file is missing or wrong, or others can read the key file.
    StoreIntegrity
        The store's description of itself is damaged.
    """
    try:
        identity = [meta[name] for name in IDENTITY]
        protection = json.loads(meta["protection"])
        probe = bytes.fromhex(meta["probe"])
    except (KeyError, ValueError):
        raise StoreIntegrity(f"STORE_INTEGRITY: {folder}: the table meta is damaged") from None
    kek = _key_encryption_key(folder, protection)
    try:
        SealingKey(kek).open(probe, "probe", *identity)
    except StoreIntegrity:
        raise StoreSealed(f"{folder}: wrong passphrase or key file") from None
    return kek


def _key_encryption_key(folder: Path, protection: Mapping[str, str | int]) -> bytes:
    passphrase = os.environ.get(PASSPHRASE_VARIABLE)
    if protection["source"] == "file":
        if passphrase:
            raise StoreSealed(
                f"{folder}: protected by the key file {KEY_FILE!r}, not by a passphrase; unset "
                f"{PASSPHRASE_VARIABLE} or start a new store"
            )
        return _read_key_file(folder / KEY_FILE)
    if not passphrase:
        raise StoreSealed(f"{folder}: protected by a passphrase; set {PASSPHRASE_VARIABLE}")
    return Argon2id(
        salt=bytes.fromhex(str(protection["salt"])),
        length=_KEY_BYTES,
        iterations=int(protection["passes"]),
        lanes=int(protection["lanes"]),
        memory_cost=int(protection["memory_kib"]),
    ).derive(passphrase.encode())


def _associated(context: tuple[str | int, ...]) -> bytes:
    return json.dumps(context).encode()


def _write_key_file(path: Path) -> None:
    fresh = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise StoreSealed(f"{path}: key file cannot be made: {error.strerror}") from error


def _read_key_file(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except OSError as error:
        raise StoreSealed(f"{path}: key file cannot be read: {error.strerror}") from error
    if len(key) != _KEY_BYTES:
        raise StoreSealed(f"{path}: key file has {len(key)} bytes, expected {_KEY_BYTES}")
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StoreSealed(f"{path}: key file can be read by others; chmod 600 it")
    return key
