"""The measure-and-prepare limit: figures of the literature and its corner cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnlab.procedures.memory import classical_limit


@pytest.mark.parametrize(
    ("mu", "efficiency", "by_efficiency", "by_clicks"),
    [
        (0.4, 0.10, 0.7629, 0.7608),
        (1.0, 0.093, 0.8125, 0.8035),
        (1.6, 0.05, 0.8507, 0.8424),
        (0.5, 0.68, 0.6977, 0.6955),
        (0.92, 0.074, 0.8124, 0.8084),
        (0.4, 1.0, 0.6835, 0.6835),
        (1.0, 1.0, 0.7090, 0.7090),
        (1.6, 1.0, 0.7340, 0.7340),
    ],
)
def test_known_limits(mu: float, efficiency: float, by_efficiency: float, by_clicks: float) -> None:
    limit = classical_limit(mu, efficiency)
    assert limit.efficiency_budget == pytest.approx(by_efficiency, abs=6e-5)
    assert limit.click_budget == pytest.approx(by_clicks, abs=6e-5)
    assert limit.fidelity == max(limit.efficiency_budget, limit.click_budget)


def test_a_single_photon_allows_two_thirds() -> None:
    assert classical_limit(1e-9, 1.0).fidelity == pytest.approx(2 / 3, abs=1e-9)


@given(mu=st.floats(1e-6, 50), efficiency=st.floats(1e-3, 1), more=st.floats(1.01, 5))
def test_more_photons_help_the_classical_device(mu: float, efficiency: float, more: float) -> None:
    limit = classical_limit(mu, efficiency)
    assert 2 / 3 - 1e-12 <= limit.fidelity < 1
    assert classical_limit(mu * more, efficiency).fidelity >= limit.fidelity - 1e-12
    assert classical_limit(mu, min(1, efficiency * more)).fidelity <= limit.fidelity + 1e-12


@pytest.mark.parametrize(("mu", "efficiency"), [(0, 0.5), (-1, 0.5), (1, 0), (1, 1.1)])
def test_what_is_no_experiment_is_refused(mu: float, efficiency: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        classical_limit(mu, efficiency)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        classical_limit(float("nan"), 0.5)
