"""Are both keys the same? A polynomial hash under a fresh key, drawn after both keys are fixed."""

from __future__ import annotations

import hmac

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.poly1305 import Poly1305

from qnlab.procedures.qkd.randomness import secret_bytes

Bits = npt.NDArray[np.uint8]

TAG_BITS = 128


def collision_bound(bits: int) -> float:
    """Chance that two different keys of `bits` bits pass: 8 ceil(L/16) / 2^106, L in bytes."""
    return 8 * -(-((bits + 7) // 8) // 16) / 2.0**106


def verification_tag(key: Bits) -> tuple[bytes, bytes]:
    """A fresh hash key (16 bytes, to be sent openly) and the tag of `key`, shape (n,)."""
    hash_key = secret_bytes(16)
    return hash_key, _tag(hash_key, key)


def verifies(key: Bits, hash_key: bytes, tag: bytes) -> bool:
    """True if `key`, shape (n,), has this tag; compared in constant time."""
    return len(hash_key) == 16 and hmac.compare_digest(_tag(hash_key, key), tag)


def _tag(hash_key: bytes, key: Bits) -> bytes:
    return Poly1305.generate_tag(hash_key + bytes(16), np.packbits(key).tobytes())
