"""What is written is read again, by us and by others; and nothing half remains."""

from pathlib import Path

import numpy as np
import ptufile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnlab.tags import Marker
from qnlab.tags.files import open_tags
from qnlab.tags.files.sfifteen import to_ps, to_ticks
from qnlab.tags.files.unfit import UnfitForFormat
from qnlab.tags.files.write import Written, convert_tags
from tests.tags.files import made
from tests.tags.files.made import GAP, MARKER, SIZES, chunked, placed, sorted_tags, tags_of


class Chunks:
    """A source of chunks that are at hand."""

    def __init__(self, chunks):
        self._chunks = chunks

    def chunks(self):
        return iter(self._chunks)


def quiet(fraction, message):
    """Progress that nobody looks at."""


def written(chunks, name, to="out"):
    out = placed(b"", to)
    return out, convert_tags(Chunks(chunks), out, name, quiet)


@pytest.mark.parametrize("name", ["ptu", "ptu-hydraharp2"])
@given(pairs=sorted_tags(st.integers(0, 64), 2**61), sizes=SIZES)
@settings(deadline=None, max_examples=60)
def test_ptu_holds_all_tags(name, pairs, sizes):
    out, told = written(chunked(pairs, sizes), name, "out.ptu")
    assert told == Written(len(pairs), 0, 0)
    assert tags_of(out) == pairs


@pytest.mark.parametrize("name", ["ptu", "ptu-hydraharp2"])
@given(pairs=sorted_tags(st.integers(0, 63), 2**36), sizes=SIZES)
@settings(deadline=None, max_examples=60)
def test_ptufile_reads_our_ptu(name, pairs, sizes):
    out, _ = written(chunked([(0, 0), *pairs], sizes), name, "out.ptu")
    with ptufile.PtuFile(out) as file:
        records = file.decode_records()
    tags = records[(records["channel"] >= 0) & (records["marker"] == 0)]
    assert sorted(tags["time"].tolist()) == [0, *(t for t, _ in pairs)]


def test_tttrlib_reads_our_ptu():
    tttrlib = pytest.importorskip("tttrlib")
    rng = np.random.default_rng(3)
    pairs = sorted(zip(rng.integers(0, 10**9, 999).tolist(), [0, 1, 5] * 333, strict=True))
    out, _ = written(chunked(pairs, [100, 5, 400]), "ptu", "out.ptu")
    file = tttrlib.TTTR(str(out), "PTU")
    assert [int(t) for t in file.macro_times] == [t for t, _ in pairs]
    assert sorted(set(file.routing_channels)) == [0, 1, 5]


def test_markers_with_a_record_are_kept_and_what_is_not_kept_is_counted():
    kept = Marker(3, "marker", "5")
    chunks = chunked([(3, 1), (9, 2)], [], markers=[MARKER, kept], gaps=[GAP])
    out, told = written(chunks, "ptu", "out.ptu")
    assert told == Written(2, 1, 1)
    assert [m for chunk in open_tags(out).chunks() for m in chunk.markers] == [kept]
    assert written(chunks, "a1", "out.a1")[1] == Written(2, 1, 2)


@given(
    pairs=sorted_tags(st.integers(0, 255), 2**63 - 2),
    sizes=SIZES,
    gaps=st.lists(st.just(GAP), max_size=2),
)
@settings(deadline=None, max_examples=60)
def test_parquet_holds_the_chunks_as_they_are(pairs, sizes, gaps):
    chunks = chunked(pairs, sizes, markers=[MARKER], gaps=gaps)
    out, told = written(chunks, "parquet", "out.parquet")
    back = list(open_tags(out).chunks())
    assert told == Written(len(pairs), 0, 0)
    assert len(back) == len(chunks)
    for ours, theirs in zip(back, chunks, strict=True):
        np.testing.assert_array_equal(ours.t, theirs.t)
        np.testing.assert_array_equal(ours.ch, theirs.ch)
        for name in ("t_begin", "t_end", "seq", "clock_id", "gaps", "markers"):
            assert getattr(ours, name) == getattr(theirs, name)


@given(pairs=sorted_tags(st.integers(1, 4), (2**53 - 1) * 1000 // 256), sizes=SIZES)
@settings(deadline=None, max_examples=60)
def test_a1_holds_all_tags_to_the_nearest_256th_of_a_nanosecond(pairs, sizes):
    out, told = written(chunked(pairs, sizes), "a1", "out.a1")
    assert told.tags == len(pairs)
    if not pairs:
        return
    back = tags_of(out)
    assert sorted(ch for _, ch in back) == sorted(ch for _, ch in pairs)
    assert all(abs(a - b) <= 2 for (a, _), (b, _) in zip(back, sorted(pairs), strict=True))
    again, _ = written(list(open_tags(out).chunks()), "a1", "again.a1")
    assert tags_of(again) == back


@given(st.integers(0, 2**54 - 2))
def test_ticks_are_exact(ticks):
    t = to_ps(np.array([ticks], np.int64))
    assert abs(int(t[0]) * 256 - ticks * 1000) <= 128
    assert to_ticks(t).tolist() == [ticks]


@pytest.mark.parametrize(
    ("name", "pairs", "problem"),
    [
        ("ptu", [(1, 65)], "channels up to 65"),
        ("a1", [(1, 0)], "channels 1 to 4, not 0"),
        ("a1", [(1, 5)], "channels 1 to 4, not 5"),
        ("a1", [(2**57, 1)], "19.5 h"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_and_nothing_remains(name, pairs, problem, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UnfitForFormat, match=problem):
        convert_tags(Chunks(chunked([(0, 1), *pairs], [1])), out, name, quiet)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ptu", "parquet", "a1"])
def test_a_stop_in_the_middle_leaves_nothing(name, tmp_path):
    def stopped():
        yield from chunked([(0, 1), (5, 2)], [1])
        raise KeyboardInterrupt

    class Stopped:
        chunks = staticmethod(stopped)

    with pytest.raises(KeyboardInterrupt):
        convert_tags(Stopped(), tmp_path / "out", name, quiet)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["ptu", "parquet", "a1"])
def test_the_command_converts_every_format_it_reads(ending, tmp_path, cli):
    events = [(256, 1), (512, 2), (768, 8)]
    sources = {
        "s.a1": made.a1(events),
        "s.a2": made.a2(events),
        "s.a0": made.a0(events),
        "s.bin": made.qutools([(1000, 1), (2000, 2), (3000, 4)]),
        "s.ptu": made.ptu(0x00010207, [1 << 25 | 1000, 2 << 25 | 2000, 4 << 25 | 3000]),
    }
    for name, data in sources.items():
        source, out = placed(data, name), tmp_path / f"{name}.{ending}"
        told = cli("convert", source, out, "--json")
        assert told["tags"] == 3
        assert told["output"] == str(out)
        assert tags_of(out) == [(1000, 1), (2000, 2), (3000, 4)]
        assert cli("info", out, "--json")["channels"] == {"1": 1, "2": 1, "4": 1}
        found = cli("coincidences", out, "--channels", 1, 4, "--window-ps", 2001, "--json")
        assert found["pairs"] == 1
        delays = ("--start", 1, "--stop", 2, "--bin-ps", 500, "--bins", 3)
        assert cli("histogram", out, *delays, "--json")["counts"] == [0, 0, 1]


def test_the_command_refuses_an_unknown_ending_and_a_file_that_is_there(tmp_path, cli_fails):
    source = placed(made.a2([(256, 1)]), "s.a2")
    assert "give --format ptu|ptu-hydraharp2|parquet|a1" in cli_fails("convert", source, "out.xyz")
    there = Path(tmp_path / "there.ptu")
    there.write_bytes(b"precious")
    assert "is there already" in cli_fails("convert", source, there)
    assert there.read_bytes() == b"precious"
