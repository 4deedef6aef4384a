"""Cascade: corrects, counts what it leaks, and refuses malformed questions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnlab.procedures.qkd.cascade import CascadeAlice, CascadeBob
from qnlab.procedures.qkd.messages import MessageError

SEED = bytes(range(32))


def entropy(q):
    return -q * np.log2(q) - (1 - q) * np.log2(1 - q)


def reconcile(alice_bits, bob_bits, *, estimate, preset="lan", seed=SEED):
    """Run both halves; the third result counts parity bits as a sniffer on the channel does."""
    alice = CascadeAlice(alice_bits, qber_estimate=estimate, seed=seed, preset=preset)
    bob = CascadeBob(bob_bits, qber_estimate=estimate, seed=seed, preset=preset)
    sniffed = 0
    while (questions := bob.next_questions()) is not None:
        before = alice.leaked_bits
        answers = alice.answer(questions)
        sniffed += alice.leaked_bits - before
        assert len(answers) == (alice.leaked_bits - before + 7) // 8
        bob.take(answers)
    return alice, bob, sniffed


def noisy_pair(n, qber, seed):
    rng = np.random.default_rng(seed)
    alice = rng.integers(0, 2, n, dtype=np.uint8)
    return alice, alice ^ (rng.random(n) < qber).astype(np.uint8)


@pytest.mark.parametrize(("preset", "worst"), [("lan", 1.06), ("wan", 1.15)])
@pytest.mark.parametrize("qber", [0.01, 0.03, 0.05, 0.08])
def test_p16_efficiency_at_1e5_bits(preset, worst, qber):
    a, b = noisy_pair(100_000, qber, 5)
    _, bob, _ = reconcile(a, b, estimate=qber, preset=preset)
    assert (bob.corrected() == a).all()
    assert bob.leaked_bits <= worst * len(a) * entropy((a != b).mean())


def test_p12_leakage_is_what_a_sniffer_counts():
    a, b = noisy_pair(50_000, 0.03, 6)
    alice, bob, sniffed = reconcile(a, b, estimate=0.03)
    assert alice.leaked_bits == bob.leaked_bits == sniffed > 50_000 * entropy(0.03)


@pytest.mark.parametrize("position", range(64))
def test_p17_an_error_at_each_of_64_positions_is_found_and_counted(position):
    a, _ = noisy_pair(64, 0, 7)
    b = a.copy()
    b[position] ^= 1
    _, bob, _ = reconcile(a, b, estimate=0.02)
    assert (bob.corrected() == a).all()
    assert bob.corrected_errors == 1


@given(n=st.integers(0, 5000), qber=st.floats(0, 0.1), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_any_length_is_corrected(n, qber, seed):
    a, b = noisy_pair(n, qber, seed)
    _, bob, _ = reconcile(a, b, estimate=max(qber, 0.005))
    assert (bob.corrected() == a).mean() >= 0.99 if n else len(bob.corrected()) == 0


@pytest.mark.parametrize("factor", [1 / 3, 3])
def test_a_wrong_estimate_costs_leakage_not_correctness(factor):
    a, b = noisy_pair(65_536, 0.03, 8)
    _, bob, _ = reconcile(a, b, estimate=0.03 * factor)
    assert (bob.corrected() == a).all()


def test_p13_no_frame_of_200_fails():
    for seed in range(200):
        a, b = noisy_pair(16_384, 0.03, 100 + seed)
        _, bob, _ = reconcile(a, b, estimate=0.03, seed=np.random.default_rng(seed).bytes(32))
        assert (bob.corrected() == a).all()


@given(st.binary(max_size=60))
def test_malformed_questions_are_refused_or_answered_in_bounds(data):
    a, b = noisy_pair(3000, 0.03, 9)
    alice = CascadeAlice(a, qber_estimate=0.03, seed=SEED, preset="lan")
    bob = CascadeBob(b, qber_estimate=0.03, seed=SEED, preset="lan")
    bob.take(alice.answer(bob.next_questions()))
    before = alice.leaked_bits
    try:
        answers = alice.answer(data)
    except MessageError:
        return
    assert len(answers) == (alice.leaked_bits - before + 7) // 8


@pytest.mark.parametrize("preset", ["lan", "wan"])
@pytest.mark.parametrize("errors", [
    [484, 485, 486, 487], [0, 1], [0, 1, 64, 65], [0, 1, 2, 3, 4, 5, 6, 7],
    [100, 612], [3, 1027, 2051, 3075],
])  # fmt: skip
def test_regular_patterns_of_errors_are_found(preset, errors):
    """Patterns that blocks in order, or halves made of pairs, would not see."""
    a, _ = noisy_pair(4096, 0, 11)
    b = a.copy()
    b[errors] ^= 1
    for seed in range(20):
        _, bob, _ = reconcile(a, b, estimate=0.03, preset=preset, seed=bytes([seed] * 32))
        assert (bob.corrected() == a).all()


def test_wrong_number_of_parities_is_refused():
    _, b = noisy_pair(3000, 0.03, 10)
    bob = CascadeBob(b, qber_estimate=0.03, seed=SEED, preset="lan")
    bob.next_questions()
    with pytest.raises(MessageError, match="parities were asked for"):
        bob.take(b"\x00")
