"""Works on a store until it is killed; acknowledges on stdout what the store acknowledged."""

from __future__ import annotations

import hashlib
import os
import sys
from itertools import count
from pathlib import Path

from qnlab.keys import open_site_store


def acknowledge(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def main() -> None:
    folder, generation = Path(sys.argv[1]), sys.argv[2]
    with open_site_store(folder, "alice", "quantum", simulated=False) as store:
        for number in count():
            name = f"{generation}/{number}"
            block = hashlib.shake_256(name.encode()).digest(160)
            store.deposit(name, block, epsilon=1e-10, simulated=False)
            acknowledge("deposit", name)
            store.confirm(name)
            acknowledge("confirm", name)
            key = store.get_key("a/b", 0)
            acknowledge("deliver", key.key_id, key.key.hex())
            acknowledge("reserve", *store.reserve("a/b", 1, 2))
            acknowledge("take", store.take_authentication(7 + number % 50).hex())


if __name__ == "__main__":
    main()
