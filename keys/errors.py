"""What can go wrong with a key store, each with the name that alarms use."""

from __future__ import annotations

from qnlab.errors import StoreError


class KeyDesync(StoreError):
    """The two ends, or two deposits of one block, hold different keys (KEY_DESYNC)."""


class StoreIntegrity(StoreError):
    """Ciphertext, database or audit chain was changed or damaged (STORE_INTEGRITY)."""


class StoreFull(StoreError):
    """The disk is full: nothing was accepted and nothing delivered (STORE_FULL)."""


class StoreLocked(StoreError):
    """Another process holds the store's only writing place."""


class StoreSealed(StoreError):
    """The key-encryption key is missing, wrong or badly protected."""


class KeyUnavailable(StoreError):
    """No such block or key, or not in a state that allows what was asked."""


class AuthenticationPoolLow(StoreError):
    """Too little authentication key is left (AUTH_POOL_LOW)."""
