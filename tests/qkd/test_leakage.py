"""What a sniffer on the classical channel sees of the key, against what the ledger counts."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from qnlab.bench import load_bench, open_bench
from qnlab.procedures.qkd import bb84
from qnlab.procedures.qkd import messages as m
from qnlab.runs import read_documents


class Sniffer:
    """Counts the parity bits that cross, by block; an answer is padded to whole bytes."""

    def __init__(self) -> None:
        self.block = -1
        self.answers: dict[int, int] = {}
        self.padded_bits: dict[int, int] = {}
        self.kinds: set[str] = set()

    def __call__(self, direction: str, data: bytes) -> None:
        message = m.decode(data)
        self.kinds.add(type(message).__name__)
        if isinstance(message, m.Reconcile):
            self.block = message.block
        if isinstance(message, m.ParityAnswers):
            self.answers[self.block] = self.answers.get(self.block, 0) + 1
            self.padded_bits[self.block] = self.padded_bits.get(self.block, 0) + 8 * len(
                message.parities
            )


@pytest.fixture(scope="module")
def sniffed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sniffer, Path]:
    sniffer = Sniffer()
    file = load_bench("bb84-25km")
    parameters = bb84.Bb84.Parameters(**{**file.procedures["bb84"], "duration_s": 4.0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bb84, "DirectPort", functools.partial(bb84.DirectPort, taps=[sniffer]))
        home = tmp_path_factory.mktemp("home")
        with (
            open_bench(file, seed=9, home=home) as bench,
            bench.run("bb84", **parameters.model_dump()) as run,
        ):
            run.result(bb84.Bb84().run(bench, run, parameters))
    return sniffer, run.folder


def test_every_parity_that_crosses_is_counted(sniffed: tuple[Sniffer, Path]) -> None:
    sniffer, folder = sniffed
    documents = read_documents(folder)
    streams = {d["uid"]: d["name"] for kind, d in documents if kind == "descriptor"}
    events = [d for kind, d in documents if kind == "event" and streams[d["descriptor"]] == "block"]
    assert len(events) == len(sniffer.answers) > 0
    for event, (block, answers) in zip(events, sniffer.answers.items(), strict=True):
        leak = event["data"]["leak_ec_bits"]
        assert leak > 10_000
        assert 0 <= sniffer.padded_bits[block] - leak <= 7 * answers


def test_nothing_but_the_known_messages_crosses(sniffed: tuple[Sniffer, Path]) -> None:
    """Only these tell bits of pulses; of the key's bits `ParityAnswers` and the tag alone do."""
    assert sniffed[0].kinds == {
        "Hello", "Source", "Unsettled", "Settled", "RevealPattern", "Pattern", "RevealPulses",
        "Choices", "BlockPlan", "PlanNoted", "Detections", "Sifted", "Reconcile",
        "ReconcileReady", "ParityQuestions", "ParityAnswers", "VerifyRequest", "VerificationTag",
        "Accept", "AmplificationSeed", "TranscriptTag", "Confirm", "Goodbye",
    }  # fmt: skip
