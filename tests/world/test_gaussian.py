"""The world's Gaussian numbers against the normal distribution, out to its tail."""

import numpy as np
import pytest
from scipy import stats

from qnlab.sim_backends.world.gaussian import gaussian

DRAWS = 4_000_000


@pytest.fixture(scope="module")
def drawn():
    out = np.empty(DRAWS)
    gaussian(np.array([20261124], dtype=np.uint64), out)
    return out


def test_distribution_function(drawn):
    assert stats.kstest(drawn[:1_000_000], "norm").pvalue > 0.003


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
def test_moments(drawn, order):
    expected = stats.norm.moment(order)
    sigma = np.sqrt((stats.norm.moment(2 * order) - expected**2) / DRAWS)
    assert abs((drawn**order).mean() - expected) < 4 * sigma


@pytest.mark.parametrize("beyond", [2.0, 3.0, 3.442619855899, 4.0, 4.5])
@pytest.mark.parametrize("sign", [-1, 1])
def test_tail(drawn, beyond, sign):
    expected = DRAWS * stats.norm.sf(beyond)
    assert abs(np.count_nonzero(sign * drawn > beyond) - expected) < 4 * np.sqrt(expected)


def test_neighbours_are_independent(drawn):
    for lag in (1, 2, 128):
        assert abs(np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1]) < 4 / np.sqrt(DRAWS)


def test_pieces_continue_one_sequence():
    whole, pieces, state = np.empty(1000), np.empty(1000), np.array([5], dtype=np.uint64)
    gaussian(np.array([5], dtype=np.uint64), whole)
    for begin, end in ((0, 1), (1, 400), (400, 1000)):
        gaussian(state, pieces[begin:end])
    assert (whole == pieces).all()
