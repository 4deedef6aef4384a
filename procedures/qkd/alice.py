"""Alice's half of BB84: she answers Bob, and holds to what her own record of the session allows."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qnlab.instruments.roles import IntensityModulator, StateModulator
from qnlab.procedures.qkd import messages as m
from qnlab.procedures.qkd.amplification import amplification_seed, toeplitz_hash
from qnlab.procedures.qkd.authentication import Transcript
from qnlab.procedures.qkd.cascade import CascadeAlice
from qnlab.procedures.qkd.channel import ChannelClosed, Conversation
from qnlab.procedures.qkd.messages import MessageError
from qnlab.procedures.qkd.session import Bb84Parameters, SiteStore
from qnlab.procedures.qkd.verification import verification_tag

Bytes = npt.NDArray[np.uint8]


@dataclass
class _Block:
    """What Alice knows of the block in hand."""

    plan: m.BlockPlan
    key: Bytes | None = None
    cascade: CascadeAlice | None = None
    verified: bool = False


class Alice:
    """Serves one session.

    Parameters
    ----------
    source : Source
        What her calibrated source sends.
    intensity, state : IntensityModulator, StateModulator
        Her modulators, asked for their records.
    conversation : Conversation
        Her end of the channel.
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
        conversation: Conversation,
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
        self._conversation = conversation
        self._transcript = transcript
        self._store = store
        self._parameters = parameters
        self._simulated = simulated
        self._block_name = block_name
        self._revealed_to = 0
        self._sifted_to = 0
        self._block: _Block | None = None

    def serve(self) -> None:
        """Answer until Bob says goodbye.

        Raises
        ------
        MessageError
            Bob asked for what the protocol does not allow now.
        ChannelClosed
            Bob went without a goodbye.
        """
        while True:
            message = self._conversation.receive()
            if isinstance(message, m.Goodbye):
                return
            answer = self._answer(message)
            if answer is not None:
                self._conversation.send(answer)

    def _answer(self, message: m.Message) -> m.Message | None:
        match message:
            case m.Hello():
                return self._hello(message)
            case m.RevealPattern():
                return self._reveal_pattern(message)
            case m.RevealPulses():
                return self._reveal_pulses(message)
            case m.BlockPlan():
                return self._plan(message)
            case m.Detections():
                return self._sift(message)
            case m.Reconcile():
                return self._reconcile(message)
            case m.ParityQuestions():
                return self._parities(message)
            case m.VerifyRequest():
                return self._verify(message)
            case m.Reject():
                self._block = None
                return m.Dropped(message.block)
            case m.Accept():
                self._amplify(message)
                return None
            case _:
                raise MessageError(f"Alice does not answer {type(message).__name__}")

    def _hello(self, message: m.Hello) -> m.Source:
        if message.version != m.VERSION:
            raise MessageError(f"Bob speaks version {message.version}, Alice {m.VERSION}")
        return self._source

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
        planned = block is not None and first < block.plan.first + block.plan.count
        if first < 0 or first < self._sifted_to or (planned and block and end > block.plan.first):
            raise MessageError(f"pulses {first}..{end} belong to a key block and stay secret")
        self._revealed_to = max(self._revealed_to, end)

    def _plan(self, message: m.BlockPlan) -> m.PlanNoted:
        if message.first < max(self._revealed_to, self._sifted_to) or message.count <= 0:
            raise MessageError(
                f"block {message.block} begins at pulse {message.first}, but pulses before "
                f"{max(self._revealed_to, self._sifted_to)} are used"
            )
        self._block = _Block(message)
        return m.PlanNoted(message.block)

    def _current(self, block: int) -> _Block:
        if self._block is None or self._block.plan.block != block:
            raise MessageError(f"block {block} is not in hand")
        return self._block

    def _sift(self, message: m.Detections) -> m.Sifted:
        block = self._current(message.block)
        if block.key is not None:
            raise MessageError(f"block {message.block} was sifted before")
        pulses = m.unpack_indices(message.pulses)
        end = block.plan.first + block.plan.count
        if len(pulses) and not (block.plan.first <= pulses[0] and pulses[-1] < end):
            raise MessageError(f"detections outside the pulses of block {message.block}")
        bases = m.unpack_bits(message.bases, len(pulses))
        states = self._state.record(pulses)
        matches = (states >> 1) == bases
        test = matches & (bases == 1)
        m.unpack_bits(message.test_bits, int((bases == 1).sum()))
        block.key = states[matches & (bases == 0)] & 1
        self._sifted_to = end
        return m.Sifted(
            block=message.block,
            matches=m.pack_bits(matches.astype(np.uint8)),
            levels=self._intensity.record(pulses[matches]).tobytes(),
            test_bits=m.pack_bits(states[test] & 1),
            mismatched_states=states[~matches].tobytes(),
        )

    def _reconcile(self, message: m.Reconcile) -> m.ReconcileReady:
        block = self._current(message.block)
        if block.key is None or block.cascade is not None:
            raise MessageError(f"block {message.block} is not ready to be reconciled")
        block.cascade = CascadeAlice(
            block.key,
            qber_estimate=message.qber_estimate,
            seed=message.seed,
            preset=self._parameters.reconciliation,
        )
        return m.ReconcileReady(message.block)

    def _parities(self, message: m.ParityQuestions) -> m.ParityAnswers:
        block = self._block
        if block is None or block.cascade is None or block.verified:
            raise MessageError("parities are answered only during reconciliation")
        answers = block.cascade.answer(message.questions)
        if block.cascade.leaked_bits > block.plan.leak_budget_bits:
            raise MessageError(
                f"block {block.plan.block}: more than the planned {block.plan.leak_budget_bits} "
                "bits of leakage asked for"
            )
        return m.ParityAnswers(answers)

    def _verify(self, message: m.VerifyRequest) -> m.VerificationTag:
        block = self._current(message.block)
        if block.key is None or block.cascade is None or block.verified:
            raise MessageError(f"block {message.block} cannot be verified now")
        block.verified = True
        hash_key, tag = verification_tag(block.key)
        return m.VerificationTag(hash_key, tag)

    def _amplify(self, message: m.Accept) -> None:
        block = self._current(message.block)
        if not block.verified or block.key is None:
            raise MessageError(f"block {message.block} was not verified")
        if message.secret_bits != block.plan.secret_bits or message.secret_bits < 1:
            raise MessageError(
                f"block {message.block}: length {message.secret_bits} is not the planned "
                f"{block.plan.secret_bits}"
            )
        seed = amplification_seed(len(block.key), message.secret_bits)
        self._conversation.send(m.AmplificationSeed(message.block, seed))
        received = self._conversation.expect(m.TranscriptTag)
        self._transcript.check_received(received.tag)
        secret = np.packbits(toeplitz_hash(block.key, seed, message.secret_bits)).tobytes()
        name = self._block_name(message.block)
        self._conversation.send(m.TranscriptTag(message.block, self._transcript.tag_sent()))
        self._store.deposit(
            name,
            secret,
            epsilon=self._parameters.eps_sec + self._parameters.eps_cor,
            simulated=self._simulated,
        )
        try:
            confirm = self._conversation.expect(m.Confirm)
        except ChannelClosed:
            self._store.discard(name)
            raise
        digest = self._store.digest(name, confirm.nonce)
        if not hmac.compare_digest(digest, confirm.digest):
            self._store.discard(name)
            raise MessageError(f"block {message.block}: the keys of both ends differ")
        self._store.confirm(name)
        self._conversation.send(
            m.Confirm(message.block, confirm.nonce, self._store.digest(name, confirm.nonce[::-1]))
        )
        self._block = None
