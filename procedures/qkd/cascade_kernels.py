"""Numba kernels of Cascade: parities of dyadic blocks over shuffled frames of packed bits.

A frame has P = 2^m positions, m >= 10, in words of 64. In pass 0 they are in order. Pass 1 and 2
shuffle the rows (words) of each column (bit of a word) by a keyed affine map. Node 1 of a pass
holds all positions, the children of node v are 2v and 2v + 1, the leaf of position p is P + p.
Each later pass splits the positions at random: node 2 holds one part, node 3 the other, both as
trees over all positions, in order; their leaves are nodes 2P + p and 3P + p.

Frame f begins at word ``starts[f]`` and owns nodes ``f * STRIDE`` onwards. Positions past the end
of the key hold zeros at both ends. A question packs the pass above `PASS_SHIFT` and the node below.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba.extending import intrinsic

FRAME_LOG2 = 16
STRIDE = 4 << FRAME_LOG2
SHUFFLED = 3
PASS_SHIFT = 27
MOST_FRAMES = (1 << PASS_SHIFT) // STRIDE

KNOWN, ODD, LISTED = 1, 2, 4

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

_jit = numba.njit(cache=True, nogil=True)
_NODE = (1 << PASS_SHIFT) - 1


@intrinsic
def _ones(typing: Any, word: Any) -> Any:
    """Number of ones in a word."""
    del typing, word

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.ctpop(arguments[0])

    return numba.uint64(numba.uint64), generate


@_jit
def mix(x: np.uint64) -> np.uint64:
    """One output of splitmix64: 64 public pseudo-random bits out of a counter."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@_jit
def frame_keys(seed: Words, keys: Words) -> None:
    """Where the public random numbers of each pass (row) over each frame (column) begin."""
    for number in range(keys.shape[0]):
        for frame in range(keys.shape[1]):
            x = mix(seed[0] ^ mix(np.uint64(frame)))
            x = mix(x ^ seed[1] ^ mix(np.uint64(number) + np.uint64(0x5851F42D4C957F2D)))
            keys[number, frame] = mix(mix(x + seed[2]) ^ seed[3])


@_jit
def _affine(key: np.uint64, column: int) -> tuple[np.uint64, np.uint64]:
    """Odd multiplier and increment of a column: row r comes from row a r + b."""
    x = mix(key + np.uint64(column))
    return x | np.uint64(1), x >> np.uint64(32)


@_jit
def shuffle(plain: Words, key: np.uint64, out: Words) -> None:
    """A frame's words in pass 1 or 2; a power of two of them."""
    mask = np.uint64(len(plain) - 1)
    out[:] = np.uint64(0)
    for column in range(64):
        a, b = _affine(key, column)
        bit = np.uint64(1) << np.uint64(column)
        for row in range(len(plain)):
            out[row] |= plain[(a * np.uint64(row) + b) & mask] & bit


@_jit
def _shuffled_row(row: int, column: int, key: np.uint64, rows: int) -> int:
    """Where `shuffle` puts a row of a column."""
    a, b = _affine(key, column)
    inverse = a
    for _ in range(3):  # three correct bits become 24
        inverse = inverse * (np.uint64(2) - a * inverse)
    return int(np.int64((inverse * (np.uint64(row) - b)) & np.uint64(rows - 1)))


@_jit
def _part(key: np.uint64, word: int, second: bool) -> np.uint64:
    """Bits of a word that are in the first or second part of a splitting pass."""
    first = mix(key + np.uint64(word))
    return ~first if second else first


@_jit
def leaves(size: int, number: int) -> int:
    """First leaf of a pass over 2^size positions."""
    return (1 if number < SHUFFLED else 2) << size


@_jit
def first_block(size: int, block_log2: int) -> int:
    """First node of the top blocks of a frame, which has two blocks at least."""
    return 1 << max(size - block_log2, 1)


@_jit
def _level(node: int) -> int:
    level = -1
    while node:
        node >>= 1
        level += 1
    return level


@_jit
def parity(words: Words, start: int, size: int, number: int, key: np.uint64, node: int) -> int:
    """Parity of a node; `words` are those of its pass (of pass 0 in a splitting pass)."""
    level = _level(node)
    splits = number >= SHUFFLED
    length = size - level + splits
    begin = (node - (1 << level)) << length
    second = splits and begin >= 1 << size
    if second:
        begin -= 1 << size
    word = begin >> 6
    total = np.uint64(0)
    for w in range(word, word + (1 << max(length - 6, 0))):
        total ^= words[start + w] & (_part(key, w, second) if splits else ~np.uint64(0))
    if length < 6:
        ones = (np.uint64(1) << np.uint64(1 << length)) - np.uint64(1)
        total = (total >> np.uint64(begin & 63)) & ones
    return int(np.int64(_ones(total) & np.uint64(1)))


@_jit
def tops(
    words: Words,
    start: int,
    size: int,
    number: int,
    key: np.uint64,
    first: int,
    out: Bytes,
    position: int,
) -> int:
    """Parities of the top blocks, of all but the last after pass 0; returns where they end."""
    for node in range(first, 2 * first - (number > 0)):
        out[position] = parity(words, start, size, number, key, node)
        position += 1
    return position


@_jit
def prepare(words: Words, number: int, frame: int, starts: Ints, sizes: Ints, keys: Words) -> None:
    """Shuffle a frame of `words`, shape (SHUFFLED, words), for pass `number` where it needs it."""
    if 0 < number < SHUFFLED:
        begin, end = starts[frame], starts[frame] + (1 << (sizes[frame] - 6))
        shuffle(words[0, begin:end], keys[number, frame], words[number, begin:end])


@_jit
def answer(
    words: Words,
    starts: Ints,
    sizes: Ints,
    keys: Words,
    blocks: Ints,
    begun: Bytes,
    asked_starts: npt.NDArray[np.uint32],
    asked: npt.NDArray[np.uint32],
    out: Bytes,
) -> int:
    """Alice's parities; -1 at a question outside the blocks, or about a pass not begun.

    `begun[f]` counts the passes begun in a frame; ``asked_starts`` begin more, each the next.
    """
    position = 0
    for i in range(len(asked_starts)):
        number, frame = np.int64(asked_starts[i]) >> PASS_SHIFT, np.int64(asked_starts[i]) & _NODE
        if frame >= len(sizes) or number >= len(blocks) or begun[frame] != number:
            return -1
        begun[frame] += 1
        prepare(words, number, frame, starts, sizes, keys)
        first = first_block(sizes[frame], blocks[number])
        if position + first - (number > 0) > len(out):
            return -1
        key = keys[number, frame]
        source = words[number if number < SHUFFLED else 0]
        position = tops(source, starts[frame], sizes[frame], number, key, first, out, position)
    for i in range(len(asked)):
        number, node = np.int64(asked[i]) >> PASS_SHIFT, np.int64(asked[i]) & _NODE
        frame = node // STRIDE
        node -= frame * STRIDE
        if frame >= len(sizes) or number >= begun[frame]:
            return -1
        if node < first_block(sizes[frame], blocks[number]) or node >= 2 * leaves(
            sizes[frame], number
        ):
            return -1
        key = keys[number, frame]
        source = words[number if number < SHUFFLED else 0]
        out[position] = parity(source, starts[frame], sizes[frame], number, key, node)
        position += 1
    return position


@_jit
def tops_told(sizes: Ints, blocks: Ints, asked_starts: npt.NDArray[np.uint32]) -> int:
    """Parities that the beginning of passes discloses."""
    total = 0
    for i in range(len(asked_starts)):
        number, frame = np.int64(asked_starts[i]) >> PASS_SHIFT, np.int64(asked_starts[i]) & _NODE
        if frame < len(sizes) and number < len(blocks):
            total += first_block(sizes[frame], blocks[number]) - (number > 0)
    return total


@_jit
def plan(
    state: Bytes,
    queue: Ints,
    count: int,
    lowest: Ints,
    all_passes: bool,
    begun: Bytes,
    passes: int,
    asked_starts: npt.NDArray[np.uint32],
    asked: npt.NDArray[np.uint32],
) -> tuple[int, int, int]:
    """Bob's next questions; returns the lengths of `queue`, `asked_starts` and `asked`.

    An odd block is asked about by its first half, in the lowest pass of its frame that has odd
    blocks; with `all_passes` in all passes that shuffle. A frame without odd blocks begins its
    next pass, and all that split at once.
    """
    lowest[:] = passes
    live = 0
    for i in range(count):
        number, node = queue[i] >> PASS_SHIFT, queue[i] & _NODE
        frame = node // STRIDE
        child = node + (node - frame * STRIDE)
        if state[number, node] & ODD and not state[number, child] & KNOWN:
            lowest[frame] = min(lowest[frame], number)
            queue[live] = queue[i]
            live += 1
        else:
            state[number, node] &= ~LISTED & 0xFF
    left = 0
    n = 0
    for i in range(live):
        number, node = queue[i] >> PASS_SHIFT, queue[i] & _NODE
        frame = node // STRIDE
        if number == lowest[frame] or (all_passes and number < SHUFFLED):
            state[number, node] &= ~LISTED & 0xFF
            asked[n] = (number << PASS_SHIFT) | (node + (node - frame * STRIDE))
            n += 1
        else:
            queue[left] = queue[i]
            left += 1
    s = 0
    for frame in range(len(lowest)):
        if lowest[frame] == passes and begun[frame] < passes:
            last = passes if begun[frame] >= SHUFFLED else begun[frame] + 1
            for number in range(begun[frame], last):
                asked_starts[s] = (number << PASS_SHIFT) | frame
                s += 1
            begun[frame] = last
    return left, s, n


@_jit
def _push(state: Bytes, number: int, node: int, queue: Ints, count: int) -> int:
    if state[number, node] & (ODD | LISTED) == ODD:
        state[number, node] |= LISTED
        queue[count] = (number << PASS_SHIFT) | node
        count += 1
    return count


@_jit
def _correct(
    bit: int,
    frame: int,
    words: Words,
    start: int,
    size: int,
    keys: Words,
    blocks: Ints,
    begun: int,
    state: Bytes,
    queue: Ints,
    count: int,
) -> int:
    """Flip a bit in every pass begun; list the smallest known blocks that are odd now."""
    base = frame * STRIDE
    row, column = bit >> 6, bit & 63
    for number in range(begun):
        key = keys[number, frame]
        if number < SHUFFLED:
            place = row if number == 0 else _shuffled_row(row, column, key, 1 << (size - 6))
            words[number, start + place] ^= np.uint64(1) << np.uint64(column)
            position = (place << 6) | column
        else:
            in_first = (_part(key, row, False) >> np.uint64(column)) & np.uint64(1)
            position = bit if in_first else bit + (1 << size)
        node = leaves(size, number) + position
        first = first_block(size, blocks[number])
        fringe = True
        while node >= first:
            if state[number, base + node] & KNOWN:
                state[number, base + node] ^= ODD
                if fringe:
                    fringe = False
                    count = _push(state, number, base + node, queue, count)
            node >>= 1
    return count


@_jit
def learn(
    asked_starts: npt.NDArray[np.uint32],
    asked: npt.NDArray[np.uint32],
    answers: Bytes,
    words: Words,
    starts: Ints,
    sizes: Ints,
    keys: Words,
    blocks: Ints,
    begun: Bytes,
    state: Bytes,
    queue: Ints,
    count: int,
) -> tuple[int, int]:
    """Take in Alice's parities and correct bits found; returns queue length and bits corrected."""
    position = 0
    for i in range(len(asked_starts)):
        number, frame = np.int64(asked_starts[i]) >> PASS_SHIFT, np.int64(asked_starts[i]) & _NODE
        prepare(words, number, frame, starts, sizes, keys)
        first = first_block(sizes[frame], blocks[number])
        key = keys[number, frame]
        source = words[number if number < SHUFFLED else 0]
        rest = 0
        for node in range(first, 2 * first):
            if number and node == 2 * first - 1:
                odd = rest  # the frame has no odd block in pass 0
            else:
                mine = parity(source, starts[frame], sizes[frame], number, key, node)
                odd = mine ^ answers[position]
                position += 1
                rest ^= odd
            at = frame * STRIDE + node
            state[number, at] = KNOWN | (ODD if odd else 0)
            count = _push(state, number, at, queue, count)
    corrected = 0
    for i in range(len(asked)):
        number, left = np.int64(asked[i]) >> PASS_SHIFT, np.int64(asked[i]) & _NODE
        frame = left // STRIDE
        base = frame * STRIDE
        size = sizes[frame]
        key = keys[number, frame]
        source = words[number if number < SHUFFLED else 0]
        odd = parity(source, starts[frame], size, number, key, left - base) ^ answers[position]
        position += 1
        above = (state[number, base + (left - base) // 2] & ODD) != 0
        state[number, left] = KNOWN | (ODD if odd else 0)
        state[number, left + 1] = KNOWN | (ODD if odd ^ above else 0)
        for at in range(left, left + 2):
            if not state[number, at] & ODD:
                continue
            position_of = at - base - leaves(size, number)
            if position_of < 0:
                count = _push(state, number, at, queue, count)
                continue
            bit = bit_of(position_of, number, size, key)
            count = _correct(
                bit, frame, words, starts[frame], size, keys, blocks, begun[frame], state,
                queue, count,
            )  # fmt: skip
            corrected += 1
    return count, corrected


@_jit
def bit_of(position: int, number: int, size: int, key: np.uint64) -> int:
    """Bit of a frame at a position of a pass."""
    if number == 0:
        return position
    if number < SHUFFLED:
        row, column = position >> 6, position & 63
        a, b = _affine(key, column)
        mask = np.uint64((1 << (size - 6)) - 1)
        return (int((a * np.uint64(row) + b) & mask) << 6) | column
    return position & ((1 << size) - 1)
