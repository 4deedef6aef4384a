"""Randomness on key paths: it all comes from the operating system, never from a simulation seed."""

from __future__ import annotations

import secrets

import numpy as np
import numpy.typing as npt


def secret_bytes(count: int) -> bytes:
    """`count` uniformly random bytes."""
    return secrets.token_bytes(count)


def random_bits(count: int) -> npt.NDArray[np.uint8]:
    """`count` uniformly random bits, shape (count,), values 0 and 1."""
    packed = np.frombuffer(secrets.token_bytes((count + 7) // 8), dtype=np.uint8)
    return np.unpackbits(packed, count=count)
