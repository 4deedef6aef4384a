"""Cascade: Bob finds his errors by asking Alice for parities; every parity told is counted.

Block sizes follow Martinez-Mateo et al., "Demystifying the information reconciliation protocol
Cascade", Quantum Inf. Comput. 15, 453 (2015), section 4: powers of two, so that the parities of
sub-blocks learnt in earlier searches are used again.

Preset ``lan`` searches in one pass at a time, which leaks least; ``wan`` searches in all passes at
once, which takes fewer round trips.
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
Preset = Literal["lan", "wan"]

PASSES = 14
SEED_BYTES = 32
_HEAD = 5
_SMALLEST_LOG2 = 10
_LARGEST_LOG2 = int(math.log2(kernels.FRAME_BITS))


def block_sizes(qber_estimate: float) -> list[int]:
    """log2 of the block size of each pass, for an expected error rate."""
    alpha = -math.log2(min(max(qber_estimate, 1e-4), 0.25)) - 0.5
    first = math.ceil(alpha)
    rest = [_LARGEST_LOG2 - 1] * (PASSES - 3)
    return [first, math.ceil((alpha + 12) / 2), 12, *rest]


def _seed_words(seed: bytes) -> npt.NDArray[np.uint64]:
    if len(seed) != SEED_BYTES:
        raise MessageError(f"the permutation seed takes {SEED_BYTES} bytes, got {len(seed)}")
    return np.frombuffer(seed, dtype="<u8").astype(np.uint64)


def _frames(bits: int) -> tuple[Ints, Ints]:
    """First bit and log2 of the positions of each frame: ever smaller ones at the end."""
    starts, sizes, start = [], [], 0
    while start < bits:
        left = bits - start
        size = min(max(left.bit_length() - 1, _SMALLEST_LOG2), _LARGEST_LOG2)
        starts.append(start)
        sizes.append(size)
        start += 1 << size
    return np.array(starts, dtype=np.int64), np.array(sizes, dtype=np.int64)


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
        if preset not in ("lan", "wan"):
            raise MessageError(f"unknown preset {preset!r}; lan or wan")
        self._bits = bits
        self._seed = _seed_words(seed)
        self._starts, self._sizes = _frames(len(bits))
        self._blocks = block_sizes(qber_estimate)
        self._trees: list[Bits] = []
        self.leaked_bits = 0

    def answer(self, questions: bytes) -> bytes:
        """Parities, packed, for a batch of questions.

        Raises
        ------
        MessageError
            The batch is malformed, or asks for a node outside the blocks of its pass.
        """
        parts, position = [], 0
        while position < len(questions):
            if len(questions) - position < _HEAD:
                raise MessageError("parity questions end in the middle of a head")
            number = questions[position]
            count = int.from_bytes(questions[position + 1 : position + _HEAD], "little")
            position += _HEAD
            end = position + 4 * count
            if number == len(self._trees) and number < PASSES and count == 0:
                parts.append(self._start(number))
            elif number >= len(self._trees) or end > len(questions):
                raise MessageError(
                    f"parity questions of pass {number} with {count} nodes do not fit"
                )
            else:
                parts.append(self._read(number, questions[position:end]))
            position = end
        parities = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint8)
        self.leaked_bits += len(parities)
        return np.packbits(parities).tobytes()

    def _read(self, number: int, questions: bytes) -> Bits:
        nodes = np.frombuffer(questions, dtype="<u4")
        out = np.empty(len(nodes), dtype=np.uint8)
        if not kernels.read(self._trees[number], nodes, self._sizes, self._blocks[number], out):
            raise MessageError("parity question outside the blocks of its pass")
        return out

    def _start(self, number: int) -> Bits:
        tree = np.zeros(len(self._sizes) * kernels.STRIDE, dtype=np.uint8)
        kernels.build(self._bits, self._starts, self._sizes, self._seed, number, tree)
        self._trees.append(tree)
        tops: Bits = tree[_tops(self._sizes, self._blocks[number])]
        return tops


def _tops(sizes: Ints, block_log2: int) -> Ints:
    out = np.empty(int(np.sum(1 << np.maximum(sizes - block_log2, 1))), dtype=np.int64)
    kernels.tops(sizes, block_log2, out)
    return out


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
        if preset not in ("lan", "wan"):
            raise MessageError(f"unknown preset {preset!r}; lan or wan")
        self._bits = bits.copy()
        self._seed = _seed_words(seed)
        self._starts, self._sizes = _frames(len(bits))
        self._blocks = np.array(block_sizes(qber_estimate), dtype=np.int64)
        self._all_passes = preset == "wan"
        nodes = len(self._sizes) * kernels.STRIDE
        self._trees = np.zeros((PASSES, nodes), dtype=np.uint8)
        self._alices = np.full((PASSES, nodes), kernels.UNKNOWN, dtype=np.uint8)
        self._listed = np.zeros((PASSES, nodes), dtype=np.uint8)
        self._queues = np.empty((PASSES, nodes // 2), dtype=np.int64)
        self._counts = np.zeros(PASSES, dtype=np.int64)
        self._started = 0
        self._asked: list[tuple[int, Ints]] = []
        self._asked_tops = False
        self.leaked_bits = 0
        self.round_trips = 0
        self.corrected_errors = 0

    def next_questions(self) -> bytes | None:
        """The next batch of questions, or None when the key is corrected."""
        if self._asked:
            raise MessageError("the last questions have not been answered yet")
        parts = []
        for number in range(self._started):
            nodes = self._odd_blocks(number)
            if len(nodes):
                self._asked.append((number, nodes))
                parts.append(_question(number, nodes))
                if not self._all_passes:
                    break
        if not parts:
            if self._started == PASSES or not len(self._bits):
                return None
            number = self._started
            kernels.build(
                self._bits, self._starts, self._sizes, self._seed, number, self._trees[number]
            )
            self._asked.append((number, _tops(self._sizes, int(self._blocks[number]))))
            self._asked_tops = True
            self._started += 1
            parts.append(_question(number, np.empty(0, dtype=np.int64)))
        return b"".join(parts)

    @property
    def asked_bits(self) -> int:
        """Parities that the questions asked now will disclose."""
        return sum(len(nodes) for _, nodes in self._asked)

    def _odd_blocks(self, number: int) -> Ints:
        count = int(self._counts[number])
        out = np.empty(count, dtype=np.int64)
        n = kernels.ask(
            self._trees[number],
            self._alices[number],
            self._listed[number],
            self._queues[number],
            count,
            out,
        )
        self._counts[number] = 0
        return out[:n]

    def take(self, answers: bytes) -> None:
        """Take in Alice's parities.

        Raises
        ------
        MessageError
            Not as many parities as questions.
        """
        total = self.asked_bits
        if not self._asked or len(answers) != (total + 7) // 8:
            raise MessageError(f"{total} parities were asked for, got {len(answers)} bytes")
        parities = np.unpackbits(np.frombuffer(answers, dtype=np.uint8), count=total)
        self.leaked_bits += total
        self.round_trips += 1
        position = 0
        for number, nodes in self._asked:
            part = parities[position : position + len(nodes)]
            position += len(nodes)
            if self._asked_tops:
                self._counts[number] = kernels.learn_tops(
                    self._trees[number],
                    self._alices[number],
                    self._listed[number],
                    self._queues[number],
                    nodes,
                    part,
                )
            else:
                self.corrected_errors += kernels.learn(
                    number,
                    nodes,
                    part,
                    self._bits,
                    self._starts,
                    self._sizes,
                    self._seed,
                    self._trees,
                    self._alices,
                    self._listed,
                    self._queues,
                    self._counts,
                    self._started,
                    self._blocks,
                )
        self._asked = []
        self._asked_tops = False

    def corrected(self) -> Bits:
        """The key as corrected so far, shape (n,)."""
        return self._bits


def _question(number: int, nodes: Ints) -> bytes:
    return bytes([number]) + len(nodes).to_bytes(4, "little") + nodes.astype("<u4").tobytes()
