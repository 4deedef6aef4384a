"""Parts of a chunk hold what lies in them, and together all of it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qnlab.tags import Gap, Marker, TagChunk
from qnlab.tags.chunk import MAX_SPAN_PS
from qnlab.tags.cut import cut, only, pieces


def chunk(times, end, **more):
    ch = np.arange(len(times), dtype=np.uint8) % 3
    return TagChunk(np.array(times, np.int64), ch, 0, end, 4, "clock", **more)


@given(st.lists(st.integers(0, 99)).map(sorted), st.integers(1, 99))
def test_two_parts_are_the_whole(times, at):
    whole = chunk(
        times, 100, gaps=(Gap(10, 90, {1: 5}),), markers=(Marker(0, "m"), Marker(50, "m"))
    )
    parts = [cut(whole, 0, at), cut(whole, at, 100)]
    assert [(p.t_begin, p.t_end) for p in parts] == [(0, at), (at, 100)]
    np.testing.assert_array_equal(np.concatenate([p.t for p in parts]), whole.t)
    np.testing.assert_array_equal(np.concatenate([p.ch for p in parts]), whole.ch)
    assert all((p.t >= p.t_begin).all() and (p.t < p.t_end).all() for p in parts)
    assert sum(p.live_ps for p in parts) == whole.live_ps
    assert [n for p in parts for g in p.gaps for n in g.missed.values()] == [5]
    assert sum((p.markers for p in parts), ()) == whole.markers


def test_a_stretch_beyond_the_chunk_is_the_chunk():
    whole = chunk([3], 100)
    assert cut(whole, -5, 200) is whole


def test_pieces_last_at_most_20_ms():
    end = 2 * MAX_SPAN_PS + 1
    found = list(pieces(chunk([0, MAX_SPAN_PS - 1, MAX_SPAN_PS, end - 1], end)))
    borders = [0, MAX_SPAN_PS, 2 * MAX_SPAN_PS, end]
    assert [p.t_begin for p in found] == borders[:-1]
    assert [p.t_end for p in found] == borders[1:]
    assert [len(p) for p in found] == [2, 1, 1]


def test_other_channels_disappear_and_gaps_and_markers_stay():
    whole = chunk(range(6), 9, gaps=(Gap(7, 8, {0: 2, 1: 3}),), markers=(Marker(1, "m"),))
    part = only(whole, {1})
    assert part.t.tolist() == [1, 4]
    assert part.ch.tolist() == [1, 1]
    assert part.gaps == (Gap(7, 8, {1: 3}),)
    assert (part.markers, part.t_begin, part.t_end) == (whole.markers, 0, 9)
