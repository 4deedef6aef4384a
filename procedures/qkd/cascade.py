"""Cascade: Bob finds his errors by asking Alice for parities; every parity told is counted.

Block sizes follow Martinez-Mateo et al., "Demystifying the information reconciliation protocol
Cascade", Quantum Inf. Comput. 15, 453 (2015), section 4: powers of two, so that the parities of
sub-blocks learnt in earlier searches are used again. After three passes, parities of random halves
of each frame show whether errors are left.

All frames are in flight at once. Preset ``lan`` searches a frame in one pass at a time, which leaks
least; ``wan`` begins with smaller blocks and searches the passes of a frame together, which takes a
tenth of the round trips.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from qnlab.procedures.qkd import cascade_kernels as kernels
from qnlab.procedures.qkd.messages import MessageError

Bits = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Questions = npt.NDArray[np.uint32]
Preset = Literal["lan", "wan"]

PASSES = kernels.SHUFFLED + 20
SEED_BYTES = 32
_HEAD = 4
_SMALLEST_LOG2 = 10


def block_sizes(qber_estimate: float, preset: str) -> list[int]:
    """log2 of the block size of each pass, for an expected error rate."""
    alpha = -math.log2(min(max(qber_estimate, 1e-4), 0.25)) - 0.5
    halves = [kernels.FRAME_LOG2 - 1] * (PASSES - kernels.SHUFFLED)
    if preset == "wan":
        first = max(math.floor(alpha), 2)
        return [first, min(first + 3, 12), 12, *halves]
    first = math.ceil(alpha)
    return [first, min(first + (3 if qber_estimate < 0.04 else 4), 14), 14, *halves]


class _Frames:
    """A key cut into frames of packed bits, ever smaller ones at its end."""

    def __init__(self, bits: Bits, qber_estimate: float, seed: bytes, preset: str) -> None:
        if preset not in ("lan", "wan"):
            raise MessageError(f"unknown preset {preset!r}; lan or wan")
        if len(seed) != SEED_BYTES:
            raise MessageError(f"the permutation seed takes {SEED_BYTES} bytes, got {len(seed)}")
        self.bits = len(bits)
        self.blocks = np.array(block_sizes(qber_estimate, preset), dtype=np.int64)
        sizes, positions = [], 0
        while positions < len(bits):
            left = len(bits) - positions
            sizes.append(min(max(left.bit_length() - 1, _SMALLEST_LOG2), kernels.FRAME_LOG2))
            positions += 1 << sizes[-1]
        if len(sizes) > kernels.MOST_FRAMES:
            raise MessageError(
                f"a key of {len(bits)} bits is too long for one reconciliation; at most "
                f"{kernels.MOST_FRAMES << kernels.FRAME_LOG2}"
            )
        self.sizes = np.array(sizes, dtype=np.int64)
        self.keys = np.empty((PASSES, len(sizes)), dtype=np.uint64)
        kernels.frame_keys(np.frombuffer(seed, dtype="<u8").astype(np.uint64), self.keys)
        lengths = np.left_shift(1, self.sizes - 6)
        self.starts = np.cumsum(lengths) - lengths
        self.words = np.zeros((kernels.SHUFFLED, positions // 64), dtype=np.uint64)
        packed = np.packbits(bits, bitorder="little")
        self.words[0].view(np.uint8)[: len(packed)] = packed
        self.begun = np.zeros(len(sizes), dtype=np.uint8)

    def disclosed_by(self, starts: Questions, asked: Questions) -> int:
        """Parities that the answer to these questions will hold."""
        begun = kernels.tops_told(self.sizes, self.blocks, starts) if len(starts) else 0
        return begun + len(asked)


class CascadeAlice:
    """Alice's side: answers parity questions about her key.

    Parameters
    ----------
    bits : ndarray of uint8, shape (n,)
        Her sifted key.
    qber_estimate : float
        The same as Bob's.
    seed : bytes
        32 bytes, public, fresh for each key.
    preset : str
        The same as Bob's.
    """

    def __init__(self, bits: Bits, *, qber_estimate: float, seed: bytes, preset: str) -> None:
        self._frames = _Frames(bits, qber_estimate, seed, preset)
        self.leaked_bits = 0

    def answer(self, questions: bytes) -> bytes:
        """Parities, packed, for a batch of questions.

        Raises
        ------
        MessageError
            The batch is malformed, or asks for a node outside the blocks of its pass.
        """
        if len(questions) < _HEAD or len(questions) % 4:
            raise MessageError(f"parity questions of {len(questions)} bytes have no whole number")
        numbers = np.frombuffer(questions, dtype="<u4")
        if numbers[0] >= len(numbers):
            raise MessageError(f"parity questions announce {numbers[0]} passes to begin, but end")
        starts, asked = numbers[1 : 1 + int(numbers[0])], numbers[1 + int(numbers[0]) :]
        f = self._frames
        out = np.empty(f.disclosed_by(starts, asked), dtype=np.uint8)
        told = kernels.answer(
            f.words, f.starts, f.sizes, f.keys, f.blocks, f.begun, starts, asked, out
        )
        if told != len(out):
            raise MessageError("parity question outside the blocks of its pass")
        self.leaked_bits += told
        return np.packbits(out).tobytes()


class CascadeBob:
    """Bob's side: call `next_questions` and `take` in turn until there is no question left.

    Parameters
    ----------
    bits : ndarray of uint8, shape (n,)
        His sifted key; a copy is corrected.
    qber_estimate : float
        Expected error rate; a wrong one costs leakage, not correctness.
    seed : bytes
        32 bytes, public, fresh for each key.
    preset : str
        ``lan`` or ``wan``.
    """

    def __init__(self, bits: Bits, *, qber_estimate: float, seed: bytes, preset: str) -> None:
        self._frames = _Frames(bits, qber_estimate, seed, preset)
        self._all_passes = preset == "wan"
        frames = len(self._frames.sizes)
        positions = 64 * self._frames.words.shape[1]
        self._state = np.zeros((PASSES, frames * kernels.STRIDE), dtype=np.uint8)
        self._queue = np.empty(PASSES * positions // 2 + 1, dtype=np.int64)
        self._count = 0
        self._lowest = np.empty(frames, dtype=np.int64)
        self._asked_starts = np.empty(PASSES * frames, dtype=np.uint32)
        self._asked = np.empty(len(self._queue), dtype=np.uint32)
        self._starts = self._questions = np.empty(0, dtype=np.uint32)
        self.asked_bits = 0
        self.leaked_bits = 0
        self.round_trips = 0
        self.corrected_errors = 0

    def next_questions(self) -> bytes | None:
        """The next batch of questions, or None when the key is corrected."""
        if self.asked_bits:
            raise MessageError("the last questions have not been answered yet")
        f = self._frames
        self._count, starts, questions = kernels.plan(
            self._state, self._queue, self._count, self._lowest, self._all_passes, f.begun,
            PASSES, self._asked_starts, self._asked,
        )  # fmt: skip
        self._starts, self._questions = self._asked_starts[:starts], self._asked[:questions]
        self.asked_bits = f.disclosed_by(self._starts, self._questions)
        if not self.asked_bits:
            return None
        head = int(starts).to_bytes(_HEAD, "little")
        return head + self._starts.astype("<u4").tobytes() + self._questions.astype("<u4").tobytes()

    def take(self, answers: bytes) -> None:
        """Take in Alice's parities.

        Raises
        ------
        MessageError
            Not as many parities as questions.
        """
        total, f = self.asked_bits, self._frames
        if not total or len(answers) != (total + 7) // 8:
            raise MessageError(f"{total} parities were asked for, got {len(answers)} bytes")
        parities = np.unpackbits(np.frombuffer(answers, dtype=np.uint8), count=total)
        self.leaked_bits += total
        self.round_trips += 1
        self.asked_bits = 0
        self._count, corrected = kernels.learn(
            self._starts, self._questions, parities, f.words, f.starts, f.sizes, f.keys, f.blocks,
            f.begun, self._state, self._queue, self._count,
        )  # fmt: skip
        self.corrected_errors += corrected

    def corrected(self) -> Bits:
        """The key as corrected so far, shape (n,)."""
        plain = self._frames.words[0].view(np.uint8)
        return np.unpackbits(plain, count=self._frames.bits, bitorder="little")
