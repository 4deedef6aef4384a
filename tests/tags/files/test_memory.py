"""A file of any length is read in the same memory."""

import tracemalloc

import numpy as np
import pytest

from qnlab.tags.files import open_tags
from tests.tags.files import made
from tests.tags.files.made import placed


def ptu(n):
    return made.ptu(0x01010204, np.arange(n) % 2**25)


def s_fifteen(n):
    return (np.arange(n, dtype="<u8") << 10 | 1).tobytes()


def qutools(n):
    records = np.zeros(n, [("t", "<u8"), ("ch", "<u2")])
    records["t"] = np.arange(n) ^ 1
    return made.qutools([]) + records.tobytes()


def peak(path):
    tracemalloc.start()
    tags = sum(len(chunk) for chunk in open_tags(path).chunks())
    open_tags(path).info()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return tags, found


@pytest.mark.parametrize("make", [ptu, s_fifteen, qutools])
def test_four_times_the_tags_take_the_same_memory(make):
    sizes = (500_000, 2_000_000)
    paths = [placed(make(n), f"{make.__name__}-{n}.a1") for n in sizes]
    peak(paths[0])
    (few, short), (many, long) = map(peak, paths)
    assert (few, many) == sizes
    assert long < 1.05 * short
