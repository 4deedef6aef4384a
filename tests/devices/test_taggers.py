"""Edge, dead time, delay and overflow of the simulated tagger; latching of a detector."""

import numpy as np
import pytest

from qnlab.bench import load_bench, open_bench
from qnlab.errors import DataLoss


@pytest.fixture
def lab(tmp_path):
    opened = []

    def make(attenuation_db=70.0, **world):
        overrides = {f"world.{key}": value for key, value in world.items()}
        bench = open_bench(load_bench("bb84-25km", overrides), home=tmp_path)
        opened.append(bench)
        of = bench.instruments
        of["laser"].enable()
        of["attenuator"].apply({"shutter_closed": False, "attenuation_db": attenuation_db})
        for name in "hvda":
            of[f"det_{name}"].enable()
        return bench

    yield make
    for bench in opened:
        bench.close()


def taken(bench, chunks=3, channels=None):
    with bench.instruments["tagger"].open_stream(channels) as stream:
        return [stream.read() for _ in range(chunks)]


def tags_of(bench, settings):
    bench.instruments["tagger"].apply(settings)
    return np.concatenate([chunk.t[chunk.ch == 1] for chunk in taken(bench)])


def test_the_falling_edge_comes_a_pulse_width_later(lab) -> None:
    rising = tags_of(lab(), {"ch1.rising": True})
    falling = tags_of(lab(), {"ch1.rising": False})
    n = min(len(rising), len(falling)) - 5
    assert n > 100
    late = falling[:n] - rising[:n]
    assert set(np.unique(late)) <= set(range(19_990, 20_011))


def test_a_delay_moves_the_tags_of_its_channel_alone(lab) -> None:
    plain, delayed = lab(), lab()
    delayed.instruments["tagger"].apply({"ch2.delay_ps": 3000.0})
    shifts = {}
    for n in (1, 2):
        one, two = (
            np.concatenate([c.t[c.ch == n] for c in taken(bench)]) for bench in (plain, delayed)
        )
        m = min(len(one), len(two)) - 5
        shifts[n] = (two[:m] - one[:m]).mean()
    assert shifts[1] == 0
    assert shifts[2] == pytest.approx(3000, abs=10)


def test_dead_time_keeps_every_first_tag_and_drops_the_rest(lab) -> None:
    dead_ps = 50_000_000
    every = tags_of(lab(), {})
    kept = tags_of(lab(), {"ch1.dead_time_ps": float(dead_ps)})
    expected = []
    for t in every:
        if not expected or t - expected[-1] >= dead_ps:
            expected.append(t)
    assert len(expected) < 0.8 * len(every)
    assert kept.tolist() == expected


def test_overflow_is_a_gap_that_accounts_for_what_was_lost(lab) -> None:
    free = taken(lab(tagger_max_rate_hz=1e9))
    tight = taken(lab(tagger_max_rate_hz=20_000.0))
    some = taken(lab(tagger_max_rate_hz=20_000.0), channels=[1, 2])
    assert any(chunk.gaps for chunk in tight)
    for whole, cut, part in zip(free, tight, some, strict=True):
        (gap,) = cut.gaps
        assert cut.t_begin < gap.begin_ps < gap.end_ps == cut.t_end
        assert len(cut) + sum(gap.missed.values()) == len(whole)
        assert cut.t.tolist() == whole.t[whole.t < gap.begin_ps].tolist()
        (mine,) = part.gaps
        assert mine.missed == {n: k for n, k in gap.missed.items() if n in (1, 2)}


def test_counting_through_an_overflow_is_data_loss(lab) -> None:
    bench = lab(tagger_max_rate_hz=20_000.0)
    with pytest.raises(DataLoss, match="tagger: tags were lost while counting") as caught:
        bench.instruments["tagger"].counts(0.05)
    begin, end = caught.value.gap
    assert end > begin


def test_a_latched_detector_is_silent_until_it_is_reset(lab) -> None:
    bench = lab()
    detector = bench.instruments["det_h"]
    detector._port.latched = True
    assert not any((chunk.ch == 1).any() for chunk in taken(bench))
    detector.disable()
    detector.enable()
    assert detector.latched()
    detector.reset()
    assert all((chunk.ch == 1).any() for chunk in taken(bench))
