"""Files cut at every byte and changed at every byte: a clear error or the exact beginning."""

import h5py
import numpy as np
import pytest

from qnlab.errors import FormatError
from qnlab.tags.files import open_tags
from tests.tags.files import made
from tests.tags.files.made import chunked, placed, tags_of
from tests.tags.files.test_write import written

EVENTS = [(256 * (k + 1), 1 << k % 4) for k in range(9)]
OVERFLOW = 1 << 31 | 63 << 25


def hdf5():
    path = placed(b"", "whole.h5")
    with h5py.File(path, "w", libver="latest") as file:
        group = file.create_group("photon_data")
        group["timestamps"] = np.arange(50) * 1000
        group["detectors"] = np.arange(50, dtype=np.uint8) % 4
        group["timestamps_specs/timestamps_unit"] = 1e-12
    return path.read_bytes()


def ours(name):
    pairs = [(t * 1000 // 256, p.bit_length()) for t, p in EVENTS]
    return written(chunked(pairs, [3, 2]), name, f"whole.{name}")[0].read_bytes()


def live():
    from qnlab.runs.segments import LiveSegment

    path = placed(b"", "tags-000001.arrows")
    path.unlink()
    segment = LiveSegment(path, "tags")
    for chunk in chunked([(5, 1), (9, 2), (9, 3), (70, 200)], [1, 2]):
        segment.write(chunk)
    segment.close()
    return path.read_bytes()


FILES = {
    "t2.ptu": made.ptu(0x01010204, [5, 1 << 25 | 9, OVERFLOW | 1, 1 << 31 | 3, 2 << 25 | 4]),
    "t3.ptu": made.ptu(0x00010303, [1 << 28 | 5, 15 << 28, 2 << 28 | 7 << 16 | 9], 1e-8, 4e-12),
    "q.bin": made.qutools([(9, 1), (5, 2), (700, 3)]),
    "x.a1": made.a1(EVENTS),
    "y.a1": made.a1(EVENTS, swapped=True),
    "x.a2": made.a2(EVENTS),
    "x.a0": made.a0(EVENTS, "\r\n"),
    "x.h5": hdf5(),
    "w.ptu": ours("ptu"),
    "w.parquet": ours("parquet"),
    "l.arrows": live(),
}
EXACT = {"x.a1", "y.a1", "x.a2", "x.a0", "q.bin", "l.arrows"}


def tags_or_error(path):
    try:
        return tags_of(path)
    except FormatError as error:
        return error


@pytest.mark.parametrize("name", FILES)
def test_cut_at_every_byte_a_file_gives_an_error_or_its_exact_beginning(name):
    data = FILES[name]
    whole = tags_of(placed(data, name))
    readable = 0
    for size in range(len(data)):
        path = placed(data[:size], name)
        found = tags_or_error(path)
        if isinstance(found, FormatError):
            assert found.path == str(path)
            assert 0 <= found.offset <= size
            continue
        readable += 1
        in_file_order = name == "q.bin"
        expected = [(9, 1), (5, 2), (700, 3)][: len(found)] if in_file_order else whole
        assert found == (sorted(expected) if in_file_order else whole[: len(found)])
    assert (readable > 0) is (name in EXACT)


@pytest.mark.parametrize("name", FILES)
def test_changed_at_every_byte_a_file_is_read_or_refused_but_nothing_breaks(name):
    data = FILES[name]
    changes = np.random.default_rng(7).integers(1, 256, len(data))
    refused = 0
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= int(changes[at])
        path = placed(bytes(changed), name)
        found = tags_or_error(path)
        if isinstance(found, FormatError):
            assert found.path == str(path)
            refused += 1
        else:
            assert open_tags(path).info().tags == len(found)
    assert refused > 0


@pytest.mark.parametrize("name", ["w.parquet", "l.arrows"])
def test_our_own_files_never_tell_wrong_tags(name):
    data = FILES[name]
    whole = tags_of(placed(data, name))
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x10
        found = tags_or_error(placed(bytes(changed), name))
        assert found == whole or isinstance(found, FormatError)
