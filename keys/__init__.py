"""Secret keys: the store, delivery and audit."""

if __name__ != "qnlab.keys":
    raise ImportError("import this package as qnlab.keys, not as " + __name__)

from qnlab.keys.blocks import KEY_BITS, key_id
from qnlab.keys.errors import (
    AuthenticationPoolLow,
    KeyDesync,
    KeyUnavailable,
    StoreFull,
    StoreIntegrity,
    StoreLocked,
    StoreSealed,
)
from qnlab.keys.figures import Statistics
from qnlab.keys.store import (
    DeliveredKey,
    SiteKeyStore,
    open_site_store,
    store_folder,
)

__all__ = [
    "KEY_BITS",
    "AuthenticationPoolLow",
    "DeliveredKey",
    "KeyDesync",
    "KeyUnavailable",
    "SiteKeyStore",
    "Statistics",
    "StoreFull",
    "StoreIntegrity",
    "StoreLocked",
    "StoreSealed",
    "key_id",
    "open_site_store",
    "store_folder",
]
