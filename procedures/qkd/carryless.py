"""Toeplitz matrix times vector over GF(2) by carry-less multiplication of 64-bit words.

Only the middle of the product of key and seed is a hash, so only the middle is computed: a
Toeplitz matrix of 2m words times a vector of m words by three products of half the size (Hasan and
Negre, "Low space complexity multiplication over binary fields with Dickson polynomial
representation", IEEE Trans. Comput. 60, 602 (2011), section 2), down to `BASE` words, where each
output word is a sum of `pclmulqdq` products. Words are little-endian, bit 0 first.
"""

from __future__ import annotations

import math
from typing import Any

import llvmlite.binding
import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

BASE = 16

_jit = numba.njit(cache=True, nogil=True)


def available() -> bool:
    """True if this processor multiplies without carries."""
    return bool(llvmlite.binding.get_host_cpu_features().get("pclmul", False))


def tiles(row_bits: int, column_bits: int) -> tuple[int, int, int]:
    """Words of a square block, of all rows and of all columns, for the least work."""
    rows, columns = -(-row_bits // 64), -(-column_bits // 64)
    best, least = BASE, math.inf
    levels = max(math.ceil(math.log2(max(rows, columns) / BASE)), 0) + 1
    for level in range(levels):
        block = BASE << level
        work = -(-rows // block) * -(-columns // block) * (3.0**level + 1.5**level)
        if work < least:
            best, least = block, work
    return best, -(-rows // best) * best, -(-columns // best) * best


@intrinsic
def _base_product(typing: Any, d: Any, x: Any, out: Any) -> Any:
    """Middle product of `BASE` words at address `x` with 2 `BASE` words at address `d`."""
    del typing, d, x, out

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        pair = ir.VectorType(ir.IntType(64), 2)
        word, lane = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(pair, [pair, pair, ir.IntType(8)])
        multiply = builder.module.declare_intrinsic("llvm.x86.pclmulqdq", fnty=kind)
        d_words, x_words, out_words = (
            builder.inttoptr(address, word.as_pointer()) for address in arguments
        )

        def two(words: Any, index: Any) -> Any:
            place = builder.bitcast(builder.gep(words, [index]), pair.as_pointer())
            return builder.load(place, align=8)

        def half(imm: int) -> Any:
            return ir.Constant(ir.IntType(8), imm)

        xs = [two(x_words, ir.Constant(word, j)) for j in range(0, BASE, 2)]

        def column(top: Any) -> Any:
            """Sum of d[top - j] x[j], 128 bits: two terms a load of (d[top-j-1], d[top-j])."""
            total = None
            for k, x_pair in enumerate(xs):
                below = builder.sub(top, ir.Constant(word, 2 * k + 1))
                d_pair = two(d_words, below)
                for imm in (0x01, 0x10):
                    term = builder.call(multiply, [d_pair, x_pair, half(imm)])
                    total = term if total is None else builder.xor(total, term)
            return total

        low, high = ir.Constant(lane, 0), ir.Constant(lane, 1)
        before = builder.extract_element(column(ir.Constant(word, BASE - 1)), high)
        entry = builder.block
        loop = builder.append_basic_block("column")
        done = builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        i = builder.phi(word)
        carry = builder.phi(word)
        total = column(builder.add(i, ir.Constant(word, BASE)))
        builder.store(
            builder.xor(carry, builder.extract_element(total, low)), builder.gep(out_words, [i])
        )
        following = builder.add(i, ir.Constant(word, 1))
        for phi, first, later in (
            (i, ir.Constant(word, 0), following),
            (carry, before, builder.extract_element(total, high)),
        ):
            phi.add_incoming(first, entry)
            phi.add_incoming(later, loop)
        again = builder.icmp_unsigned("<", following, ir.Constant(word, BASE))
        builder.cbranch(again, loop, done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.uintp), generate


@_jit
def _add(words: Words, a: int, b: int, count: int, to: int) -> None:
    """Sum of two stretches of `words`, written to a third."""
    left, right, total = words[a : a + count], words[b : b + count], words[to : to + count]
    for i in range(count):
        total[i] = left[i] ^ right[i]


@_jit
def _middle(words: Words, m: int, depth: int, places: Ints) -> None:
    """Middle product of m words at ``words[2m:3m]`` with 2m at 0; m at 3m, 4m after to work in.

    With T0, T1, T2 the overlapping halves of d and x0, x1 those of x:
    low = (T0 + T1) x1 + T1 (x0 + x1), high = (T1 + T2) x0 + T1 (x0 + x1).
    The three products of a level are its phases; `places`, shape (depth + 1, 5), holds where d, x,
    the result and the free words of each level begin, and its phase.
    """
    base = words.ctypes.data
    places[0, :] = (0, 2 * m, 3 * m, 4 * m, 0)
    level = 0
    while level >= 0:
        d, x, out, free, phase = places[level]
        if level == depth:
            _base_product(base + 8 * d, base + 8 * x, base + 8 * out)
            level -= 1
            continue
        size = m >> level
        h = size >> 1
        part, rest = free + size, free + size + h
        places[level, 4] += 1
        if phase == 0:
            _add(words, x, x + h, h, free)
            places[level + 1, :] = (d + h, free, out, free + h, 0)
        elif phase == 1:
            words[out + h : out + size] = words[out : out + h]
            _add(words, d, d + h, size, free)
            places[level + 1, :] = (free, x + h, part, rest, 0)
        elif phase == 2:
            _add(words, out, part, h, out)
            _add(words, d + h, d + size, size, free)
            places[level + 1, :] = (free, x, part, rest, 0)
        else:
            _add(words, out + h, part, h, out + h)
            level -= 2
        level += 1


@_jit
def toeplitz(d: Words, x: Words, block: int, out: Words) -> None:
    """Toeplitz matrix times vector, block by block.

    Parameters
    ----------
    d : ndarray of uint64, shape (rows + columns,)
        Bit ``64 * columns + i - j`` is the entry of row i and column j.
    x : ndarray of uint64, shape (columns,)
    block : int
        Words of a square block: `BASE` times a power of two; divides rows and columns.
    out : ndarray of uint64, shape (rows,)
    """
    depth = 0
    while block >> depth > BASE:
        depth += 1
    places = np.empty((depth + 1, 5), dtype=np.int64)
    words = np.empty(8 * block, dtype=np.uint64)
    out[:] = 0
    for row in range(0, len(out), block):
        for column in range(0, len(x), block):
            begin = len(x) + row - column - block
            words[: 2 * block] = d[begin : begin + 2 * block]
            words[2 * block : 3 * block] = x[column : column + block]
            _middle(words, block, depth, places)
            for i in range(block):
                out[row + i] ^= words[3 * block + i]
