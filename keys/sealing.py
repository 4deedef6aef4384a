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


def new_protection(folder: Path) -> dict[str, int | str]:
    """Choose how a new store in `folder` is protected, and say it in words that can be stored.

    With a passphrase in the environment: Argon2id with the second recommended parameter set of
    RFC 9106 (section 4). Otherwise a key file beside the store, made here, that only its owner
    can read: who copies the whole folder then has the keys.
    """
    if os.environ.get(PASSPHRASE_VARIABLE):
        return {
            "source": "passphrase",
            "salt": secrets.token_hex(16),
            "passes": 3,
            "lanes": 4,
            "memory_kib": 65536,
        }
    if not (folder / KEY_FILE).exists():
        _write_key_file(folder / KEY_FILE)
    return {"source": "file"}


def key_encryption_key(folder: Path, protection: dict[str, int | str]) -> bytes:
    """The 32-byte key-encryption key of the store in `folder`.

    Raises
    ------
    StoreSealed
        The passphrase or the key file is missing, or others can read the key file.
    """
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
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


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
