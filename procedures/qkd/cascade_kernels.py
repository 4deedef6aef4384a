"""Numba kernels of Cascade: parity trees over permuted frames.

A pass permutes each frame of P = 2^m positions by a keyed bijection and builds a binary tree of
parities over it. Node 1 is the root; the children of node v are 2v and 2v + 1; the leaf of
position p is node P + p. Frame f begins at bit ``starts[f]`` and owns nodes ``f * STRIDE``
onwards. Positions past the end of the last frame hold zeros at both ends.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

FRAME_BITS = 1 << 16
STRIDE = 2 * FRAME_BITS
UNKNOWN = 2

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

_jit = numba.njit(cache=True, nogil=True)


@_jit
def mix(x: np.uint64) -> np.uint64:
    """One output of splitmix64: 64 public pseudo-random bits out of a counter."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@_jit
def permutation_keys(seed: Words, number: int, frame: int, keys: Words) -> None:
    """Three odd multipliers and an increment for pass `number` of `frame`; pass 0 is identity."""
    if number == 0:
        keys[0] = keys[1] = keys[2] = np.uint64(1)
        keys[3] = np.uint64(0)
        return
    x = mix(seed[0] ^ mix(np.uint64(frame)))
    x = mix(x ^ seed[1] ^ mix(np.uint64(number) + np.uint64(0x5851F42D4C957F2D)))
    for i in range(4):
        x = mix(x + seed[2 + (i & 1)])
        keys[i] = x | np.uint64(1) if i < 3 else x


@_jit
def forward(i: np.uint64, keys: Words, bits: int, identity: bool) -> np.uint64:
    """Position of bit `i` in a permuted frame of 2^bits positions."""
    if identity:
        return i
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    half = np.uint64((bits + 1) // 2)
    x = (i * keys[0] + keys[3]) & mask
    x ^= x >> half
    x = (x * keys[1]) & mask
    x ^= x >> half
    return (x * keys[2]) & mask


@_jit
def _inverse(odd: np.uint64) -> np.uint64:
    """Inverse modulo 2^64 by Newton's iteration."""
    x = odd
    for _ in range(6):
        x = x * (np.uint64(2) - odd * x)
    return x


@_jit
def backward(position: np.uint64, keys: Words, bits: int, identity: bool) -> np.uint64:
    """Bit at `position`: reverse of `forward`."""
    if identity:
        return position
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    half = np.uint64((bits + 1) // 2)
    x = (position * _inverse(keys[2])) & mask
    x ^= x >> half
    x = (x * _inverse(keys[1])) & mask
    x ^= x >> half
    return ((x - keys[3]) * _inverse(keys[0])) & mask


@_jit
def build(bits: Bytes, starts: Ints, sizes: Ints, seed: Words, number: int, tree: Bytes) -> None:
    """Parity tree of pass `number` over all frames; `sizes` holds log2 P a frame."""
    keys = np.empty(4, dtype=np.uint64)
    for frame in range(len(sizes)):
        m = sizes[frame]
        positions = 1 << m
        start = starts[frame]
        stop = min(start + positions, len(bits))
        nodes = tree[frame * STRIDE : frame * STRIDE + 2 * positions]
        nodes[:] = 0
        permutation_keys(seed, number, frame, keys)
        for i in range(stop - start):
            nodes[positions + np.int64(forward(np.uint64(i), keys, m, number == 0))] = bits[
                start + i
            ]
        for node in range(positions - 1, 0, -1):
            nodes[node] = nodes[2 * node] ^ nodes[2 * node + 1]


@_jit
def first_block(size: int, block_log2: int) -> int:
    """First node of the top blocks of a frame, which has two blocks at least."""
    return 1 << max(size - block_log2, 1)


@_jit
def tops(sizes: Ints, block_log2: int, out: Ints) -> int:
    """Nodes of the top blocks of 2^block_log2 positions in every frame; returns their number."""
    n = 0
    for frame in range(len(sizes)):
        first = first_block(sizes[frame], block_log2)
        for node in range(first, 2 * first):
            out[n] = frame * STRIDE + node
            n += 1
    return n


@_jit
def read(
    tree: Bytes, questions: npt.NDArray[np.uint32], sizes: Ints, block_log2: int, out: Bytes
) -> bool:
    """Parities of the nodes asked for; False if one lies outside the blocks of the pass."""
    for i in range(len(questions)):
        node = np.int64(questions[i])
        frame, local = node // STRIDE, node % STRIDE
        if frame >= len(sizes):
            return False
        if local < first_block(sizes[frame], block_log2) or local >= 2 << sizes[frame]:
            return False
        out[i] = tree[node]
    return True


@_jit
def _push(tree: Bytes, alice: Bytes, listed: Bytes, queue: Ints, count: int, node: int) -> int:
    if tree[node] != alice[node] and not listed[node]:
        listed[node] = 1
        queue[count] = node
        count += 1
    return count


@_jit
def learn_tops(
    tree: Bytes, alice: Bytes, listed: Bytes, queue: Ints, asked: Ints, answers: Bytes
) -> int:
    """Take in the parities of a pass's top blocks; returns the length of its queue."""
    count = 0
    for i in range(len(asked)):
        alice[asked[i]] = answers[i]
        count = _push(tree, alice, listed, queue, count, asked[i])
    return count


@_jit
def ask(tree: Bytes, alice: Bytes, listed: Bytes, queue: Ints, count: int, out: Ints) -> int:
    """Empty a pass's queue into questions: the left child of every block that is still odd."""
    n = 0
    for i in range(count):
        node = queue[i]
        listed[node] = 0
        local = node % STRIDE
        child = node - local + 2 * local
        if tree[node] != alice[node] and alice[child] == UNKNOWN:
            out[n] = child
            n += 1
    return n


@_jit
def learn(
    number: int,
    asked: Ints,
    answers: Bytes,
    bits: Bytes,
    starts: Ints,
    sizes: Ints,
    seed: Words,
    trees: Bytes,
    alices: Bytes,
    listed: Bytes,
    queues: Ints,
    counts: Ints,
    started: int,
    block_log2: Ints,
) -> int:
    """Take in parities of left children in pass `number`; correct bits found; returns how many."""
    flipped = 0
    keys = np.empty(4, dtype=np.uint64)
    for i in range(len(asked)):
        left = asked[i]
        frame = left // STRIDE
        base = frame * STRIDE
        parent = base + (left - base) // 2
        alices[number, left] = answers[i]
        alices[number, left + 1] = alices[number, parent] ^ answers[i]
        if trees[number, parent] == alices[number, parent]:
            continue
        odd = left if trees[number, left] != alices[number, left] else left + 1
        positions = 1 << sizes[frame]
        if odd - base < positions:
            counts[number] = _push(
                trees[number], alices[number], listed[number], queues[number], counts[number], odd
            )
            continue
        permutation_keys(seed, number, frame, keys)
        position = np.uint64(odd - base - positions)
        bit = np.int64(backward(position, keys, sizes[frame], number == 0))
        if starts[frame] + bit < len(bits):
            bits[starts[frame] + bit] ^= 1
            flipped += 1
        for other in range(started):
            permutation_keys(seed, other, frame, keys)
            leaf = np.int64(forward(np.uint64(bit), keys, sizes[frame], other == 0))
            node = positions + leaf
            first = first_block(sizes[frame], block_log2[other])
            fringe = True
            while node >= first:
                trees[other, base + node] ^= 1
                if fringe and alices[other, base + node] != UNKNOWN:
                    fringe = False
                    counts[other] = _push(
                        trees[other],
                        alices[other],
                        listed[other],
                        queues[other],
                        counts[other],
                        base + node,
                    )
                node >>= 1
    return flipped
