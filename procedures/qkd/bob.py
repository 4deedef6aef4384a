"""Bob's half of BB84: he measures, asks Alice, and decides block by block."""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from qnlab.clock import Clock
from qnlab.errors import Aborted, Timeout
from qnlab.instruments.roles import PolarizationController, TagStream
from qnlab.procedures.calibration.alignment import Agreement, Aligner
from qnlab.procedures.qkd import messages as m
from qnlab.procedures.qkd.amplification import toeplitz_hash
from qnlab.procedures.qkd.authentication import Transcript, public_seed
from qnlab.procedures.qkd.bounds import Basis, DecoyCounts, FixedLengthRule, OneDecoySource
from qnlab.procedures.qkd.bounds.fixed_length import plan_block
from qnlab.procedures.qkd.bounds.statistics import binary_entropy
from qnlab.procedures.qkd.cascade import CascadeBob
from qnlab.procedures.qkd.channel import Conversation
from qnlab.procedures.qkd.randomness import secret_bytes
from qnlab.procedures.qkd.session import Bb84Parameters, SiteStore
from qnlab.procedures.qkd.sifting import Detections, agreement, detect
from qnlab.procedures.qkd.synchronisation import (
    ClockTracker,
    PulseClock,
    SynchronisationError,
    find_period,
    find_pulse_number,
)
from qnlab.procedures.qkd.verification import TAG_BITS, verifies

KEY_BITS = 256
LONGEST_REVEAL_S = 0.5
WIDEST_SEARCH_S = 0.35
NUMBERED_TAGS = 8000
DRIFT_RESERVE = 1.5

Bytes = npt.NDArray[np.uint8]
Coins = Callable[[int], bytes]
Report = Callable[..., None]


@dataclass
class Totals:
    """What a session has come to so far."""

    sifted_bits: int = 0
    key_errors: int = 0
    test_bits: int = 0
    test_errors: int = 0
    leak_ec_bits: int = 0
    entropy_bits: float = 0.0
    secret_bits: int = 0
    keys_deposited: int = 0
    blocks: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    lost_tags: int = 0
    background: float = 0.0
    doubles: float = 0.0
    optical: float = 0.0
    losses_db: list[float] = field(default_factory=list)
    realignments: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `pulses` pulses counted: the next block is planned on it."""

    counts: DecoyCounts
    pulses: int

    def expected(self, pulses: int, rise: float) -> DecoyCounts:
        """Counts of so many pulses, with error rates higher by `rise` as drift makes them."""
        share = pulses / self.pulses

        def scaled(basis: Basis) -> Basis:
            pairs = zip(basis.detections, basis.errors, strict=True)
            return Basis(
                tuple(n * share for n in basis.detections),
                tuple((e + rise * n) * share for n, e in pairs),
            )

        return DecoyCounts(key=scaled(self.counts.key), test=scaled(self.counts.test))

    @property
    def qber_key(self) -> float:
        return _rate(self.counts.key)

    @property
    def qber_test(self) -> float:
        return _rate(self.counts.test)


def _rate(basis: Basis) -> float:
    return sum(basis.errors) / max(sum(basis.detections), 1e-300)


class Receiver:
    """Bob's tags as detections, with a clock that follows.

    Parameters
    ----------
    stream : TagStream
        Running stream of the four detectors.
    detectors : ndarray of uint8, shape (256,)
        Channel to detector code (H, V, D, A = 0..3).
    coins : callable
        Random bytes for double clicks.
    """

    def __init__(
        self, stream: TagStream, detectors: Bytes, parameters: Bb84Parameters, coins: Coins
    ) -> None:
        self._stream = stream
        self._detectors = detectors
        self._parameters = parameters
        self._coins = coins
        self._dead_ps = round(parameters.dead_time_s * 1e12)
        self._last_tag_ps = -(1 << 62)
        self.tracker: ClockTracker | None = None
        self.time_ps = 0
        self.lost_tags = 0

    def raw(self, duration_s: float) -> npt.NDArray[np.int64]:
        """Times of all tags of the next stretch, ps."""
        parts, begin = [], None
        while begin is None or self.time_ps - begin < duration_s * 1e12:
            chunk = self._stream.read()
            begin = chunk.t_begin if begin is None else begin
            self.time_ps = chunk.t_end
            parts.append(chunk.t)
        return np.concatenate(parts)

    def skip(self) -> None:
        """Drop what arrived before now: tags taken while something moved."""
        while True:
            try:
                self._take(timeout_s=0.0)
            except Timeout:
                return

    def _take(self, timeout_s: float = 1.0) -> Detections:
        assert self.tracker is not None
        chunk = self._stream.read(timeout_s)
        self.lost_tags += sum(sum(gap.missed.values()) for gap in chunk.gaps)
        clock = self.tracker.clock.moved_to(float(chunk.t_begin))
        found = detect(
            chunk.t,
            self._detectors[chunk.ch],
            clock,
            self._parameters.gate_ps,
            self._dead_ps,
            self._last_tag_ps,
            self._coins(len(chunk.t)),
        )
        if len(chunk.t):
            self._last_tag_ps = int(chunk.t[-1])
        middle = (chunk.t_begin + chunk.t_end) / 2
        self.tracker.update(middle, found.residual_ps, found.tags - found.out_of_gate)
        self.time_ps = chunk.t_end
        return found

    def next_pulse(self) -> int:
        """First pulse that arrives after all that was read."""
        assert self.tracker is not None
        return self.tracker.clock.pulse_at(float(self.time_ps)) + 2

    def detections(self, first: int, count: int, each_chunk: Callable[[], None]) -> Detections:
        """Detections of pulses ``first <= k < first + count``."""
        parts: list[Detections] = []
        assert self.tracker is not None
        while self.tracker.clock.arrival_ps(first + count) > self.time_ps - 10_000:
            parts.append(self._take())
            each_chunk()
        return _join(parts, first, count)


def _join(parts: list[Detections], first: int, count: int) -> Detections:
    pulses = np.concatenate([p.pulses for p in parts])
    fresh = np.concatenate([[True], np.diff(np.maximum.accumulate(pulses)) > 0])
    keep = (pulses >= first) & (pulses < first + count) & fresh[: len(pulses)]
    tags = sum(p.tags for p in parts)
    return Detections(
        pulses=pulses[keep],
        bases=np.concatenate([p.bases for p in parts])[keep],
        bits=np.concatenate([p.bits for p in parts])[keep],
        doubles=sum(p.doubles for p in parts),
        out_of_gate=sum(p.out_of_gate for p in parts),
        residual_ps=float(np.mean([p.residual_ps for p in parts])),
        tags=tags,
        blocked_ps=sum(p.blocked_ps for p in parts),
    )


class Bob:
    """Runs one session: synchronise, align, then block after block.

    Parameters
    ----------
    receiver : Receiver
    controller : PolarizationController
    conversation : Conversation
    transcript : Transcript
    store : SiteStore
    clock : Clock
        The bench clock.
    report : callable
        ``report(stream, **data)``: where events go.
    checkpoint : callable
        ``checkpoint(fraction, message)``: pause and abort happen there.
    block_name : callable
        Block number to the id under which both stores keep the block.
    efficiency : float
        Mean detection efficiency of the detectors, for the loss figure.
    """

    def __init__(
        self,
        receiver: Receiver,
        controller: PolarizationController,
        conversation: Conversation,
        transcript: Transcript,
        store: SiteStore,
        parameters: Bb84Parameters,
        clock: Clock,
        *,
        simulated: bool,
        efficiency: float,
        report: Report,
        checkpoint: Callable[[float, str], None],
        block_name: Callable[[int], str],
    ) -> None:
        self._receiver = receiver
        self._conversation = conversation
        self._transcript = transcript
        self._store = store
        self._parameters = parameters
        self._clock = clock
        self._simulated = simulated
        self._efficiency = efficiency
        self._report = report
        self._checkpoint = checkpoint
        self._block_name = block_name
        self._aligner = Aligner(controller, self._evaluate)
        self._source = m.Source(0.0, (), (), 0.0)
        self._started_s = clock.now()
        self._stage = "starting"
        self._rise = parameters.drift_qber
        self.totals = Totals()

    # --- session ------------------------------------------------------------------------------

    def run(self) -> Totals:
        """Keys until the duration has passed.

        Raises
        ------
        Aborted
            No key can be had, with the reason named.
        """
        p = self._parameters
        self._source = self._conversation.ask(m.Hello(m.VERSION, "bob"), m.Source)
        self._settle()
        self.synchronise()
        self.align(p.good_qber)
        calibration = self._calibrate()
        block = 0
        while block == 0 or self._left_s() >= 0.5 * p.block_s:
            blocks = max(round(self._left_s() / p.block_s), 1)
            duration = max(self._left_s() / blocks, 0.5 * p.block_s)
            self._stage = f"block {block + 1} of {block + blocks}"
            count = round(duration * self._source.repetition_hz)
            calibration = self._block(block, count, calibration)
            block += 1
            if self._needs_realignment(calibration) and self._left_s() >= p.block_s:
                self.totals.realignments += 1
                self.align(p.good_qber)
                calibration = self._calibrate()
        self._conversation.send(m.Goodbye("duration over"))
        self.totals.lost_tags = self._receiver.lost_tags
        return self.totals

    def _settle(self) -> None:
        """Agree with Alice on the blocks of a session that was cut between deposit and confirm."""
        names, nonce = self._store.pending(), secret_bytes(16)
        digests = tuple(self._store.digest(name, nonce) for name in names)
        answer = self._conversation.ask(m.Unsettled(tuple(names), nonce, digests), m.Settled)
        if len(answer.held) != len(names):
            raise m.MessageError(f"{len(names)} blocks to settle, {len(answer.held)} answers")
        for name, both in zip(names, answer.held, strict=True):
            (self._store.confirm if both else self._store.discard)(name)

    def _left_s(self) -> float:
        return self._parameters.duration_s - (self._clock.now() - self._started_s)

    def _tick(self) -> None:
        elapsed = self._clock.now() - self._started_s
        self._checkpoint(min(elapsed / self._parameters.duration_s, 1.0), self._stage)

    # --- clock --------------------------------------------------------------------------------

    def synchronise(self) -> None:
        """Find period, phase and number of the pulses."""
        self._stage = "finding clock and delay"
        source, search = self._source, self._parameters.clock_search_s
        stretch = 0.02
        tags = self._receiver.raw(stretch)
        while len(tags) < NUMBERED_TAGS and stretch < 1.0:
            self._tick()
            stretch *= 2
            tags = np.concatenate([tags, self._receiver.raw(stretch)])
        clock = find_period(tags, 1e12 / source.repetition_hz)
        tags = tags[:NUMBERED_TAGS]
        numbered = None
        while numbered is None:
            try:
                numbered = self._number(tags, clock, search)
            except SynchronisationError:
                search *= 4
                if search > WIDEST_SEARCH_S:
                    raise
                self._tick()
        self._receiver.tracker = ClockTracker(numbered.moved_to(float(self._receiver.time_ps)))
        self._report(
            "synchronisation",
            time_s=self._clock.now() - self._started_s,
            tags=len(tags),
            clock_offset_ps=self._offset_ps(),
            clock_drift_ppb=self._drift_ppb(),
        )

    def _number(
        self, tags: npt.NDArray[np.int64], clock: PulseClock, search_s: float
    ) -> PulseClock:
        """Number the pulses of `tags` with a pattern that Alice reveals around them."""
        source = self._source
        begin = tags[0] / clock.period_ps - search_s * source.repetition_hz
        first = max(math.floor(begin), 0)
        end = math.ceil(tags[-1] / clock.period_ps + search_s * source.repetition_hz)
        pattern = self._conversation.ask(m.RevealPattern(first, end - first), m.Pattern)
        levels = m.unpack_codes(pattern.levels, end - first, len(source.intensities) - 1)
        return find_pulse_number(tags, clock, levels, np.array(source.intensities), first)

    def _drift_ppb(self) -> float:
        assert self._receiver.tracker is not None
        period = self._receiver.tracker.clock.period_ps
        return (period * self._source.repetition_hz * 1e-12 - 1) * 1e9

    def _offset_ps(self) -> float:
        """Arrival of a pulse on Bob's clock less its departure on Alice's, ps."""
        assert self._receiver.tracker is not None
        clock = self._receiver.tracker.clock
        return clock.time_ps - clock.pulse * 1e12 / self._source.repetition_hz

    # --- revealed stretches -------------------------------------------------------------------

    def _reveal(self, duration_s: float) -> tuple[Detections, Bytes, int]:
        """Detections of a stretch with Alice's level and state of each, and its pulses."""
        first = self._receiver.next_pulse()
        count = max(round(duration_s * self._source.repetition_hz), 1)
        found = self._receiver.detections(first, count, self._tick)
        answer = self._conversation.ask(m.RevealPulses(m.pack_indices(found.pulses)), m.Choices)
        codes = m.unpack_codes(answer.codes, len(found), 4 * len(self._source.intensities) - 1)
        return found, codes, count

    def _evaluate(self, counts: int) -> Agreement:
        self._receiver.skip()
        result: Agreement | None = None
        duration = self._parameters.evaluation_s
        while result is None or (result.weakest < counts and duration < LONGEST_REVEAL_S):
            found, codes, _ = self._reveal(duration)
            part = agreement(found, (codes & 3).astype(np.uint8))
            result = part if result is None else result.with_more(part)
            duration *= 2
        self._report(
            "alignment",
            time_s=self._clock.now() - self._started_s,
            evaluation=self._aligner.evaluations,
            qber_key=result.qber_key,
            qber_test=result.qber_test,
            arrived_h=result.block[:, 0].tolist(),
            arrived_d=result.block[:, 1].tolist(),
        )
        return result

    def align(self, good_qber: float) -> None:
        """Turn the receiver's axes onto Alice's.

        Raises
        ------
        Aborted
            ``qber_abort``: both error rates cannot be brought under the limit.
        """
        self._stage = "aligning polarization"
        p = self._parameters
        result = self._aligner.align(good_qber, p.max_evaluations)
        worst = max(result.qber_key, result.qber_test)
        if worst > p.abort_qber:
            raise Aborted(
                "qber_abort",
                f"QBER {worst:.1%} after {self._aligner.evaluations} alignment steps, above the "
                f"limit of {p.abort_qber:.0%}: eavesdropping or misalignment, no key",
            )

    def _calibrate(self) -> Calibration:
        """Counts of a revealed stretch."""
        self._stage = "calibrating"
        found, codes, count = self._reveal(self._parameters.calibration_s)
        states, levels = codes & 3, codes >> 2
        match = (states >> 1) == found.bases
        error = found.bits != (states & 1)
        return Calibration(_tally(found.bases[match], levels[match], error[match]), count)

    def _needs_realignment(self, calibration: Calibration) -> bool:
        return max(calibration.qber_key, calibration.qber_test) > self._parameters.realign_qber

    # --- blocks -------------------------------------------------------------------------------

    def _plan(self, count: int, calibration: Calibration) -> FixedLengthRule:
        p, source = self._parameters, self._source
        return plan_block(
            OneDecoySource(
                (source.intensities[0], source.intensities[1]),
                (source.probabilities[0], source.probabilities[1]),
            ),
            calibration.expected(count, self._rise),
            f_ec=p.f_ec_budget,
            eps_sec=p.eps_sec,
            eps_cor=p.eps_cor,
            tag_bits=TAG_BITS,
            n_sigma=p.margin_sigma,
            calibration_scale=count / calibration.pulses,
        )

    def _block(self, block: int, count: int, calibration: Calibration) -> Calibration:
        """Measure, sift, reconcile, verify, amplify and deposit one block; returns its counts."""
        rule = self._plan(count, calibration)
        length = rule.length // KEY_BITS * KEY_BITS
        first = self._receiver.next_pulse()
        limits = rule.thresholds
        self._conversation.ask(
            m.BlockPlan(
                block=block,
                first=first,
                count=count,
                secret_bits=length,
                leak_budget_bits=math.ceil(limits.leak_ec_bits),
                thresholds={
                    "single_photon_key": limits.single_photon_key,
                    "phase_error": limits.phase_error,
                },
            ),
            m.PlanNoted,
        )
        found = self._receiver.detections(first, count, self._tick)
        if not len(found):
            raise Aborted("link_down", f"not one detection in {count} pulses")
        test = found.bases == 1
        sifted = self._conversation.ask(
            m.Detections(
                block=block,
                pulses=m.pack_indices(found.pulses),
                bases=m.pack_bits(found.bases),
                test_bits=m.pack_bits(found.bits[test]),
            ),
            m.Sifted,
        )
        match = m.unpack_bits(sifted.matches, len(found)).astype(bool)
        levels = m.unpack_codes(sifted.levels, int(match.sum()), len(self._source.intensities) - 1)
        key_rows, test_rows = match & ~test, match & test
        alice_test = m.unpack_bits(sifted.test_bits, int(test_rows.sum()))
        key = found.bits[key_rows]
        in_key = ~test[match]
        test_error = found.bits[test_rows] != alice_test

        cascade, complete = self._reconcile(
            block, key, calibration.qber_key, sifted.matches, limits.leak_ec_bits
        )
        corrected = cascade.corrected()
        key_error = corrected != key
        error = np.empty(len(levels), dtype=bool)
        error[in_key], error[~in_key] = key_error, test_error
        counts = _tally(found.bases[match], levels, error)

        qber_key, qber_test = float(key_error.mean()), float(test_error.mean())
        if complete:
            tag = self._conversation.ask(m.VerifyRequest(block), m.VerificationTag)
            same = verifies(corrected, tag.hash_key, tag.tag)
            verdict = rule.accept(counts, cascade.leaked_bits)
            reason = self._refusal(same, max(qber_key, qber_test), length, verdict.reasons)
        else:
            same = False
            reason = (
                f"leak_ec_bits_high: more than the planned {limits.leak_ec_bits:.0f} bits are "
                "needed to correct the errors"
            )
        secret = 0 if reason else length
        self._account(counts, cascade, found, count, same)
        keys = 0
        if reason:
            name = reason.split(":")[0]
            self.totals.rejected[name] = self.totals.rejected.get(name, 0) + 1
            self._conversation.ask(m.Reject(block, reason), m.Dropped)
        else:
            keys = self._deposit(block, corrected, secret)
        self.totals.blocks += 1
        self.totals.secret_bits += secret
        self.totals.keys_deposited += keys
        errors = int(key_error.sum())
        sent = np.empty(len(found), dtype=np.uint8)
        sent[key_rows], sent[test_rows] = corrected, 2 + alice_test
        sent[~match] = m.unpack_codes(sifted.mismatched_states, int((~match).sum()), 3)
        rise = DRIFT_RESERVE * (qber_test - calibration.qber_test)
        self._rise = max(self._parameters.drift_qber, rise)
        self._report(
            "block",
            time_s=self._clock.now() - self._started_s,
            index=block,
            qber_key=qber_key,
            qber_test=qber_test,
            sifted_bits=len(key),
            detections=len(found),
            secret_bits=secret,
            leak_ec_bits=cascade.leaked_bits,
            f_ec=_efficiency(cascade.leaked_bits, len(key), errors),
            phase_error_bound=limits.phase_error,
            status=reason or "accepted",
            link_loss_db=self.totals.losses_db[-1],
            clock_offset_ps=self._offset_ps(),
            clock_drift_ppb=self._drift_ppb(),
            key_id_count=keys,
            states=np.bincount(4 * sent + 2 * found.bases + found.bits, minlength=16).tolist(),
        )
        return Calibration(counts, count) if complete else self._calibrate()

    def _reconcile(
        self, block: int, key: Bytes, estimate: float, said: bytes, budget: float
    ) -> tuple[CascadeBob, bool]:
        """Correct the key; False if the leakage planned for does not suffice."""
        seed = public_seed(block.to_bytes(8, "big"), said)
        qber = min(max(estimate, 0.002), 0.2)
        self._conversation.ask(m.Reconcile(block, qber, seed), m.ReconcileReady)
        cascade = CascadeBob(
            key, qber_estimate=qber, seed=seed, preset=self._parameters.reconciliation
        )
        while (questions := cascade.next_questions()) is not None:
            if cascade.leaked_bits + cascade.asked_bits > budget:
                return cascade, False
            answer = self._conversation.ask(m.ParityQuestions(questions), m.ParityAnswers)
            cascade.take(answer.parities)
        return cascade, True

    def _refusal(self, same: bool, qber: float, length: int, reasons: tuple[str, ...]) -> str:
        if not same:
            return "verification_failed: the corrected keys differ"
        if qber > self._parameters.abort_qber:
            return f"qber_abort: QBER {qber:.1%} above {self._parameters.abort_qber:.0%}"
        if not length:
            return f"no_key: the thresholds leave less than one key of {KEY_BITS} bits"
        return "; ".join(reasons)

    def _deposit(self, block: int, corrected: Bytes, secret_bits: int) -> int:
        self._conversation.send(m.Accept(block, secret_bits))
        seed = self._conversation.expect(m.AmplificationSeed)
        with ThreadPoolExecutor(1) as beside:  # both halves hash at the same time
            hashed = beside.submit(toeplitz_hash, corrected, seed.seed, secret_bits)
            self._conversation.send(m.TranscriptTag(block, self._transcript.tag_sent()))
            answer = self._conversation.expect(m.TranscriptTag)
        self._transcript.check_received(answer.tag)
        secret = np.packbits(hashed.result()).tobytes()
        name = self._block_name(block)
        p = self._parameters
        keys = self._store.deposit(
            name, secret, epsilon=p.eps_sec + p.eps_cor, simulated=self._simulated
        )
        nonce = secret_bytes(16)
        confirm = self._conversation.ask(
            m.Confirm(block, nonce, self._store.digest(name, nonce)), m.Confirm
        )
        if not hmac.compare_digest(confirm.digest, self._store.digest(name, nonce[::-1])):
            self._store.discard(name)
            raise Aborted("key_desync", f"block {block}: the keys of both ends differ")
        self._store.confirm(name)
        return keys

    def _account(
        self, counts: DecoyCounts, cascade: CascadeBob, found: Detections, count: int, same: bool
    ) -> None:
        t, source = self.totals, self._source
        bits = int(sum(counts.key.detections))
        errors = int(sum(counts.key.errors))
        t.sifted_bits += bits
        t.key_errors += errors
        t.test_bits += int(sum(counts.test.detections))
        t.test_errors += int(sum(counts.test.errors))
        t.leak_ec_bits += cascade.leaked_bits
        t.entropy_bits += bits * binary_entropy(errors / bits) if bits and same else 0.0
        period_ps = 1e12 / source.repetition_hz
        live = 1 - found.blocked_ps / (count * period_ps)
        gated = self._parameters.gate_ps / (period_ps - self._parameters.gate_ps)
        in_gate = found.tags - found.out_of_gate
        background = min(found.out_of_gate * gated / max(in_gate, 1), 1.0)
        mean = sum(u * q for u, q in zip(source.intensities, source.probabilities, strict=True))
        gain = len(found) * (1 - background) / (count * live)
        transmission = -math.log1p(-min(gain, 0.999)) / mean
        loss = -10 * math.log10(max(transmission, 1e-15) / self._efficiency)
        t.losses_db.append(loss - self._parameters.receiver_loss_db)
        t.background += bits * background / 2
        t.doubles += bits * found.doubles / max(len(found), 1) / 2


def _tally(bases: Bytes, levels: Bytes, error: npt.NDArray[np.bool_]) -> DecoyCounts:
    """Detections and errors by basis and intensity."""
    cell = 2 * bases + levels
    detections = np.bincount(cell, minlength=4)
    errors = np.bincount(cell[error], minlength=4)
    return DecoyCounts(
        key=Basis(tuple(map(float, detections[:2])), tuple(map(float, errors[:2]))),
        test=Basis(tuple(map(float, detections[2:])), tuple(map(float, errors[2:]))),
    )


def _efficiency(leak: int, bits: int, errors: int) -> float:
    """f_EC from the errors that were really there."""
    entropy = bits * binary_entropy(errors / bits) if bits else 0.0
    return leak / entropy if entropy else 0.0
