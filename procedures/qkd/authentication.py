"""Wegman-Carter authentication: Poly1305 under a reusable key, masked by fresh key a message.

tag = Poly1305_r(message) + s mod 2^128, with r kept and s used once. Forging a tag of a message
of L bytes succeeds with probability at most 8 ceil(L/16) / 2^106 (Bernstein, "The Poly1305-AES
message-authentication code", FSE 2005, theorem 3.3), whatever the forger's computing power.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol

from cryptography.hazmat.primitives.poly1305 import Poly1305

from qnlab.errors import QnlabError

R_BYTES = 16
S_BYTES = 16
TAG_BITS = 128


class AuthenticationFailed(QnlabError):
    """A tag does not fit its message: forged, replayed, reordered, cut, or another key."""


class AuthenticationPool(Protocol):
    """Secret key shared by both ends, handed out once and in the same order at both."""

    def take_authentication(self, n_bytes: int) -> bytes:
        """The next `n_bytes`; they are never handed out again, also after a crash."""


def poly1305_tag(r: bytes, s: bytes, message: bytes) -> bytes:
    """Tag of `message`, 16 bytes; `r` (16 bytes) is clamped, `s` (16 bytes) must be fresh."""
    if len(r) != R_BYTES or len(s) != S_BYTES:
        raise ValueError(f"r and s take 16 bytes each, got {len(r)} and {len(s)}")
    return Poly1305.generate_tag(r + s, message)


def forgery_bound(length_bytes: int) -> float:
    """Largest chance of forging the tag of a message of `length_bytes` bytes."""
    return 8 * -(-length_bytes // 16) / 2.0**106


class Transcript:
    """All that was said since the last tags, one tag a direction.

    Every byte string is taken in with its direction, its number and its length, so that replay,
    reordering, reflection and truncation change the tag. What is tagged is the string itself: no
    hash function stands between it and the tag.

    Parameters
    ----------
    sender, receiver : str
        Names of this half and of the other one; they tell the directions apart.
    r : bytes
        Reusable key, 16 bytes, the same at both ends.
    pool_sent, pool_received : AuthenticationPool
        Where the one-time keys of the tags sent and received come from.
    """

    def __init__(
        self,
        sender: str,
        receiver: str,
        r: bytes,
        pool_sent: AuthenticationPool,
        pool_received: AuthenticationPool,
    ) -> None:
        self._r = r
        self._pools = {sender: pool_sent, receiver: pool_received}
        self._sender = sender
        self._receiver = receiver
        self._digests = {name: _Digest(name) for name in (sender, receiver)}
        self.consumed_bits = 0
        self.failure_bound = 0.0

    def sent(self, data: bytes) -> None:
        """Take in a byte string that this half sent."""
        self._digests[self._sender].add(data)

    def received(self, data: bytes) -> None:
        """Take in a byte string that this half received."""
        self._digests[self._receiver].add(data)

    def tag_sent(self) -> bytes:
        """Tag of all that was sent since the last one; uses 128 fresh bits."""
        return self._tag(self._sender)

    def check_received(self, tag: bytes) -> None:
        """Check the other half's tag; the key is used up also when it fails.

        Raises
        ------
        AuthenticationFailed
            The tag does not fit.
        """
        if not hmac.compare_digest(self._tag(self._receiver), tag):
            raise AuthenticationFailed(
                f"messages from {self._receiver} do not carry a valid tag: forged or damaged"
            )

    def _tag(self, name: str) -> bytes:
        message = self._digests[name].take()
        s = self._pools[name].take_authentication(S_BYTES)
        self.consumed_bits += 8 * S_BYTES
        self.failure_bound += forgery_bound(len(message))
        return poly1305_tag(self._r, s, message)


class _Digest:
    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0
        self._parts: list[bytes] = []

    def add(self, data: bytes) -> None:
        head = f"{self._name}:{self._count}:{len(data)};".encode()
        self._count += 1
        self._parts += [head, data]

    def take(self) -> bytes:
        message = b"".join(self._parts) + f"{self._name}:{self._count}:end".encode()
        self._parts = []
        return message


def public_seed(*parts: bytes) -> bytes:
    """32 bytes of public randomness out of what both ends have already said."""
    digest = hashlib.blake2b(digest_size=32)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
