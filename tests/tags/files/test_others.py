"""Files of quTAG, S-Fifteen, Photon-HDF5, Parquet and runs, each by hand."""

import sys

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnlab.errors import FormatError
from qnlab.tags.files import open_tags
from qnlab.tags.files.photon_hdf5 import MissingPackage
from tests.tags.files import made
from tests.tags.files.made import placed, tags_of

EVENTS = [(7, 1), (7, 2), (256, 8), (2**50, 4)]


# --- qutools


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 255)), max_size=60),
    st.integers(1, 7),
)
@settings(deadline=None)
def test_qutools_records_in_any_order_come_out_sorted(pairs, block):
    path = placed(made.qutools(pairs), "any.bin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qnlab.tags.files.qutools._BLOCK", block)
        assert tags_of(path) == sorted(pairs)
        info = open_tags(path).info()
    assert (info.records, info.tags) == (len(pairs), len(pairs))
    assert info.format == "qutools 10-byte"
    assert info.first_ps == min((t for t, _ in pairs), default=None)


def test_a_qutools_time_that_goes_back_by_more_than_a_second_is_named():
    data = made.qutools([(5, 1), (2 * 10**12, 2), (9 * 10**11, 3)])
    with pytest.raises(FormatError, match="goes back by 1100000000000 ps") as caught:
        tags_of(placed(data, "back.bin"))
    assert caught.value.offset == 40 + 2 * 10


def test_a_qutools_channel_that_cannot_be_is_named():
    with pytest.raises(FormatError, match="channel 256") as caught:
        tags_of(placed(made.qutools([(5, 1), (6, 256)]), "channel.bin"))
    assert caught.value.offset == 50


# --- S-Fifteen


@pytest.mark.parametrize(
    ("data", "name", "layout"),
    [
        (made.a1(EVENTS), "x.a1", "a1"),
        (made.a1(EVENTS, swapped=True), "x.Aa1X.dat", "a1 -X"),
        (made.a2(EVENTS), "x.dat", "a2"),
        (made.a2(EVENTS, "\r\n"), "x.dat", "a2"),
        (made.a0(EVENTS), "x.dat", "a0"),
        (made.a0(EVENTS, "\r\n"), "x.dat", "a0"),
        (made.a2(EVENTS).rstrip(), "x.dat", "a2"),
    ],
)
def test_s_fifteen_layouts_are_recognised_and_read(data, name, layout):
    path = placed(data, name)
    info = open_tags(path).info()
    assert info.format == f"S-Fifteen {layout}"
    assert info.resolution_ps == 1000 / 256
    assert tags_of(path) == [(27, 1), (27, 2), (1000, 4), (2**50 * 1000 // 256, 3)]


def test_an_event_of_several_detectors_is_several_tags_and_one_of_none_is_no_tag():
    path = placed(made.a1([(256, 0b1010), (512, 0), (768, 0b0001)]), "several.a1")
    assert tags_of(path) == [(1000, 2), (1000, 4), (3000, 1)]
    info = open_tags(path).info()
    assert (info.records, info.tags) == (3, 3)


def test_bits_of_the_card_between_time_and_pattern_are_not_read():
    path = placed(made.a1([(256, 0x310 | 1)]), "card.a1")
    assert tags_of(path) == [(1000, 1)]


@pytest.mark.parametrize("block", [1, 2, 100])
def test_time_rolls_over_after_2_to_the_54_units(block, monkeypatch):
    monkeypatch.setattr("qnlab.tags.files.sfifteen._BLOCK", block)
    path = placed(made.a2([(2**54 - 256, 1), (256, 2)]), "roll.txt")
    second = (2**54 + 256) * 1000 // 256
    assert tags_of(path) == [(second - 2000, 1), (second, 2)]
    assert open_tags(path).info().overflows == 1


def test_a_time_that_goes_back_is_named_with_its_offset():
    with pytest.raises(FormatError, match="time goes back by 5/256 ns") as caught:
        tags_of(placed(made.a2([(9, 1), (10, 1), (5, 2)]), "back.txt"))
    assert caught.value.offset == 2 * 17


def test_a_line_that_is_not_hexadecimal_is_named_with_its_offset():
    data = bytearray(made.a2([(9, 1), (10, 1), (11, 2)]))
    data[20] = ord("g")
    with pytest.raises(FormatError, match="16 hexadecimal digits") as caught:
        tags_of(placed(bytes(data), "hex.txt"))
    assert caught.value.offset == 17


def test_binary_is_recognised_without_its_name_if_there_is_enough_of_it():
    steps = np.random.default_rng(1).integers(1, 10**6, 40).cumsum().tolist()
    data = made.a1([(t, 1) for t in steps])
    assert open_tags(placed(data, "data.bin")).info().tags == 40
    assert open_tags(placed(data[: 15 * 8], "few.a1")).info().tags == 15
    with pytest.raises(FormatError, match="no known time-tag file"):
        open_tags(placed(data[: 15 * 8], "few.bin"))


@given(st.binary(min_size=128, max_size=400))
@settings(deadline=None)
def test_noise_is_no_time_tag_file(data):
    path = placed(data, "noise.bin")
    try:
        tags_of(path)
    except FormatError:
        return
    words = np.frombuffer(data[: len(data) // 8 * 8], "<u8") >> np.uint64(10)
    halves = np.frombuffer(data[: len(data) // 8 * 8], "<u4").reshape(-1, 2)[:, 0]
    assert (np.diff(words.astype(np.int64)) >= 0).all() or (np.diff(halves.astype(int)) >= 0).all()


# --- Photon-HDF5


def photon_hdf5(name, unit=1e-12, **arrays):
    path = placed(b"", name)
    path.unlink()
    with h5py.File(path, "w") as file:
        group = file.create_group("photon_data")
        for key, values in arrays.items():
            group.create_dataset(key, data=values)
        group["timestamps_specs/timestamps_unit"] = unit
        if "nanotimes" in arrays:
            group["nanotimes_specs/tcspc_unit"] = 16e-12
    return path


def test_photon_hdf5_with_detectors():
    path = photon_hdf5("d.h5", 12.5e-9, timestamps=[0, 4, 4, 9], detectors=np.uint8([1, 2, 0, 1]))
    assert tags_of(path) == [(0, 1), (50_000, 0), (50_000, 2), (112_500, 1)]
    info = open_tags(path).info()
    assert (info.format, info.resolution_ps) == ("Photon-HDF5", 12_500)


def test_photon_hdf5_with_nanotimes_is_sorted_anew():
    path = photon_hdf5("n.h5", 1e-9, timestamps=[1, 2, 2], nanotimes=np.uint16([900, 5, 1]))
    assert tags_of(path) == [(2016, 0), (2080, 0), (15_400, 0)]


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"timestamps": [1, 2], "detectors": [1]}, "1 detectors for 2 timestamps"),
        ({"timestamps": [2, 1]}, "timestamp 1 goes back"),
        ({"timestamps": [1.5]}, "not a list of integers"),
        ({"timestamps": [1], "detectors": [300]}, "detector not in 0..255"),
        ({"detectors": [1]}, "not a list of integers"),
    ],
)
def test_photon_hdf5_that_contradicts_itself_is_refused(arrays, problem):
    with pytest.raises(FormatError, match=problem):
        tags_of(photon_hdf5("bad.h5", **arrays))


def test_photon_hdf5_with_several_spots_is_refused():
    path = photon_hdf5("spots.h5", timestamps=[1])
    with h5py.File(path, "a") as file:
        file.move("photon_data", "photon_data0")
    with pytest.raises(FormatError, match="several spots"):
        open_tags(path)


def test_without_h5py_the_extra_is_named(monkeypatch):
    path = photon_hdf5("none.h5", timestamps=[1])
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingPackage, match=r"qnlab\[hdf5\]"):
        open_tags(path)


# --- Parquet of others


def parquet(name, **columns):
    path = placed(b"", name)
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_of_others():
    path = parquet("o.parquet", ch=pa.array([1, 2, 0], pa.int32()), t=[5, 9, 9], weight=[1, 1, 1])
    assert tags_of(path) == [(5, 1), (9, 0), (9, 2)]
    assert open_tags(path).info().format == "Parquet"


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"time": [1], "ch": [1]}, "it has time int64, ch int64"),
        ({"t": [1.0], "ch": [1]}, "it has t double, ch int64"),
        ({"t": [1, 0], "ch": [1, 1]}, "row 1: time 0"),
        ({"t": [1], "ch": [256]}, "row 0: time 1, channel 256"),
        ({"t": [-1], "ch": [1]}, "row 0: time -1"),
        ({"t": [1], "ch": pa.array([None], pa.uint8())}, "a null"),
    ],
)
def test_parquet_that_cannot_be_is_refused(columns, problem):
    with pytest.raises(FormatError, match=problem):
        tags_of(parquet("bad.parquet", **columns))


# --- whatever it is


@pytest.mark.parametrize(
    ("data", "problem"), [(b"", "empty"), (b"no time tags at all", "no known time-tag file")]
)
def test_what_is_no_time_tag_file_is_said(data, problem):
    with pytest.raises(FormatError, match=problem) as caught:
        open_tags(placed(data, "what"))
    assert caught.value.offset == 0


def test_missing_files_and_folders_without_a_run_are_said(tmp_path):
    with pytest.raises(FormatError, match="No such file"):
        open_tags(tmp_path / "none.ptu")
    with pytest.raises(FormatError, match="not a run"):
        open_tags(tmp_path)
