"""Post-processing against its goals: ``python -m benchmarks.postprocessing [--json]``.

Both halves run in one process, by CPU time, on keys made up with a given error rate. Speeds of
reconciliation are those of Alice and Bob on one core together. The chain is timed with a core a
party: the slower half counts.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.runner import Result, at_least, at_most, command, in_turn
from qnlab.procedures.qkd import amplification, carryless
from qnlab.procedures.qkd.authentication import poly1305_tag
from qnlab.procedures.qkd.bounds import (
    DecoyCounts,
    OneDecoySource,
    tomamichel2017,
    wiesemann2024,
)
from qnlab.procedures.qkd.bounds.statistics import binary_entropy
from qnlab.procedures.qkd.cascade import CascadeAlice, CascadeBob
from qnlab.procedures.qkd.planning import Channel, expected_counts
from qnlab.procedures.qkd.verification import TAG_BITS, verification_tag, verifies

QBERS = (0.01, 0.03, 0.05, 0.08)
F_EC = {"lan": 1.05, "wan": 1.15}
EPS_SEC, EPS_COR = 1e-10, 1e-15
SOURCE, KEY_BASIS = OneDecoySource((0.45, 0.12), (0.75, 0.25)), 0.7
DECOY_BLOCK = 8
"""Keys of 1e6 bits that are hashed together: a decoy link needs long blocks at 3 % of errors."""


@dataclass(frozen=True)
class Reconciled:
    """One key reconciled."""

    alice_s: float
    bob_s: float
    leaked: int
    round_trips: int
    f_ec: float
    failed: bool


def noisy(bits: int, qber: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two keys that differ at that rate."""
    alice = rng.integers(0, 2, bits, dtype=np.uint8)
    return alice, alice ^ (rng.random(bits) < qber).astype(np.uint8)


def reconcile(
    alice: np.ndarray, bob: np.ndarray, qber: float, preset: str, seed: bytes
) -> tuple[Reconciled, np.ndarray]:
    """Run both halves, each on its own clock; also the corrected key."""
    alice_s = bob_s = 0.0
    begin = time.process_time()
    answering = CascadeAlice(alice, qber_estimate=qber, seed=seed, preset=preset)
    alice_s += time.process_time() - begin
    begin = time.process_time()
    asking = CascadeBob(bob, qber_estimate=qber, seed=seed, preset=preset)
    questions = asking.next_questions()
    bob_s += time.process_time() - begin
    while questions is not None:
        begin = time.process_time()
        answers = answering.answer(questions)
        middle = time.process_time()
        asking.take(answers)
        questions = asking.next_questions()
        alice_s += middle - begin
        bob_s += time.process_time() - middle
    corrected = asking.corrected()
    errors = int(np.count_nonzero(alice != bob))
    entropy = len(alice) * binary_entropy(errors / len(alice))
    failed = bool((corrected != alice).any())
    leaked = asking.leaked_bits
    found = Reconciled(alice_s, bob_s, leaked, asking.round_trips, leaked / entropy, failed)
    return found, corrected


def reconciliation(options: argparse.Namespace) -> Iterator[Result]:
    """Efficiency, round trips and speed of both presets."""
    rng = np.random.default_rng(1)
    for preset in ("lan", "wan"):
        for bits in (100_000, 1_000_000):
            for qber in QBERS:
                runs = []
                for _ in range(options.repeats):
                    alice, bob = noisy(bits, qber, rng)
                    runs.append(reconcile(alice, bob, qber, preset, rng.bytes(32))[0])
                name = f"{preset}, {bits:.0e} bits, {qber:.0%}"
                f_ec = statistics.mean(run.f_ec for run in runs)
                trips = statistics.median(run.round_trips for run in runs)
                yield at_most(f"{name}: f_EC", f_ec, "", F_EC[preset], f"{trips:.0f} round trips")
                seconds = statistics.median(run.alice_s + run.bob_s for run in runs)
                speed = bits / seconds / 1e6
                if qber == 0.03:
                    yield at_least(f"{name}: speed", speed, "Mb/s", 30)
                else:
                    yield Result(f"{name}: speed", speed, "Mb/s")


def failures(options: argparse.Namespace) -> Iterator[Result]:
    """Frames left with errors, among keys of 1e5 bits at 3 %."""
    rng = np.random.default_rng(2)
    for preset in ("lan", "wan"):
        failed = 0
        for _ in range(options.keys):
            alice, bob = noisy(100_000, 0.03, rng)
            failed += reconcile(alice, bob, 0.03, preset, rng.bytes(32))[0].failed
        note = f"{failed} of {options.keys} keys"
        yield at_most(f"{preset}: failed keys of 1e5 bits", failed / options.keys, "", 1e-3, note)


def privacy_amplification(options: argparse.Namespace) -> Iterator[Result]:
    """One party's hash, by carry-less multiplication where there is any, and by FFT."""
    del options
    rng = np.random.default_rng(3)
    for bits, share in ((1_000_000, 0.4), (1_000_000, 0.9), (10_000_000, 0.4)):
        secret = round(bits * share)
        key = rng.integers(0, 2, bits, dtype=np.uint8)
        seed = amplification.amplification_seed(bits, secret)
        d = np.unpackbits(np.frombuffer(seed, np.uint8), count=bits + secret - 1)
        ways = {"fft": lambda k=key, d=d, n=secret: amplification.fourier_hash(k, d, n)}
        if carryless.available():
            ways["ours"] = lambda k=key, d=d, n=secret: amplification.carryless_hash(k, d, n)
        seconds = in_turn(ways)
        best = min(seconds.values())
        name = f"privacy amplification, {bits:.0e} to {secret:.0e} bits"
        if bits == 1_000_000:
            yield at_least(name, bits / best / 1e6, "Mb/s", 60)
        else:
            yield Result(name, bits / best / 1e6, "Mb/s")
        yield Result(f"{name} / FFT", seconds["fft"] / best, "x")


def tags(options: argparse.Namespace) -> Iterator[Result]:
    """Verification and authentication."""
    del options
    key = np.random.default_rng(4).integers(0, 2, 1_000_000, dtype=np.uint8)
    said = bytes(2_000_000)
    seconds = in_turn(
        {
            "verify": lambda: verification_tag(key),
            "authenticate": lambda: poly1305_tag(bytes(16), bytes(16), said),
        }
    )
    yield Result("verification tag of 1e6 bits", 1 / seconds["verify"], "Mb/s")
    yield Result("authentication", 16 / seconds["authenticate"], "Mb/s")


def decoy_counts(bits: int, qber: float) -> DecoyCounts:
    """Counts of a 10 dB decoy link whose key basis has so many sifted bits."""
    channel = Channel(0.1, 1e-6, qber)
    one = expected_counts(SOURCE, channel, 1.0, KEY_BASIS)
    return expected_counts(SOURCE, channel, bits / one.key.total, KEY_BASIS)


def chain(options: argparse.Namespace) -> Iterator[Result]:
    """Sifted bits to secret bits, with a core a party, at 3 % of errors."""
    for name, pieces, goal in (("BBM92", 1, 5.0), ("decoy BB84", DECOY_BLOCK, 3.0)):
        rates = [_chained(pieces, seed) for seed in range(options.repeats + 1)]
        note = f"{pieces}e6 sifted bits, 3 %, reconciled, verified, amplified"
        best = statistics.median(rates[1:])
        yield at_least(f"{name}: secret key, a core a party", best, "Mb/s", goal, note)


def _chained(pieces: int, seed: int) -> float:
    """Secret Mb/s of one block of so many keys of 1e6 bits; one piece is BBM92, more are decoys."""
    rng = np.random.default_rng(seed)
    bits, qber = 1_000_000, 0.03
    alices, bobs, leaked = [], [], 0
    alice_s = bob_s = 0.0
    for _ in range(pieces):
        alice, bob = noisy(bits, qber, rng)
        found, corrected = reconcile(alice, bob, qber, "lan", rng.bytes(32))
        begin = time.process_time()
        hash_key, tag = verification_tag(alice)
        middle = time.process_time()
        assert verifies(corrected, hash_key, tag)
        alice_s += found.alice_s + middle - begin
        bob_s += found.bob_s + time.process_time() - middle
        leaked += found.leaked
        alices.append(alice)
        bobs.append(corrected)
    total = pieces * bits
    if pieces == 1:
        test = bits // 9
        length = tomamichel2017(bits, test, qber + 0.002, leaked, EPS_SEC, EPS_COR, TAG_BITS)
        secret = length.secret_bits
    else:
        counts = decoy_counts(total, qber)
        secret = wiesemann2024(SOURCE, counts, leaked, EPS_SEC, EPS_COR, TAG_BITS).secret_bits
    matrix = amplification.amplification_seed(total, secret)
    begin = time.process_time()
    mine = amplification.toeplitz_hash(np.concatenate(alices), matrix, secret)
    hash_s = time.process_time() - begin
    assert (mine == amplification.toeplitz_hash(np.concatenate(bobs), matrix, secret)).all()
    return secret / (max(alice_s, bob_s) + hash_s) / 1e6


SECTIONS = {
    "reconciliation": reconciliation,
    "failures": failures,
    "amplification": privacy_amplification,
    "tags": tags,
    "chain": chain,
}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=5, help="keys a figure (5)")
    parser.add_argument("--keys", type=int, default=1000, help="keys for the failure rate (1000)")


def main() -> int:
    """Run the benchmark."""
    return command("Post-processing against its goals.", SECTIONS, ["numpy", "numba"], _options)


if __name__ == "__main__":
    sys.exit(main())
