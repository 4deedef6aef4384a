"""What Alice and Bob say to each other: typed, versioned, bounded messages.

Arrays travel as packed bytes; `pack_indices` writes an increasing list of pulse numbers as
differences of one to four bytes each.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from qnlab.errors import QnlabError

VERSION = 1
MAX_MESSAGE_BYTES = 256 * 1024 * 1024


class MessageError(QnlabError):
    """A message is malformed, too long, of another version or not expected now."""


class Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Base of all messages; the class name tags it on the wire."""


class Hello(Message, frozen=True):
    """Bob opens the session."""

    version: int
    site: str


class Source(Message, frozen=True):
    """Alice says what her source sends; intensities are mean photon numbers a pulse."""

    repetition_hz: float
    intensities: tuple[float, ...]
    probabilities: tuple[float, ...]
    key_basis_probability: float


class Unsettled(Message, frozen=True):
    """Blocks that Bob holds from a session that was cut, with keyed digests of them."""

    blocks: tuple[str, ...]
    nonce: bytes
    digests: tuple[bytes, ...]


class Settled(Message, frozen=True):
    """Which of those blocks Alice holds too; she has confirmed them and discarded all others."""

    held: tuple[bool, ...]


class RevealPattern(Message, frozen=True):
    """Bob asks for the intensity levels of a stretch of pulses, which never enters a key."""

    first: int
    count: int


class Pattern(Message, frozen=True):
    """One byte a pulse: the intensity level."""

    levels: bytes


class RevealPulses(Message, frozen=True):
    """Bob asks for level and state of the pulses he lists; they never enter a key."""

    pulses: bytes


class Choices(Message, frozen=True):
    """One byte a pulse: ``4 * level + 2 * basis + bit``."""

    codes: bytes


class BlockPlan(Message, frozen=True):
    """Bob fixes, before the block begins, its first pulse, its length and what it must show.

    `thresholds` are the acceptance thresholds by name, `secret_bits` the length that follows
    from them, `leak_budget_bits` the most that reconciliation may disclose.
    """

    block: int
    first: int
    count: int
    secret_bits: int
    leak_budget_bits: int
    thresholds: dict[str, float]


class PlanNoted(Message, frozen=True):
    """Alice has noted the plan."""

    block: int


class Detections(Message, frozen=True):
    """Bob's frozen detections: pulse numbers, bases (packed), his bits of the test basis."""

    block: int
    pulses: bytes
    bases: bytes
    test_bits: bytes


class Sifted(Message, frozen=True):
    """Alice's answer: which detections agree in basis (packed), level of each of those.

    `test_bits` are her bits where both used the test basis. `mismatched_states` holds the states
    she sent where the bases differ; those detections are discarded, and Bob tracks the
    polarization with them.
    """

    block: int
    matches: bytes
    levels: bytes
    test_bits: bytes
    mismatched_states: bytes


class Reconcile(Message, frozen=True):
    """Bob begins reconciliation: error-rate estimate and the public seed of the permutations."""

    block: int
    qber_estimate: float
    seed: bytes


class ReconcileReady(Message, frozen=True):
    """Alice has prepared her frames."""

    block: int


class ParityQuestions(Message, frozen=True):
    """A batch of parity questions."""

    questions: bytes


class ParityAnswers(Message, frozen=True):
    """The packed parities, one bit a question."""

    parities: bytes


class VerifyRequest(Message, frozen=True):
    """Bob has corrected his key and asks for a verification tag of Alice's."""

    block: int


class VerificationTag(Message, frozen=True):
    """Hash key, drawn after both keys are fixed, and tag."""

    hash_key: bytes
    tag: bytes


class Accept(Message, frozen=True):
    """Bob's keys agree and all thresholds hold: amplify to the planned length."""

    block: int
    secret_bits: int


class Reject(Message, frozen=True):
    """The block is dropped at both ends, for the reason named."""

    block: int
    reason: str


class Dropped(Message, frozen=True):
    """Alice has dropped the block."""

    block: int


class AmplificationSeed(Message, frozen=True):
    """Seed of the Toeplitz matrix, drawn after reconciliation."""

    block: int
    seed: bytes


class TranscriptTag(Message, frozen=True):
    """Wegman-Carter tag of all that its sender has said since its last tag."""

    block: int
    tag: bytes


class Confirm(Message, frozen=True):
    """Keyed digest of the deposited block."""

    block: int
    nonce: bytes
    digest: bytes


class Goodbye(Message, frozen=True):
    """The session ends in good order."""

    reason: str


AnyMessage = (
    Hello
    | Source
    | Unsettled
    | Settled
    | RevealPattern
    | Pattern
    | RevealPulses
    | Choices
    | BlockPlan
    | PlanNoted
    | Detections
    | Sifted
    | Reconcile
    | ReconcileReady
    | ParityQuestions
    | ParityAnswers
    | VerifyRequest
    | VerificationTag
    | Accept
    | Reject
    | Dropped
    | AmplificationSeed
    | TranscriptTag
    | Confirm
    | Goodbye
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(AnyMessage)


def encode(message: Message) -> bytes:
    """Bytes of a message."""
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """The message that `data` holds.

    Raises
    ------
    MessageError
        Not a message of this version, or longer than `MAX_MESSAGE_BYTES`.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise MessageError(f"message of {len(data)} bytes, at most {MAX_MESSAGE_BYTES} allowed")
    try:
        message: Message = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise MessageError(f"malformed message of {len(data)} bytes: {error}") from error
    return message


def pack_indices(indices: npt.NDArray[np.int64]) -> bytes:
    """Strictly increasing non-negative int64 numbers, shape (n,), as bytes.

    The count and the first number take 8 bytes each; then the width of a difference (1, 2, 4
    or 8 bytes) and the differences.
    """
    n = len(indices)
    if n == 0:
        return np.int64(0).tobytes()
    steps = np.diff(indices)
    if indices[0] < 0 or (n > 1 and steps.min() <= 0):
        raise ValueError("pulse numbers must be non-negative and strictly increasing")
    largest = int(steps.max()) if n > 1 else 0
    width = next(w for w in (1, 2, 4, 8) if largest < 1 << (8 * w - 1))
    head = np.array([n, indices[0], width], dtype="<i8").tobytes()
    return head + steps.astype(f"<u{width}").tobytes()


def unpack_indices(data: bytes) -> npt.NDArray[np.int64]:
    """Reverse of `pack_indices`.

    Raises
    ------
    MessageError
        Lengths do not agree, or the numbers do not increase.
    """
    if len(data) == 8 and data == bytes(8):
        return np.empty(0, dtype=np.int64)
    if len(data) < 24:
        raise MessageError(f"pulse list of {len(data)} bytes is too short")
    n, first, width = (int(v) for v in np.frombuffer(data[:24], dtype="<i8"))
    if width not in (1, 2, 4, 8) or n < 1 or first < 0 or len(data) != 24 + (n - 1) * width:
        raise MessageError(f"pulse list says {n} numbers of {width} bytes, has {len(data) - 24}")
    steps = np.frombuffer(data, dtype=f"<u{width}", offset=24)
    if n > 1 and (steps.min() == 0 or int(steps.max()) >= 1 << 62):
        raise MessageError("pulse list does not increase")
    indices = np.empty(n, dtype=np.int64)
    indices[0] = first
    np.cumsum(steps, dtype=np.int64, out=indices[1:])
    indices[1:] += first
    if n > 1 and (indices[-1] < first or (indices[1:] < indices[:-1]).any()):
        raise MessageError("pulse list overflows")
    return indices


def pack_bits(bits: npt.NDArray[np.uint8]) -> bytes:
    """Bits (0/1), shape (n,), packed eight a byte, most significant first."""
    return np.packbits(bits).tobytes()


def unpack_bits(data: bytes, count: int) -> npt.NDArray[np.uint8]:
    """`count` bits out of `data`; a wrong length raises `MessageError`."""
    if len(data) != (count + 7) // 8:
        raise MessageError(f"{count} bits need {(count + 7) // 8} bytes, got {len(data)}")
    return np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=count)


def unpack_codes(data: bytes, count: int, largest: int) -> npt.NDArray[np.uint8]:
    """`count` bytes no greater than `largest`; anything else raises `MessageError`."""
    codes = np.frombuffer(data, dtype=np.uint8)
    if len(codes) != count or (count and int(codes.max()) > largest):
        raise MessageError(f"expected {count} codes of 0..{largest}, got {len(codes)}")
    return codes
