"""States from counts: published data, exact states, a proof of optimality, errors that are true."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from qnlab.procedures.tomography import (
    Counts,
    analyse,
    concurrence,
    fidelity,
    linear_inversion,
    maximum_likelihood,
    named_states,
    purity,
    read_counts,
)

JAMES = Path(__file__).with_name("james2001.csv")
LETTERS = "HVDARL"
ALL_36 = tuple("".join(pair) for pair in itertools.product(LETTERS, repeat=2))
MINIMAL_16 = tuple("".join(pair) for pair in itertools.product("HVDR", repeat=2))


def james() -> Counts:
    return read_counts(JAMES.read_text(encoding="utf-8").splitlines(), JAMES.name)


def werner(visibility: float) -> np.ndarray:
    bell = named_states(2)["phi+"]
    return visibility * np.outer(bell, bell.conj()) + (1 - visibility) * np.eye(4) / 4


def means(labels: tuple[str, ...], rho: np.ndarray, intensity: float) -> np.ndarray:
    projectors = Counts(labels, (1,) * len(labels)).projectors()
    return intensity * np.einsum("kij,ji->k", projectors, rho).real


def log_likelihood(projectors: np.ndarray, counts: np.ndarray, sigma: np.ndarray) -> float:
    p = np.einsum("kij,ji->k", projectors, sigma).real
    return float((counts * np.log(p) - p).sum())


def test_james_2001_linear_inversion_has_the_published_eigenvalues() -> None:
    found = [item.value for item in analyse(james(), bootstraps=2).eigenvalues]
    assert found == pytest.approx([1.02155, 0.0681238, -0.024396, -0.065274], abs=5e-6)


def test_james_2001_maximum_likelihood() -> None:
    result = analyse(james(), bootstraps=200)
    assert result.concurrence is not None
    assert result.fidelities["phi+"].value == pytest.approx(0.960, abs=5e-4)
    assert result.concurrence.value == pytest.approx(0.921, abs=5e-4)
    assert np.linalg.eigvalsh(result.rho)[0] >= 0
    negative = result.eigenvalues[-1]
    assert negative.high < 0, "the counts contradict any state beyond their errors"


def test_james_2001_likelihood_is_that_of_an_independent_search() -> None:
    table = james()
    counts = np.array(table.counts, dtype=float)
    projectors = table.projectors()
    fit = maximum_likelihood(table.kets(), counts[None])

    def loss(t: np.ndarray) -> float:
        lower = np.zeros((4, 4), dtype=complex)
        lower[np.tril_indices(4)] = t[:10]
        lower[np.tril_indices(4, -1)] += 1j * t[10:]
        return -log_likelihood(projectors, counts, lower @ lower.conj().T)

    start = np.concatenate([np.eye(4)[np.tril_indices(4)], np.zeros(6)]) * 130 + 3
    other = minimize(loss, start, method="BFGS", options={"maxiter": 5000})
    ours = log_likelihood(projectors, counts, fit.intensity[0] * fit.rho[0])
    assert ours >= -other.fun - 1e-3
    assert ours == pytest.approx(-other.fun, abs=0.5)


def test_circular_light_has_the_sign_of_james() -> None:
    counts = np.array([50.0, 50, 50, 50, 100, 0])
    table = Counts(tuple(LETTERS), (1,) * 6)
    expected = np.array([[0.5, 0.5j], [-0.5j, 0.5]])
    assert linear_inversion(table.projectors(), counts) == pytest.approx(expected)
    rho = maximum_likelihood(table.kets(), counts[None]).rho[0]
    assert rho == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("labels", [ALL_36, MINIMAL_16])
@pytest.mark.parametrize("visibility", [0.2, 0.8, 1.0])
def test_both_methods_return_the_state_whose_exact_means_they_get(
    labels: tuple[str, ...], visibility: float
) -> None:
    table = Counts(labels, (1,) * len(labels))
    exact = means(labels, werner(visibility), 1e6)
    assert linear_inversion(table.projectors(), exact) == pytest.approx(werner(visibility))
    fit = maximum_likelihood(table.kets(), exact[None], gap=1e-6)
    assert fit.rho[0] == pytest.approx(werner(visibility), abs=1e-5)
    assert fit.intensity[0] == pytest.approx(1e6, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_left_to_gain_is_proven_small(data: st.DataObject) -> None:
    """Concavity: no state gains more than n (max eig of G^-1/2 R G^-1/2 - 1)."""
    labels = data.draw(st.sampled_from([tuple("HVDR"), tuple(LETTERS), MINIMAL_16, ALL_36]))
    number = st.one_of(st.just(0), st.integers(0, 20), st.integers(0, 10**9))
    counts = np.array(
        data.draw(
            st.lists(number, min_size=len(labels), max_size=len(labels)).filter(any), label="n"
        ),
        dtype=float,
    )
    table = Counts(labels, (1,) * len(labels))
    projectors = table.projectors()
    fit = maximum_likelihood(table.kets(), counts[None], gap=1e-3)
    sigma = fit.rho[0] * fit.intensity[0]
    p = np.einsum("kij,ji->k", projectors, sigma).real
    weights, vectors = np.linalg.eigh(projectors.sum(axis=0))
    half = (vectors / np.sqrt(weights)) @ vectors.conj().T
    top = np.linalg.eigvalsh(half @ np.tensordot(counts / p, projectors, 1) @ half)[-1]
    assert p.sum() == pytest.approx(counts.sum(), rel=1e-6, abs=1e-2)
    assert counts.sum() * (top - 1) <= 1e-2 + 1e-9 * counts.sum()


def test_figures_of_werner_states() -> None:
    visibilities = np.array([0.0, 1 / 3, 0.6, 1.0])
    stack = np.array([werner(v) for v in visibilities])
    assert concurrence(stack) == pytest.approx(np.maximum(0, (3 * visibilities - 1) / 2), abs=1e-12)
    assert purity(stack) == pytest.approx((1 + 3 * visibilities**2) / 4)
    assert fidelity(stack, named_states(2)["phi+"]) == pytest.approx((1 + 3 * visibilities) / 4)
    assert fidelity(stack, named_states(2)["psi-"]) == pytest.approx((1 - visibilities) / 4)


def test_concurrence_does_not_care_for_local_rotations() -> None:
    generator = np.random.default_rng(5)
    turns = generator.normal(size=(2, 2, 2)) + 1j * generator.normal(size=(2, 2, 2))
    a, b = np.linalg.qr(turns)[0]
    both = np.kron(a, b)
    turned = both @ werner(0.8) @ both.conj().T
    assert concurrence(turned) == pytest.approx(0.7, abs=1e-12)


def test_errors_are_those_of_the_binomial() -> None:
    table = Counts(tuple(LETTERS), (5210, 4790, 9430, 570, 5100, 4900))
    found = analyse(table, bootstraps=2000).fidelities["D"]
    error = np.sqrt(0.943 * 0.057 / 10_000)
    assert found.value == pytest.approx(0.943, abs=1e-6)
    assert found.error == pytest.approx(error, rel=0.07)
    assert found.high - found.low == pytest.approx(3.92 * error, rel=0.1)


def test_errors_cover_the_spread_of_repeated_experiments() -> None:
    generator = np.random.default_rng(11)
    exact = means(ALL_36, werner(0.9), 400)
    results = []
    for _ in range(30):
        drawn = tuple(int(n) for n in generator.poisson(exact))
        results.append(analyse(Counts(ALL_36, drawn), bootstraps=60).fidelities["phi+"])
    values = np.array([item.value for item in results])
    errors = np.array([item.error for item in results])
    assert np.mean(errors) == pytest.approx(values.std(ddof=1), rel=0.35)
    assert values.mean() == pytest.approx(0.925, abs=3 * values.std() / np.sqrt(30) + 2e-3)


def test_the_same_seed_gives_the_same_errors() -> None:
    first, again = (analyse(james(), bootstraps=20, seed=4) for _ in range(2))
    assert first.fidelities == again.fidelities
    assert first.fidelities != analyse(james(), bootstraps=20, seed=5).fidelities


def test_36_settings_with_500_bootstraps_take_less_than_three_seconds() -> None:
    exact = means(ALL_36, werner(0.97), 10_000)
    drawn = tuple(int(n) for n in np.random.default_rng(3).poisson(exact))
    begin = time.perf_counter()
    result = analyse(Counts(ALL_36, drawn), bootstraps=500)
    assert time.perf_counter() - begin < 3
    assert result.freedom == 20
    assert 5 < result.deviance < 45
