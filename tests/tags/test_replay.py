"""A recording played back through the role of a time tagger, by either clock."""

import time

import numpy as np
import pytest

from qnlab.bench import BenchContext, InstrumentSpec, load_bench, open_bench
from qnlab.clock import VirtualClock, WallClock
from qnlab.errors import BenchError, Disconnected, NotSupported, OutOfRange, Timeout
from qnlab.instruments.roles import TimeTagger
from qnlab.sim_backends.devices.replay import connect
from qnlab.tags import Gap, Marker, TagChunk
from qnlab.tags.files.write import convert_tags

MS = 1_000_000_000
FIRST = 7_000 * MS
GAP = Gap(FIRST + 70 * MS, FIRST + 75 * MS, {1: 4, 2: 6})
MARKER = Marker(FIRST + 30 * MS, "settings", "threshold")


class Recording:
    """100 ms: channel 1 each ms, channel 2 each 2 ms, but for a gap; after 7 s of nothing."""

    def chunks(self):
        yield TagChunk(np.empty(0, np.int64), np.empty(0, np.uint8), 0, FIRST, 0, "lab")
        t = np.sort(np.concatenate((np.arange(100), np.arange(0, 100, 2)))) * MS + FIRST
        ch = np.concatenate([[1, 2], [1]] * 50).astype(np.uint8)
        live = (t < GAP.begin_ps) | (t >= GAP.end_ps)
        end = FIRST + 100 * MS
        yield TagChunk(t[live], ch[live], FIRST, end, 1, "lab", (GAP,), (MARKER,))


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "recording.parquet"
    convert_tags(Recording(), path, "parquet", lambda fraction, message: None)
    return path


def tagger(place, clock, channels=None):
    spec = InstrumentSpec(
        "tagger", "lab", "TimeTagger", "replay", str(place), channels=channels or {}
    )
    return connect(spec, BenchContext(clock, 0, None, {}))


def read_all(stream, timeout_s=1.0):
    chunks = []

    def until_the_end():
        while True:
            chunks.append(stream.read(timeout_s))

    with pytest.raises(Disconnected, match="recording is over"):
        until_the_end()
    return chunks


def test_all_is_played_with_gaps_and_markers_and_without_what_comes_before(place):
    chunks = read_all(tagger(place, VirtualClock()).open_stream())
    whole = list(Recording().chunks())[1]
    np.testing.assert_array_equal(np.concatenate([c.t for c in chunks]), whole.t)
    np.testing.assert_array_equal(np.concatenate([c.ch for c in chunks]), whole.ch)
    assert [c.seq for c in chunks] == [0, 1, 2, 3, 4]
    assert [c.t_begin - FIRST for c in chunks] == [0, 20 * MS, 40 * MS, 60 * MS, 80 * MS]
    assert [gap for c in chunks for gap in c.gaps] == [GAP]
    assert [marker for c in chunks for marker in c.markers] == [MARKER]
    assert {c.clock_id for c in chunks} == {"lab"}


def test_on_a_virtual_clock_time_passes_as_recorded_but_at_once(place):
    clock = VirtualClock()
    begin = time.monotonic()
    read_all(tagger(place, clock).open_stream())
    assert clock.now_ps() == pytest.approx(100 * MS, abs=10)
    assert time.monotonic() - begin < 5


def test_on_the_wall_a_chunk_is_there_when_its_time_has_come(place):
    stream = tagger(place, WallClock()).open_stream()
    begin = time.monotonic()
    for end_s in (0.02, 0.04, 0.06):
        stream.read()
        assert time.monotonic() - begin >= end_s


def test_a_chunk_that_is_not_yet_there_times_out_and_is_not_lost(place):
    clock = VirtualClock()
    stream = tagger(place, clock).open_stream()
    with pytest.raises(Timeout, match=r"0\.01 s"):
        stream.read(0.01)
    assert clock.now_ps() == pytest.approx(10 * MS, abs=10)
    assert len(stream.read()) == 30


def test_a_stream_opened_later_joins_where_the_recording_is(place):
    clock = VirtualClock()
    device = tagger(place, clock)
    device.open_stream().close()
    clock.sleep(0.0505)
    first = device.open_stream().read()
    assert first.t_begin == FIRST + 50 * MS + MS // 2
    assert first.t.tolist() == [FIRST + k * MS for k in (51, 52, 52, 53, 54, 54, 55, 56, 56,
                                                         57, 58, 58, 59)]  # fmt: skip
    assert first.seq == 0


def test_counts_are_those_of_the_next_stretch(place):
    device = tagger(place, VirtualClock())
    assert device.counts(0.03) == {1: 30, 2: 15}
    assert device.counts(0.02) == {1: 20, 2: 10}


def test_channels_are_chosen_enabled_and_refused(place):
    device = tagger(place, VirtualClock(), {"H": 1, "V": 2})
    assert device.capabilities.channels == (1, 2)
    with device.open_stream([2]) as stream:
        assert set(stream.read().ch.tolist()) == {2}
    device.apply({"ch1.enabled": False})
    assert device.counts(0.02) == {2: 10}
    with pytest.raises(OutOfRange, match="no such channel"):
        device.open_stream([3])
    with pytest.raises(NotSupported, match=r"ch3\.enabled"):
        device.apply({"ch3.enabled": True})
    with pytest.raises(BenchError, match=r"channels\.D: no tags on channel 3 .*it has 1, 2"):
        tagger(place, VirtualClock(), {"H": 1, "D": 3})


def test_the_safe_state_ends_all_streams(place):
    device = tagger(place, VirtualClock())
    stream = device.open_stream()
    device.safe_state()
    device.safe_state()
    with pytest.raises(Disconnected, match="closed"):
        stream.read()


def test_a_bench_without_its_recording_says_so(tmp_path):
    with pytest.raises(BenchError, match=r"instruments\.tagger\.address: .*No such file"):
        tagger(tmp_path / "none.ptu", VirtualClock())


def test_a_bench_plays_a_run_back_as_fast_as_it_is_read(place, tmp_path):
    text = f"""
[bench]
name = "replay"
clock = "virtual"
[sites.lab]
[instruments.tagger]
site = "lab"
role = "TimeTagger"
driver = "replay"
address = {str(place)!r}
channels = {{ H = 1, V = 2 }}
"""
    (tmp_path / "replay.toml").write_text(text, encoding="utf-8")
    with open_bench(load_bench(tmp_path / "replay.toml"), home=tmp_path) as bench:
        device = bench.get(TimeTagger)
        assert device.identity.simulated
        assert device.counts(0.05) == {1: 50, 2: 25}
