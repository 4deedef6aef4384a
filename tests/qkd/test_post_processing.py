"""Verification, privacy amplification and authentication against direct computation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnlab.procedures.qkd import amplification as pa
from qnlab.procedures.qkd import carryless
from qnlab.procedures.qkd.authentication import (
    AuthenticationFailed,
    Transcript,
    forgery_bound,
    poly1305_tag,
)
from qnlab.procedures.qkd.randomness import random_bits, secret_bytes
from qnlab.procedures.qkd.verification import collision_bound, verification_tag, verifies


def direct_toeplitz(key, seed, length):
    n = len(key)
    d = np.unpackbits(np.frombuffer(seed, dtype=np.uint8), count=n + length - 1)
    rows = [[d[i - j + n - 1] for j in range(n)] for i in range(length)]
    return (np.array(rows, dtype=int) @ key.astype(int) % 2).astype(np.uint8)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_p22_both_ways_equal_direct_gf2(data):
    n = data.draw(st.integers(1, 300))
    length = data.draw(st.integers(1, n))
    key, seed = random_bits(n), pa.amplification_seed(n, length)
    d = np.unpackbits(np.frombuffer(seed, dtype=np.uint8), count=n + length - 1)
    expected = direct_toeplitz(key, seed, length)
    assert (pa.fourier_hash(key, d, length) == expected).all()
    if carryless.available():
        assert (pa.carryless_hash(key, d, length) == expected).all()
    assert (pa.toeplitz_hash(key, seed, length) == expected).all()


@pytest.mark.skipif(not carryless.available(), reason="no carry-less multiplication here")
@given(n=st.integers(1, 60_000), share=st.floats(0, 1))
@settings(deadline=None, max_examples=40)
def test_p22_carryless_multiplication_equals_the_fft(n, share):
    length = max(round(share * n), 1)
    key, d = random_bits(n), random_bits(n + length - 1)
    assert (pa.carryless_hash(key, d, length) == pa.fourier_hash(key, d, length)).all()


def test_rows_at_a_million_bits_are_exact():
    n, length = 1_000_000, 400_000
    key, seed = random_bits(n), pa.amplification_seed(n, length)
    result = pa.toeplitz_hash(key, seed, length)
    d = np.unpackbits(np.frombuffer(seed, dtype=np.uint8), count=n + length - 1)
    for i in np.linspace(0, length - 1, 25, dtype=int):
        assert result[i] == int(d[i : i + n][::-1] @ key.astype(np.int64)) % 2


def test_p23_rounding_guard_trips_on_float32():
    key = np.ones(1_000_000, dtype=np.uint8)
    d = np.ones(1_400_000, dtype=np.uint8)
    with pytest.raises(pa.AmplificationError, match="rounding error"):
        pa._parity(pa._convolve(d, key, np.float32))


def test_p24_seed_has_n_plus_l_minus_1_bits_and_is_fresh():
    assert pa.seed_bits(1000, 300) == 1299
    assert len(pa.amplification_seed(1000, 300)) == 163
    assert pa.amplification_seed(1000, 300) != pa.amplification_seed(1000, 300)


@pytest.mark.parametrize(("n", "length"), [(10, 0), (10, 11), (0, 0)])
def test_p25_impossible_lengths_are_refused(n, length):
    with pytest.raises(pa.AmplificationError, match="cannot hash"):
        pa.toeplitz_hash(np.zeros(n, dtype=np.uint8), b"", length)


@pytest.mark.parametrize("flips", [1, 2, 4])
def test_p19_flipped_bits_are_always_caught(flips):
    rng = np.random.default_rng(flips)
    key = random_bits(10_000)
    for _ in range(200):
        other = key.copy()
        other[rng.choice(len(key), flips, replace=False)] ^= 1
        hash_key, tag = verification_tag(key)
        assert verifies(key, hash_key, tag)
        assert not verifies(other, hash_key, tag)


def test_p20_collision_bound_uses_the_length():
    assert collision_bound(1_000_000) == pytest.approx(2**-90.07, rel=0.01)
    assert collision_bound(2_000_000) == pytest.approx(2 * collision_bound(1_000_000), rel=1e-3)


def test_poly1305_of_rfc_8439_section_2_5_2():
    r = bytes.fromhex("85d6be7857556d337f4452fe42d506a8")
    s = bytes.fromhex("0103808afb0db2fd4abff6af4149f51b")
    tag = poly1305_tag(r, s, b"Cryptographic Forum Research Group")
    assert tag.hex() == "a8061dc1305136c6c22b8baf0c0127a9"


def test_forgery_bound_grows_with_the_message():
    assert forgery_bound(16) == 8 / 2**106
    assert forgery_bound(17) == 16 / 2**106


class Pool:
    def __init__(self, secret):
        self.secret, self.position = secret, 0

    def take_authentication(self, n_bytes):
        part = self.secret[self.position : self.position + n_bytes]
        assert len(part) == n_bytes
        self.position += n_bytes
        return part


@pytest.fixture
def halves():
    r, ab, ba = secret_bytes(16), secret_bytes(160), secret_bytes(160)
    alice = Transcript("alice", "bob", r, Pool(ab), Pool(ba))
    bob = Transcript("bob", "alice", r, Pool(ba), Pool(ab))
    return alice, bob


def test_an_honest_conversation_verifies_block_after_block(halves):
    alice, bob = halves
    for block in range(3):
        alice.sent(b"hello %d" % block)
        bob.received(b"hello %d" % block)
        bob.sent(b"world")
        alice.received(b"world")
        bob.check_received(alice.tag_sent())
        alice.check_received(bob.tag_sent())
    assert alice.consumed_bits == bob.consumed_bits == 3 * 256


@pytest.mark.parametrize(
    "heard",
    [
        [b"one"],
        [b"two", b"one"],
        [b"one", b"two", b"two"],
        [b"onetwo"],
        [b"one", b"twp"],
        [b"one", b"two", b""],
        [],
    ],
    ids=["truncated", "reordered", "replayed", "joined", "forged", "added", "silent"],
)
def test_p28_p30_a_changed_conversation_is_detected_and_its_key_is_used_up(halves, heard):
    alice, bob = halves
    for data in (b"one", b"two"):
        alice.sent(data)
    for data in heard:
        bob.received(data)
    with pytest.raises(AuthenticationFailed):
        bob.check_received(alice.tag_sent())
    assert bob.consumed_bits == 128


def test_p28_reflection_is_detected(halves):
    alice, _ = halves
    alice.sent(b"one")
    alice.received(b"one")
    with pytest.raises(AuthenticationFailed):
        alice.check_received(alice.tag_sent())
