"""S-Fifteen TDC1: the words of the sheet, split and shifted bytes, and the contract on the wire."""

import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnlab.bench import BenchContext, InstrumentSpec, load_bench, open_bench
from qnlab.clock import VirtualClock
from qnlab.drivers.sfifteen_tdc1 import WRAP, Decoder, SfifteenTdc1
from qnlab.errors import Busy, Disconnected, ProtocolError
from qnlab.instruments import contract
from qnlab.instruments.contract import Context
from qnlab.instruments.roles import TimeTagger

from .scripted import ScriptedStream

START = b"INPKT;time 0;timestamp;counts?\r\n"
GREETING = [
    (b"abort\r\n", b""),
    (b"*IDN?\r\n", b"TDC1 S/N 7\r\n"),
    (b"level?\r\n", b"-0.5 V\r\n"),
]


def word(ticks: int, pattern: int) -> bytes:
    return struct.pack("<I", ticks << 5 | pattern)


@pytest.fixture
def scripted():
    stream = ScriptedStream(*GREETING)
    spec = InstrumentSpec("tdc", "lab", "TimeTagger", "scripted", "serial:/dev/ttyACM0")
    device = SfifteenTdc1(spec, BenchContext(VirtualClock(), 0, None, {}), stream).open()
    stream.finish()
    yield device, stream
    device.close()
    stream.finish()


def test_threshold_is_set_and_read_back(scripted) -> None:
    device, stream = scripted
    level = (b"level?\r\n", b"-0.5 V\r\n")
    stream.expect(level, (b"POS 0.250\r\n", b""), (b"level?\r\n", b"0.25 V\r\n"))
    assert device.apply({"threshold_v": 0.25})["threshold_v"].value == 0.25
    stream.expect(level, (b"NEG -0.750\r\n", b""), (b"level?\r\n", b"-0.75 V\r\n"))
    assert device.apply({"threshold_v": -0.75})["threshold_v"].value == -0.75


def test_words_of_a_stream(scripted) -> None:
    """10 us on input 1, 12 us on 2 and 4 at once, a roll-over, then 0.27 s on input 3."""
    device, stream = scripted
    sent = bytes.fromhex("01710200 0aee0200 10000000") + word(782_272, 4)
    stream.expect((START, sent), (b"abort\r\n", b""))
    with device.open_stream() as opened:
        chunks = [opened.read(1.0)]
        while chunks[-1].t_end < 0.27e12:
            chunks.append(opened.read(1.0))
        with pytest.raises(Busy, match="tdc: takes no threshold while it streams"):
            device.apply({"threshold_v": 1.0})
    t = np.concatenate([chunk.t for chunk in chunks])
    ch = np.concatenate([chunk.ch for chunk in chunks])
    third = (WRAP + 782_272) * 2000
    assert list(zip(t.tolist(), ch.tolist(), strict=True)) == [
        (10_000_000, 1), (12_000_000, 2), (12_000_000, 4), (third, 3),
    ]  # fmt: skip


def test_another_unit_is_refused() -> None:
    stream = ScriptedStream(GREETING[0], (b"*IDN?\r\n", b"SPD S/N 7\r\n"))
    spec = InstrumentSpec("tdc", "lab", "TimeTagger", "scripted", "serial:/dev/ttyACM0")
    with pytest.raises(ProtocolError, match=r"tdc: another model .*TDC1.*SPD"):
        SfifteenTdc1(spec, BenchContext(VirtualClock(), 0, None, {}), stream).open()


EVENTS = st.lists(st.tuples(st.integers(1, WRAP // 2), st.integers(1, 15)), min_size=1, max_size=40)


def packed(events: list[tuple[int, int]]) -> tuple[bytes, list[tuple[int, int]]]:
    """Words of events given by the ticks between them, and the tags they stand for."""
    data, tags, now = b"", [], 0
    for ticks, pattern in events:
        if (now + ticks) // WRAP > now // WRAP:
            data += word(0, 0x10)
        now += ticks
        data += word(now % WRAP, pattern)
        tags += [(now * 2000, n + 1) for n in range(4) if pattern >> n & 1]
    return data, tags


@given(EVENTS, st.lists(st.integers(0, 200)))
def test_words_may_arrive_in_any_parts(events, cuts) -> None:
    data, tags = packed(events)
    decoder, found, until = Decoder("tdc"), [], 0
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    for begin, end in pairwise(edges):
        t, ch, until_now = decoder.decode(data[begin:end])
        assert until_now >= until
        assert all(t >= until)
        assert all(t < until_now)
        until = until_now
        found += zip(t.tolist(), ch.tolist(), strict=True)
    assert found == tags


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_lost_bytes_show_at_once(lost) -> None:
    rng = np.random.default_rng(lost)
    ticks = np.cumsum(rng.integers(1, 5000, 4000)).tolist()
    inputs = rng.integers(0, 4, 4000).tolist()
    data = b"".join(word(t, 1 << n) for t, n in zip(ticks, inputs, strict=True))
    decoder = Decoder("tdc")
    decoder.decode(data[:1000])
    with pytest.raises(ProtocolError, match="tdc: the words are out of step"):
        decoder.decode(data[1000 + lost :])


@pytest.fixture
def bench(tmp_path):
    tagger = {"instruments.tagger.driver": "sfifteen-tdc1", "instruments.tagger.address": "sim"}
    with open_bench(load_bench("bb84-25km", tagger), home=tmp_path) as opened:
        opened.instruments["laser"].enable()
        opened.instruments["attenuator"].apply({"attenuation_db": 90.0, "shutter_closed": False})
        for name in ("det_h", "det_v", "det_d", "det_a"):
            opened.instruments[name].enable()
        yield opened


CHECKS = [pytest.param(c, id=c.name) for c in contract.checks_of(TimeTagger)]


@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract_of_its_role(bench, check) -> None:
    try:
        check(bench.instruments["tagger"], Context(bench.clock))
    except contract.NotApplicable as reason:
        assert check.name == "dead_time_holds", reason  # noqa: PT017


def test_the_threshold_of_the_world_moves(bench) -> None:
    tagger = bench.instruments["tagger"]
    assert sum(tagger.counts(0.02).values()) > 100
    tagger.apply({"threshold_v": 1.0})
    assert bench.wires["tagger"].port.threshold_v == [1.0] * 4


def read_on(stream) -> None:
    for _ in range(100):
        stream.read(5.0)


def test_a_stream_that_breaks_says_so_and_comes_back(bench) -> None:
    tagger, wire = bench.instruments["tagger"], bench.wires["tagger"]
    with tagger.open_stream() as stream:
        stream.read(5.0)
        wire.faults.add("disconnect")
        with pytest.raises(Disconnected, match="tagger: "):
            read_on(stream)
    tagger.reconnect()
    assert sum(tagger.counts(0.02).values()) > 100
