"""Writes a run until it is killed; tells what was acknowledged on a file descriptor."""

from __future__ import annotations

import itertools
import os
import random
from pathlib import Path

from qnlab.runs import recorder as recording
from tests.runs.made import a_run, chunk


def write(home: Path, seed: int, told: int, most: int = 40, end: int | None = None) -> None:
    """Write chunks and events; after each sync tell "chunks events" to the descriptor `told`."""
    recording.ROTATE_BYTES = 6_000
    rng = random.Random(seed)
    with a_run(home) as run:
        chunks = events = 0
        for step in itertools.count():
            if step == end:
                return
            for _ in range(rng.randrange(4)):
                run.recorder("tags").write(chunk(chunks, most))
                chunks += 1
            for _ in range(rng.randrange(3)):
                run.record("count", n=events, text="x" * rng.randrange(300))
                events += 1
            if rng.random() < 0.5:
                run.sync()
                os.write(told, f"{chunks} {events}\n".encode())


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]), int(sys.argv[2]), 1, most=4000)
