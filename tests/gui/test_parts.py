"""Words, colours, series and charts by themselves."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnlab.gui import words
from qnlab.gui.feed import Series
from qnlab.gui.palette import score
from qnlab.gui.theme import DARK, LIGHT, contrast
from qnlab.gui.widgets.charts import MOST_POINTS, TimeChart, thinned


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1e-3, "W", "1 mW"), (80e6, "Hz", "80 MHz"), (0.0, "s", "0 s"), (12.34, "dB", "12.34 dB"),
        (1.55012e-6, "m", "1.55 um"), (0.9, "", "0.9"), (-2e-9, "s", "-2 ns"),
        (45.0, "deg", "45 deg"), (float("nan"), "W", "-"),
    ],
)  # fmt: skip
def test_quantities(value, unit, text):
    assert words.quantity(value, unit) == text


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1.2 ns", "s", 1.2e-9), ("1.2n", "s", 1.2e-9), ("1200 ps", "s", 1.2e-9),
        ("5e-4", "W", 5e-4),
        ("3", "dB", 3.0), ("3 dB", "dB", 3.0), ("80 MHz", "Hz", 80e6), ("2 µs", "s", 2e-6),
    ],
)  # fmt: skip
def test_what_is_typed(text, unit, value):
    assert words.parsed(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(("text", "unit"), [("x", "s"), ("1 V", "s"), ("", "s"), ("3 mdB", "dB")])
def test_what_is_typed_wrong(text, unit):
    with pytest.raises(ValueError):
        words.parsed(text, unit)


def test_errors_are_poissonian_and_binomial():
    assert words.rate(10_000, 0.5) == "20,000 ± 200 /s"
    percent, error = words.ratio(100, 10_000)
    assert percent == pytest.approx(1.0)
    assert error == pytest.approx(100 * np.sqrt(0.01 * 0.99 / 10_000))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast_of_text_and_marks(theme):
    for colour in (theme.text, theme.dim, theme.accent, theme.ok, theme.warning, theme.alarm):
        assert contrast(colour, theme.panel) >= 4.5
        assert contrast(colour, theme.window) >= 4.2
    for colour in theme.curves:
        assert contrast(colour, theme.panel) >= 3.0
    assert contrast(theme.panel, theme.simulated) >= 4.5


def seen_by(colour, kind):
    """sRGB to what a dichromat sees (Viénot, Brettel, Mollon 1999, linear light)."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]) ** 2.2
    matrix = {
        "protan": [[0.1121, 0.8853, -0.0005], [0.1127, 0.8897, -0.0001], [0.0045, 0.0000, 1.0019]],
        "deutan": [[0.2920, 0.7054, -0.0003], [0.2934, 0.7089, 0.0000], [-0.0210, 0.0256, 1.0019]],
    }[kind]
    return np.clip(np.array(matrix) @ rgb, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("kind", ["protan", "deutan"])
def test_the_first_four_curves_differ_for_colour_blind_eyes(theme, kind):
    seen = [seen_by(colour, kind) for colour in theme.curves[:4]]
    for i in range(4):
        for j in range(i):
            assert np.linalg.norm(seen[i] - seen[j]) > 0.10


@given(st.lists(st.tuples(st.floats(0, 1e5), st.none() | st.floats(-1, 1)), max_size=60))
def test_time_of_a_series_always_increases(points):
    series = Series()
    for at, value in points:
        series.add(at, value)
    times, values = series.since(0.0)
    assert (np.diff(times) > 0).all()
    assert len(times) == len(values)


def test_a_gap_stays_a_gap():
    series = Series()
    for at in (0.0, 1.0, 100.0, 101.0):
        series.add(at, 1.0)
    assert np.isnan(series.since(0.0)[1]).sum() == 1


def test_many_points_keep_their_extremes():
    t = np.arange(100_000.0)
    v = np.sin(t)
    v[54_321] = 9.0
    thin_t, thin_v = thinned(t, v)
    assert len(thin_t) <= MOST_POINTS
    assert thin_v.max() == 9.0
    assert (np.diff(thin_t) > 0).all()


def test_ranges_grow_at_once_and_shrink_late(qtbot):
    chart = TimeChart("x", LIGHT, "y", floor=0.0)
    qtbot.addWidget(chart)
    tops = []
    for value in (1.0, 10.0, 8.0, 2.0):
        series = Series()
        series.add(time.time() - 1, value)
        chart.show_series({"a": series})
        tops.append(chart.item.vb.viewRange()[1][1])
    assert tops == pytest.approx([1.2, 12.0, 12.0, 2.4])


def test_letters_in_order_fit():
    assert score("qk", "QKD session") == 0
    assert score("sto", "Stop all") < score("sto", "Save to another")
    assert score("zz", "Stop all") is None
