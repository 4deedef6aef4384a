"""Alice's half of BB84: she answers Bob, and holds to what her own record of the session allows."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from qnlab.instruments.roles import IntensityModulator, StateModulator
from qnlab.procedures.qkd import messages as m
from qnlab.procedures.qkd.amplification import amplification_seed, toeplitz_hash
from qnlab.procedures.qkd.authentication import Transcript
from qnlab.procedures.qkd.cascade import CascadeAlice
from qnlab.procedures.qkd.messages import MessageError
from qnlab.procedures.qkd.session import Bb84Parameters, SiteStore
from qnlab.procedures.qkd.verification import verification_tag

Bytes = npt.NDArray[np.uint8]


class _Stage(StrEnum):
    """How far a block is; each is reached from the one before, once."""

    PLANNED = "planned"
    SIFTED = "sifted"
    RECONCILING = "being reconciled"
    VERIFIED = "verified"
    ACCEPTED = "accepted"
    DEPOSITED = "deposited"


@dataclass
class _Block:
    """What Alice knows of the block in hand."""

    plan: m.BlockPlan
    stage: _Stage = _Stage.PLANNED
    key: Bytes = field(default_factory=lambda: np.empty(0, dtype=np.uint8))
    cascade: CascadeAlice = field(init=False)
    seed: bytes = b""

    @property
    def end(self) -> int:
        """First pulse after the block."""
        return self.plan.first + self.plan.count


class Alice:
    """Answers one session, message by message; she never waits for Bob.

    Parameters
    ----------
    source : Source
        What her calibrated source sends.
    intensity, state : IntensityModulator, StateModulator
        Her modulators, asked for their records.
    transcript : Transcript
        Authenticates what is said.
    store : SiteStore
        Her key store.
    block_name : callable
        Block number to the id under which both stores keep the block.
    """

    def __init__(
        self,
        source: m.Source,
        intensity: IntensityModulator,
        state: StateModulator,
        transcript: Transcript,
        store: SiteStore,
        parameters: Bb84Parameters,
        *,
        simulated: bool,
        block_name: Callable[[int], str],
    ) -> None:
        self._source = source
        self._intensity = intensity
        self._state = state
        self._transcript = transcript
        self._store = store
        self._parameters = parameters
        self._simulated = simulated
        self._block_name = block_name
        self._revealed_to = 0
        self._sifted_to = 0
        self._block: _Block | None = None

    def answer(self, message: m.Message) -> Iterator[m.Message]:
        """Answers to a message of Bob, in order; none to a goodbye.

        Raises
        ------
        MessageError
            Bob asked for what the protocol does not allow now.
        AuthenticationFailed
            What Bob said is not what reached her.
        """
        match message:
            case m.Hello():
                yield self._hello(message)
            case m.Unsettled():
                yield self._settle(message)
            case m.RevealPattern():
                yield self._reveal_pattern(message)
            case m.RevealPulses():
                yield self._reveal_pulses(message)
            case m.BlockPlan():
                yield self._plan(message)
            case m.Detections():
                yield self._sift(message)
            case m.Reconcile():
                yield self._reconcile(message)
            case m.ParityQuestions():
                yield self._parities(message)
            case m.VerifyRequest():
                yield self._verify(message)
            case m.Reject():
                yield self._drop(message)
            case m.Accept():
                yield self._accept(message)
            case m.TranscriptTag():
                yield self._amplify(message)
            case m.Confirm():
                yield self._confirm(message)
            case m.Goodbye():
                return
            case _:
                raise MessageError(f"Alice does not answer {type(message).__name__}")

    def leave(self) -> None:
        """End the session: a block that Bob has not confirmed is discarded."""
        block, self._block = self._block, None
        if block is not None and block.stage is _Stage.DEPOSITED:
            self._store.discard(self._block_name(block.plan.block))

    # --- what may be revealed -----------------------------------------------------------------

    def _hello(self, message: m.Hello) -> m.Source:
        if message.version != m.VERSION:
            raise MessageError(f"Bob speaks version {message.version}, Alice {m.VERSION}")
        return self._source

    def _settle(self, message: m.Unsettled) -> m.Settled:
        """Confirm what both ends hold of a session that was cut, discard what only she holds.

        She confirms before Bob does, so a block that he does not list is no block of his.
        """
        if self._block is not None or len(message.blocks) != len(message.digests):
            raise MessageError("blocks of an earlier session are settled before the first one")
        held = tuple(
            self._store.holds(name)
            and hmac.compare_digest(self._store.digest(name, message.nonce), digest)
            for name, digest in zip(message.blocks, message.digests, strict=True)
        )
        for name, both in zip(message.blocks, held, strict=True):
            if both:
                self._store.confirm(name)
        for name in self._store.pending():
            self._store.discard(name)
        return m.Settled(held)

    def _reveal_pattern(self, message: m.RevealPattern) -> m.Pattern:
        if not 0 < message.count <= 1 << 26:
            raise MessageError(
                f"a pattern of {message.count} pulses was asked for, 1..2^26 allowed"
            )
        self._give_up(message.first, message.first + message.count)
        pulses = np.arange(message.first, message.first + message.count, dtype=np.int64)
        return m.Pattern(self._intensity.record(pulses).tobytes())

    def _reveal_pulses(self, message: m.RevealPulses) -> m.Choices:
        pulses = m.unpack_indices(message.pulses)
        if len(pulses):
            self._give_up(int(pulses[0]), int(pulses[-1]) + 1)
        codes = 4 * self._intensity.record(pulses) + self._state.record(pulses)
        return m.Choices(codes.astype(np.uint8).tobytes())

    def _give_up(self, first: int, end: int) -> None:
        """Pulses of a block that is planned or done are never revealed."""
        block = self._block
        planned = block is not None and first < block.end and end > block.plan.first
        if first < 0 or first < self._sifted_to or planned:
            raise MessageError(f"pulses {first}..{end} belong to a key block and stay secret")
        self._revealed_to = max(self._revealed_to, end)

    # --- one block ----------------------------------------------------------------------------

    def _plan(self, message: m.BlockPlan) -> m.PlanNoted:
        if self._block is not None:
            raise MessageError(
                f"block {message.block} cannot be planned while block {self._block.plan.block} "
                f"is {self._block.stage}"
            )
        if message.first < max(self._revealed_to, self._sifted_to) or message.count <= 0:
            raise MessageError(
                f"block {message.block} begins at pulse {message.first}, but pulses before "
                f"{max(self._revealed_to, self._sifted_to)} are used"
            )
        self._block = _Block(message)
        return m.PlanNoted(message.block)

    def _current(self, block: int, stage: _Stage) -> _Block:
        current = self._block
        if current is None or current.plan.block != block:
            raise MessageError(f"block {block} is not in hand")
        if current.stage is not stage:
            raise MessageError(f"block {block} is {current.stage}; {stage} is needed for this")
        return current

    def _sift(self, message: m.Detections) -> m.Sifted:
        block = self._current(message.block, _Stage.PLANNED)
        pulses = m.unpack_indices(message.pulses)
        if len(pulses) and not (block.plan.first <= pulses[0] and pulses[-1] < block.end):
            raise MessageError(f"detections outside the pulses of block {message.block}")
        bases = m.unpack_bits(message.bases, len(pulses))
        m.unpack_bits(message.test_bits, int(np.count_nonzero(bases)))
        states = self._state.record(pulses)
        matches = (states >> 1) == bases
        test = matches & (bases == 1)
        block.key = states[matches & (bases == 0)] & 1
        block.stage = _Stage.SIFTED
        self._sifted_to = block.end
        return m.Sifted(
            block=message.block,
            matches=m.pack_bits(matches.astype(np.uint8)),
            levels=self._intensity.record(pulses[matches]).tobytes(),
            test_bits=m.pack_bits(states[test] & 1),
            mismatched_states=states[~matches].tobytes(),
        )

    def _reconcile(self, message: m.Reconcile) -> m.ReconcileReady:
        block = self._current(message.block, _Stage.SIFTED)
        block.cascade = CascadeAlice(
            block.key,
            qber_estimate=message.qber_estimate,
            seed=message.seed,
            preset=self._parameters.reconciliation,
        )
        block.stage = _Stage.RECONCILING
        return m.ReconcileReady(message.block)

    def _parities(self, message: m.ParityQuestions) -> m.ParityAnswers:
        block = self._block
        if block is None or block.stage is not _Stage.RECONCILING:
            raise MessageError("parities are answered only during reconciliation")
        answers = block.cascade.answer(message.questions)
        if block.cascade.leaked_bits > block.plan.leak_budget_bits:
            raise MessageError(
                f"block {block.plan.block}: more than the planned {block.plan.leak_budget_bits} "
                "bits of leakage asked for"
            )
        return m.ParityAnswers(answers)

    def _verify(self, message: m.VerifyRequest) -> m.VerificationTag:
        block = self._current(message.block, _Stage.RECONCILING)
        block.stage = _Stage.VERIFIED
        hash_key, tag = verification_tag(block.key)
        return m.VerificationTag(hash_key, tag)

    def _drop(self, message: m.Reject) -> m.Dropped:
        if self._block is not None and self._block.stage is _Stage.DEPOSITED:
            raise MessageError(f"block {message.block} is deposited and cannot be dropped")
        self._block = None
        return m.Dropped(message.block)

    def _accept(self, message: m.Accept) -> m.AmplificationSeed:
        block = self._current(message.block, _Stage.VERIFIED)
        if message.secret_bits != block.plan.secret_bits or message.secret_bits < 1:
            raise MessageError(
                f"block {message.block}: length {message.secret_bits} is not the planned "
                f"{block.plan.secret_bits}"
            )
        block.seed = amplification_seed(len(block.key), message.secret_bits)
        block.stage = _Stage.ACCEPTED
        return m.AmplificationSeed(message.block, block.seed)

    def _amplify(self, message: m.TranscriptTag) -> m.TranscriptTag:
        block = self._current(message.block, _Stage.ACCEPTED)
        self._transcript.check_received(message.tag)
        secret = toeplitz_hash(block.key, block.seed, block.plan.secret_bits)
        self._store.deposit(
            self._block_name(message.block),
            np.packbits(secret).tobytes(),
            epsilon=self._parameters.eps_sec + self._parameters.eps_cor,
            simulated=self._simulated,
        )
        block.stage = _Stage.DEPOSITED
        return m.TranscriptTag(message.block, self._transcript.tag_sent())

    def _confirm(self, message: m.Confirm) -> m.Confirm:
        self._current(message.block, _Stage.DEPOSITED)
        name = self._block_name(message.block)
        if not hmac.compare_digest(self._store.digest(name, message.nonce), message.digest):
            raise MessageError(f"block {message.block}: the keys of both ends differ")
        self._store.confirm(name)
        self._block = None
        return m.Confirm(
            message.block, message.nonce, self._store.digest(name, message.nonce[::-1])
        )
