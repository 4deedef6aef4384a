"""The normalise stage against sorting everything at once."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnlab.tags import Gap, Marker, TagChunk
from qnlab.tags.normalise import Gate, Input, Normaliser
from tests.tags.streams import CHUNK_SIZES, END_PS, in_chunks, stream, streams

quick = settings(deadline=None, max_examples=50)
input_lists = st.lists(
    st.builds(Input, st.integers(1, 4), st.integers(1, 3), st.integers(-90, 90)),
    min_size=1,
    max_size=4,
    unique_by=lambda entry: entry.channel,
)
sizes = st.sampled_from(CHUNK_SIZES)


def all_at_once(whole, inputs, dead, gate):
    """What the stage is to do, tag by tag, and the gaps."""
    low = min(entry.delay_ps for entry in inputs)
    high = max(entry.delay_ps for entry in inputs)
    gaps = [(0 + low, 0 + high)]
    gaps += [(g.begin_ps + low, g.end_ps + high) for g in whole.gaps]
    end = END_PS + low
    by_channel = {entry.channel: entry for entry in inputs}
    tags = sorted(
        (int(t) + by_channel[int(c)].delay_ps, by_channel[int(c)].to)
        for t, c in zip(whole.t, whole.ch, strict=True)
        if int(c) in by_channel
    )
    kept, last, synced = [], {}, None
    for t, c in tags:
        if t >= end or any(b <= t < e for b, e in gaps):
            continue
        if c in last and t - last[c] < dead.get(c, 0):
            continue
        last[c] = t
        if gate is not None and c == gate.sync:
            synced = t
        if gate is not None and c in gate.channels:
            lost = synced is None or any(synced < b <= t for b, e in gaps if e > b)
            if lost or not gate.begin_ps <= t - synced < gate.end_ps:
                continue
        kept.append((t, c))
    covered = np.zeros(END_PS, np.bool_)
    for b, e in gaps:
        covered[max(b - low, 0) : max(e - low, 0)] = True
    return kept, int(np.count_nonzero(~covered))


def normalised(chunks, inputs, dead=None, gate=None):
    stage = Normaliser(inputs, dead_ps=dead, gate=gate)
    return [stage.feed(chunk) for chunk in chunks]


def tags_of(chunks):
    return [(int(t), int(c)) for chunk in chunks for t, c in zip(chunk.t, chunk.ch, strict=True)]


@given(
    streams(),
    input_lists,
    st.dictionaries(st.integers(1, 3), st.integers(0, 60), max_size=3),
    st.none() | st.builds(Gate, st.just(1), st.just(frozenset({2})), st.just(5), st.just(60)),
    sizes,
)
@quick
def test_equals_sorting_all_at_once(whole, inputs, dead, gate, size):
    out = normalised(in_chunks(whole, size), inputs, dead, gate)
    expected, live = all_at_once(whole, inputs, dead, gate)
    assert tags_of(out) == expected
    assert sum(chunk.live_ps for chunk in out) == live
    for before, after in itertools.pairwise(out):
        assert before.t_end == after.t_begin
    for chunk in out:
        assert all(chunk.t_begin <= t < chunk.t_end for t in chunk.t)
        assert all(chunk.t_begin <= g.begin_ps < g.end_ps <= chunk.t_end for g in chunk.gaps)


@given(streams(), st.permutations([Input(1, 1, 30), Input(2, 2, -20), Input(3, 3, 0)]), sizes)
@quick
def test_the_order_of_the_delays_does_not_matter(whole, inputs, size):
    ordered = sorted(inputs, key=lambda entry: entry.channel)
    mixed = normalised(in_chunks(whole, size), inputs)
    assert tags_of(mixed) == tags_of(normalised([whole], ordered))


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 3)), max_size=50), st.randoms())
@quick
def test_unsorted_within_a_chunk(tags, random):
    random.shuffle(tags)
    t = np.array([tag[0] for tag in tags], np.int64)
    ch = np.array([tag[1] for tag in tags], np.uint8)
    chunk = TagChunk(t, ch, 0, 100, 0, "test")
    (out,) = normalised([chunk], [Input(c, c) for c in (1, 2, 3)])
    assert tags_of([out]) == sorted(tags)


def test_a_chunk_in_reverse_is_sorted_too():
    n = 30_000
    chunk = TagChunk(np.arange(n)[::-1].copy(), np.ones(n, np.uint8), 0, n, 0, "test")
    (out,) = normalised([chunk], [Input(1, 1)])
    np.testing.assert_array_equal(out.t, np.arange(n))


@pytest.mark.parametrize("delay_ps", [100, 2_000_000])
def test_long_streams_take_the_same_way_through_either_sorter(delay_ps):
    rng = np.random.default_rng(5)
    n, end = 40_000, 10_000_000_000
    whole = stream(rng.integers(0, end, n), rng.integers(1, 5, n), end_ps=end)
    inputs = [Input(c, 5 - c, c * delay_ps) for c in (1, 2, 3, 4)]
    out = normalised(in_chunks(whole, 7000), inputs)
    t = whole.t + whole.ch.astype(np.int64) * delay_ps
    ch = 5 - whole.ch
    inside = (t >= 4 * delay_ps) & (t < end + delay_ps)
    order = np.lexsort((ch[inside], t[inside]))
    np.testing.assert_array_equal(np.concatenate([c.t for c in out]), t[inside][order])
    np.testing.assert_array_equal(np.concatenate([c.ch for c in out]), ch[inside][order])


def test_equal_times_stand_in_the_order_of_the_new_channels():
    whole = stream([50, 60, 70], [1, 2, 3])
    (out,) = normalised([whole], [Input(1, 9, 20), Input(2, 8, 10), Input(3, 7, 0)])
    assert tags_of([out]) == [(70, 7), (70, 8), (70, 9)]


def test_what_was_missed_is_counted_once_and_for_the_new_channel():
    gap = Gap(90, 110, {1: 4, 2: 1, 3: 9})
    whole = stream([], [], (gap,))
    chunks = [
        TagChunk(whole.t, whole.ch, 0, 100, 0, "test", (Gap(90, 100, gap.missed),)),
        TagChunk(whole.t, whole.ch, 100, 400, 1, "test", (Gap(100, 110),)),
    ]
    out = normalised(chunks, [Input(1, 5, 0), Input(2, 5, 50)])
    missed = [number for chunk in out for g in chunk.gaps for number in g.missed.items()]
    assert missed == [(5, 5)]
    assert sum(chunk.live_ps for chunk in out) == 400 - 50 - 20 - 50


def test_a_break_between_chunks_is_a_gap():
    nothing = stream([], [])
    chunks = [
        TagChunk(nothing.t, nothing.ch, begin, end, 0, "test")
        for begin, end in [(0, 100), (150, 300)]
    ]
    out = normalised(chunks, [Input(1, 1, 5), Input(2, 2, 8)])
    assert [chunk.gaps for chunk in out] == [(Gap(5, 8),), (Gap(105, 158),)]


def test_markers_move_with_the_watermark():
    chunk = TagChunk(
        np.empty(0, np.int64), np.empty(0, np.uint8), 0, 9, 0, "test", (), (Marker(4, "marker"),)
    )
    (out,) = normalised([chunk], [Input(1, 1, 100)])
    assert out.markers == (Marker(104, "marker"),)


def test_tags_older_than_the_watermark_are_refused():
    def chunk(t, begin, end):
        return TagChunk(np.array([t]), np.ones(1, np.uint8), begin, end, 7, "test")

    stage = Normaliser([Input(1, 1)])
    stage.feed(chunk(5, 0, 100))
    with pytest.raises(ValueError, match=r"chunk 7: a tag at 99 ps.*older than 100 ps"):
        stage.feed(chunk(99, 100, 200))
    stage = Normaliser([Input(1, 1)])
    stage.feed(chunk(5, 0, 100))
    with pytest.raises(ValueError, match="begins at 90 ps, the one before ended at 100 ps"):
        stage.feed(chunk(99, 90, 200))


@pytest.mark.parametrize(
    ("inputs", "options", "problem"),
    [
        ([], {}, "at least one input"),
        ([Input(1, 1), Input(1, 2)], {}, "input channel 1 is named twice"),
        ([Input(1, 256)], {}, "from 0 to 255, got 256"),
        ([Input(1, 1)], {"dead_ps": {1: -1}}, "dead time of channel 1"),
        ([Input(1, 1)], {"gate": Gate(1, frozenset({2}), 5, 5)}, "0 <= begin < end"),
    ],
)
def test_what_cannot_be_is_refused(inputs, options, problem):
    with pytest.raises(ValueError, match=problem):
        Normaliser(inputs, **options)


def test_memory_does_not_grow():
    stage = Normaliser([Input(1, 1, 0), Input(2, 2, 1_000_000)])
    rng = np.random.default_rng(1)
    held = 0
    for seq in range(50):
        t = np.sort(rng.integers(seq * 10**8, (seq + 1) * 10**8, 5000))
        ch = rng.integers(1, 3, 5000).astype(np.uint8)
        out = stage.feed(TagChunk(t, ch, seq * 10**8, (seq + 1) * 10**8, seq, "test"))
        held += len(t) - len(out)
        assert held < 150
