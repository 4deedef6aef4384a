"""Reference points of the key-length bounds and properties that hold for every block."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnlab.procedures.qkd.bounds import (
    Basis,
    BoundInputError,
    DecoyCounts,
    OneDecoySource,
    TwoDecoySource,
    lim2014,
    plan_block,
    rusca2018,
    tomamichel2012,
    tomamichel2017,
    wiesemann2024,
)
from qnlab.procedures.qkd.bounds.statistics import binary_entropy

LIM_SOURCE = TwoDecoySource(
    (0.4282842881234905, 0.17633237709382277, 0.0),
    (0.13805084558731817, 0.5128431335302637, 0.34910602088241816),
)
LIM_KEY = (151365.01263440706, 234130.72520746535, 3015.1110343667656)
LIM_COUNTS = DecoyCounts(
    key=Basis(LIM_KEY, (5551.848873684462, 9794.775217286584, 0.0)),
    test=Basis(
        (24580.59845773933, 38021.15986238035, 489.63252703763663),
        (901.5806591428209, 1590.6016351443823, 244.8162635197096),
    ),
)
LIM_LEAK = (
    1.22 * sum(LIM_KEY) * binary_entropy((5551.848873684462 + 9794.775217286584) / sum(LIM_KEY))
)


def one_decoy_block(
    km: float,
    p1: float,
    *,
    error: float = 0.02,
    pulses: float = 1e10,
) -> tuple[OneDecoySource, DecoyCounts, float]:
    """625 MHz, 200 Hz darks, 0.2 dB/km, 90 % key basis, f = 1.16 (the reference's own model)."""
    intensities, probabilities = (0.5, 0.15), (p1, 1 - p1)
    transmittance, dark = 10 ** (-0.02 * km), 200 / 625e6

    def basis(choice: float) -> Basis:
        sent = [pulses * choice**2 * p for p in probabilities]
        lit = [-math.expm1(-mu * transmittance) for mu in intensities]
        return Basis(
            tuple(n * (1 - (1 - c) * (1 - dark)) for n, c in zip(sent, lit, strict=True)),
            tuple(n * (c * error + dark / 2) for n, c in zip(sent, lit, strict=True)),
        )

    counts = DecoyCounts(basis(0.9), basis(0.1))
    key = counts.key
    leak = 1.16 * key.total * binary_entropy(key.total_errors / key.total)
    return OneDecoySource(intensities, probabilities), counts, leak


def test_lim2014_matches_the_published_point() -> None:
    result = lim2014(LIM_SOURCE, LIM_COUNTS, LIM_LEAK, 1e-10, 1e-15)
    assert result.secret_bits == 41368
    assert result.vacuum_key == pytest.approx(1903.52, abs=0.01)
    assert result.single_photon_key == pytest.approx(259202.28, abs=0.01)
    assert result.single_photon_test == pytest.approx(37804.12, abs=0.01)
    assert result.single_photon_errors == pytest.approx(2579.93, abs=0.01)
    assert result.phase_error == pytest.approx(0.0816043, abs=5e-8)


@pytest.mark.parametrize(
    ("km", "p1", "wiesemann", "rusca"),
    [(100, 0.9, 2_786_507, 3_063_639), (50, 0.7, 78_909_814, 80_728_989)],
)
def test_one_decoy_bounds_match_the_authors_code(
    km: float, p1: float, wiesemann: int, rusca: int
) -> None:
    source, counts, leak = one_decoy_block(km, p1)
    assert wiesemann2024(source, counts, leak, 1e-12, 1e-12).secret_bits == wiesemann
    assert rusca2018(source, counts, leak, 1e-12, 1e-12).secret_bits == rusca


@pytest.mark.parametrize("eps_sec", [1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10])
def test_the_micius_block_gives_no_key(eps_sec: float) -> None:
    leak = 1.16 * 1550 * binary_entropy(0.0451)
    for bound in (tomamichel2012, tomamichel2017):
        assert bound(1550, 1550, 0.0451, leak, eps_sec, 1e-10).secret_bits == 0


@pytest.mark.parametrize(("qber", "block"), [(0.01, 1841), (0.025, 2891), (0.05, 7038)])
def test_smallest_block_of_tomamichel2012(qber: float, block: int) -> None:
    def best(total: int) -> float:
        return max(
            tomamichel2012(
                total - k, k, qber, 1.1 * (total - k) * binary_entropy(qber), 1e-10, 1e-15
            ).bits
            for k in range(total // 10, total * 9 // 10, max(1, total // 400))
        )

    assert best(round(block * 0.99)) < 0 < best(round(block * 1.01))


def test_a_longer_tag_is_paid_in_full() -> None:
    source, counts, leak = one_decoy_block(50, 0.7)
    without = wiesemann2024(source, counts, leak, 1e-12, 1e-12)
    tagged = wiesemann2024(source, counts, leak, 1e-12, 1e-12, 128)
    assert without.bits - tagged.bits == pytest.approx(128 - math.log2(2e12), abs=1e-6)
    assert wiesemann2024(source, counts, leak, 1e-12, 1e-12, 8) == without


@pytest.mark.parametrize("bound", [wiesemann2024, rusca2018])
def test_intercepted_and_resent_blocks_give_no_key(bound) -> None:  # type: ignore[no-untyped-def]
    source, counts, leak = one_decoy_block(50, 0.7, error=0.25)
    assert bound(source, counts, leak, 1e-10, 1e-15).secret_bits == 0


@given(error=st.floats(0.11, 0.5), km=st.floats(0, 150))
def test_no_key_at_eleven_per_cent(error: float, km: float) -> None:
    source, counts, leak = one_decoy_block(km, 0.7, error=error)
    assert wiesemann2024(source, counts, leak, 1e-10, 1e-15).secret_bits == 0
    assert rusca2018(source, counts, leak, 1e-10, 1e-15).secret_bits == 0


@given(
    qber=st.floats(0.11, 1.0),
    n=st.integers(1, 10**9),
    k=st.integers(1, 10**9),
)
def test_no_entangled_key_at_eleven_per_cent(qber: float, n: int, k: int) -> None:
    leak = n * binary_entropy(qber)
    for bound in (tomamichel2012, tomamichel2017):
        assert bound(n, k, qber, leak, 1e-10, 1e-15).secret_bits == 0


@given(
    km=st.floats(0, 120),
    more_leak=st.floats(0, 1e6),
    tag=st.floats(0, 1e4),
    tighter=st.floats(1e-6, 1),
    more_errors=st.floats(1, 5),
)
def test_length_never_grows_when_the_block_gets_worse(
    km: float, more_leak: float, tag: float, tighter: float, more_errors: float
) -> None:
    source, counts, leak = one_decoy_block(km, 0.7)
    best = wiesemann2024(source, counts, leak, 1e-10, 1e-12).bits
    noisy_test = replace(
        counts.test, errors=(counts.test.errors[0] * more_errors, counts.test.errors[1])
    )
    noisy_key = replace(counts.key, errors=tuple(m * more_errors for m in counts.key.errors))
    for worse in (
        wiesemann2024(source, counts, leak + more_leak, 1e-10, 1e-12),
        wiesemann2024(source, counts, leak, 1e-10 * tighter, 1e-12),
        wiesemann2024(source, counts, leak, 1e-10, 1e-12 * tighter),
        wiesemann2024(source, counts, leak, 1e-10, 1e-12, tag),
        wiesemann2024(source, replace(counts, test=noisy_test), leak, 1e-10, 1e-12),
        wiesemann2024(source, replace(counts, key=noisy_key), leak, 1e-10, 1e-12),
    ):
        assert worse.bits <= best + 1e-6


@given(scale=st.floats(0.98, 1.02), errors=st.floats(0.0, 1.3))
def test_an_accepted_block_supports_the_length_fixed_before_it(scale: float, errors: float) -> None:
    source, counts, _ = one_decoy_block(50, 0.7, pulses=1e8)
    rule = plan_block(source, counts, f_ec=1.16, eps_sec=1e-10, eps_cor=1e-15, tag_bits=128)
    block = DecoyCounts(
        *(
            Basis(
                tuple(n * scale for n in basis.detections), tuple(m * errors for m in basis.errors)
            )
            for basis in (counts.key, counts.test)
        )
    )
    leak = rule.thresholds.leak_ec_bits
    if rule.accept(block, leak).accepted:
        assert 0 < rule.length <= wiesemann2024(source, block, leak, 1e-10, 1e-15, 128).secret_bits


def test_the_expected_block_is_accepted_and_a_disturbed_one_named() -> None:
    source, counts, leak = one_decoy_block(50, 0.7, pulses=1e9)
    rule = plan_block(source, counts, f_ec=1.16, eps_sec=1e-10, eps_cor=1e-15)
    assert rule.length > 0
    assert rule.accept(counts, leak).accepted
    _, attacked, _ = one_decoy_block(50, 0.7, pulses=1e9, error=0.25)
    reasons = rule.accept(attacked, rule.thresholds.leak_ec_bits + 1).reasons
    names = {reason.split(":")[0] for reason in reasons}
    assert names == {
        "key_errors_high",
        "test_errors_high",
        "phase_error_high",
        "single_photon_key_low",
        "leak_ec_bits_high",
    }


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: OneDecoySource((0.15, 0.5), (0.5, 0.5)), "intensities"),
        (lambda: OneDecoySource((0.5, 0.0), (0.5, 0.5)), "intensities"),
        (lambda: OneDecoySource((0.5, 0.1), (0.5, 0.4)), "probabilities"),
        (lambda: OneDecoySource((0.5, 0.1), (1.0, 0.0)), "probabilities[0]"),
        (lambda: TwoDecoySource((0.5, 0.3, 0.25), (0.5, 0.3, 0.2)), "intensities"),
        (lambda: Basis((10, 10), (1, 11)), "errors[1]"),
        (lambda: Basis((10, -1), (1, 0)), "detections[1]"),
        (lambda: Basis((math.nan, 1), (1, 0)), "detections[0]"),
        (lambda: Basis((10, 10), (1,)), "errors"),
        (lambda: tomamichel2012(0, 10, 0.01, 0, 1e-10, 1e-10), "n"),
        (lambda: tomamichel2017(10, 10, math.nan, 0, 1e-10, 1e-10), "qber"),
        (lambda: tomamichel2017(10, 10, 0.01, 0, 1.0, 1e-10), "eps_sec"),
        (lambda: tomamichel2017(10, 10, 0.01, -1, 1e-10, 1e-10), "leak_ec_bits"),
    ],
)
def test_input_outside_the_proof_names_the_field(build, field: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BoundInputError) as caught:
        build()
    assert caught.value.field == field
