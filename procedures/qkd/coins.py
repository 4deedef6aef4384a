"""Random bits for double clicks: a measurement outcome, so simulated where the bench is."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable


def double_click_coins(simulated: bool, seed: int) -> Callable[[int], bytes]:
    """Source of random bytes: from the operating system, or repeatable on a simulated bench.

    No key comes from these bytes other than the bits of double clicks; keys of a simulated bench
    are marked as not secret.
    """
    if not simulated:
        return secrets.token_bytes
    calls = 0

    def repeatable(count: int) -> bytes:
        nonlocal calls
        calls += 1
        return hashlib.shake_128(f"double clicks {seed} {calls}".encode()).digest(count)

    return repeatable
