"""PTU files of every record type: by hand, and as the independent readers decode them."""

import numpy as np
import ptufile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnlab.errors import FormatError
from qnlab.tags.files import open_tags
from tests.tags.files.made import placed, ptu, tags_of

HYDRA_T2 = [0x00010204, 0x01010204, 0x00010205, 0x00010206, 0x00010207]
HYDRA_T3 = [0x00010304, 0x01010304, 0x00010305, 0x00010306, 0x00010307]
PICO_T2, PICO_T3 = 0x00010203, 0x00010303
PERIOD_PS, STEP_PS = 12_500, 4
SPECIAL, OVERFLOW = 1 << 31, 1 << 31 | 63 << 25


def hydra_t2(draw):
    words, last = [], 0
    for what, time, channel in draw:
        if what == "overflow":
            words.append(OVERFLOW | channel % 4 + 1)
            last = 0
            continue
        last = min(last + time, 2**25 - 1)
        code = {"tag": channel << 25, "sync": SPECIAL, "marker": SPECIAL | (channel % 15 + 1) << 25}
        words.append(code[what] | last)
    return words


def hydra_t3(draw):
    words, last = [], 0
    for what, time, channel in draw:
        if what == "overflow":
            words.append(OVERFLOW | channel % 4 + 1)
            last = 0
            continue
        last = min(last + time % 300, 1023)
        code = {"tag": channel << 25 | time % 32768 << 10}
        words.append(code.get(what, SPECIAL | (channel % 15 + 1) << 25) | last)
    return words


def pico_t2(draw):
    words, last = [], 0
    for what, time, channel in draw:
        if what == "overflow":
            words.append(15 << 28)
            last = 0
            continue
        last = min(last + time, 210_000_000)
        marker = 15 << 28 | last & ~15 | channel % 15 + 1
        words.append(marker if what == "marker" else channel % 5 << 28 | last)
        last = last | 15
    return words


def pico_t3(draw):
    words, last = [], 0
    for what, time, channel in draw:
        if what == "overflow":
            words.append(15 << 28)
            last = 0
            continue
        last = min(last + time % 9000, 65_535)
        marker = 15 << 28 | (channel % 15 + 1) << 16 | last
        tag = (channel % 4 + 1) << 28 | time % 4096 << 16 | last
        words.append(marker if what == "marker" else tag)
    return words


MAKERS = {
    **dict.fromkeys(HYDRA_T2, hydra_t2),
    **dict.fromkeys(HYDRA_T3, hydra_t3),
    PICO_T2: pico_t2,
    PICO_T3: pico_t3,
}
draws = st.lists(
    st.tuples(
        st.sampled_from(["tag", "tag", "sync", "marker", "overflow"]),
        st.integers(0, 2_000_000),
        st.integers(0, 62),
    ),
    min_size=1,
    max_size=50,
)


def judged(path, t3, first):
    """Sorted (time in ps, channel) as ptufile reads the file; it calls the sync input 0.

    It also counts the channels of PicoHarp T3 from 0, where the records have 1 to 4.
    """
    with ptufile.PtuFile(path) as file:
        records = file.decode_records()
    tags = records[(records["channel"] >= 0) & (records["marker"] == 0)]
    times = tags["time"].astype(np.int64)
    if t3:
        times = times * PERIOD_PS + tags["dtime"].astype(np.int64) * STEP_PS
    channels = tags["channel"].astype(int) + first
    return sorted(zip(times.tolist(), channels.tolist(), strict=True))


@pytest.mark.parametrize("kind", MAKERS, ids=hex)
@given(draw=draws)
@settings(deadline=None, max_examples=40)
def test_records_are_what_ptufile_reads(kind, draw):
    t3 = kind & 0x0F00 == 0x0300
    words = MAKERS[kind](draw)
    steps = (PERIOD_PS * 1e-12, STEP_PS * 1e-12) if t3 else (1e-12, 1e-12)
    path = placed(ptu(kind, words, *steps), "judged.ptu")
    theirs = judged(path, t3, first=int(kind == PICO_T3))
    assert sorted((t, channel % 64) for t, channel in tags_of(path)) == theirs
    assert open_tags(path).info().records == len(words)


@pytest.mark.parametrize("kind", [PICO_T2, 0x01010204, 0x00010207], ids=hex)
@given(draw=draws)
@settings(deadline=None, max_examples=20)
def test_photons_of_t2_are_what_tttrlib_reads(kind, draw):
    tttrlib = pytest.importorskip("tttrlib")
    words = MAKERS[kind]([d for d in draw if d[0] in ("tag", "overflow")])
    path = placed(ptu(kind, words), "judged-too.ptu")
    file = tttrlib.TTTR(str(path), "PTU")
    times = sorted(int(t) for t in file.macro_times)
    assert sorted(t for t, _ in tags_of(path)) == times


def test_sync_markers_and_overflows_by_hand():
    words = [
        5 << 25 | 7,
        SPECIAL | 9,
        SPECIAL | 3 << 25 | 11,
        OVERFLOW | 2,
        62 << 25 | 1,
    ]
    path = placed(ptu(0x01010204, words), "hand.ptu")
    assert tags_of(path) == [(7, 5), (9, 64), (2 * 33_554_432 + 1, 62)]
    markers = [m for chunk in open_tags(path).chunks() for m in chunk.markers]
    assert [(m.time_ps, m.kind, m.detail) for m in markers] == [(11, "marker", "3")]
    info = open_tags(path).info()
    assert (info.records, info.tags, info.overflows) == (5, 3, 1)


def test_t3_time_is_sync_count_times_period_plus_start_stop_time():
    path = placed(ptu(0x00010307, [3 << 25 | 100 << 10 | 4], 12.5e-9, 16e-12), "t3.ptu")
    assert tags_of(path) == [(4 * 12_500 + 100 * 16, 3)]


def test_an_unknown_record_type_is_named_where_it_stands():
    data = ptu(0x00010209, [])
    at = data.index(b"TTResultFormat_TTTRRecType")
    with pytest.raises(FormatError, match="unknown record type 0x00010209") as caught:
        open_tags(placed(data, "unknown.ptu"))
    assert caught.value.offset == at


def test_a_resolution_that_leads_beyond_the_clock_is_refused():
    data = ptu(0x01010204, [OVERFLOW | 1, 5], tick_s=0.5)
    with pytest.raises(FormatError, match="beyond 2\\^62 ps"):
        open_tags(placed(data, "coarse.ptu")).info()
