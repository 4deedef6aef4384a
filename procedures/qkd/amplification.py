"""Privacy amplification: a Toeplitz matrix with a fresh seed, exact over GF(2).

y_i = sum_j d[i - j + n - 1] x_j mod 2 for i < l, j < n: a stretch of the convolution of the key x
with the seed d of n + l - 1 bits. Processors that multiply without carries compute just this
stretch. Others take the integers of the whole convolution from a float64 FFT; each must lie within
1/4 of a whole number, else the hash is refused.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft

from qnlab.errors import QnlabError
from qnlab.procedures.qkd import carryless
from qnlab.procedures.qkd.randomness import secret_bytes

Bits = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

LONGEST_KEY = 1 << 27


class AmplificationError(QnlabError):
    """The hash cannot be computed exactly, or its arguments do not fit."""


def seed_bits(key_bits: int, secret_bits: int) -> int:
    """Length of the seed: n + l - 1."""
    return key_bits + secret_bits - 1


def amplification_seed(key_bits: int, secret_bits: int) -> bytes:
    """A fresh seed for a hash from `key_bits` to `secret_bits` bits, packed."""
    return secret_bytes((seed_bits(key_bits, secret_bits) + 7) // 8)


def toeplitz_hash(key: Bits, seed: bytes, secret_bits: int) -> Bits:
    """Hash `key`, shape (n,), to `secret_bits` bits.

    Parameters
    ----------
    key : ndarray of uint8, shape (n,)
        Bits 0 and 1.
    seed : bytes
        At least n + l - 1 bits, most significant bit first.
    secret_bits : int
        Length l of the result, 1 <= l <= n.

    Raises
    ------
    AmplificationError
        Lengths that do not fit, or a rounding error over 1/4.
    """
    n = len(key)
    if not 1 <= secret_bits <= n <= LONGEST_KEY:
        raise AmplificationError(
            f"cannot hash {n} bits to {secret_bits}; 1 <= secret <= key <= {LONGEST_KEY} is needed"
        )
    needed = seed_bits(n, secret_bits)
    if len(seed) != (needed + 7) // 8:
        raise AmplificationError(f"the seed takes {(needed + 7) // 8} bytes, got {len(seed)}")
    d = np.unpackbits(np.frombuffer(seed, dtype=np.uint8), count=needed)
    if carryless.available():
        return carryless_hash(key, d, secret_bits)
    return fourier_hash(key, d, secret_bits)


def carryless_hash(key: Bits, d: Bits, secret_bits: int) -> Bits:
    """The hash by carry-less multiplication; `d` holds the n + l - 1 bits of the seed."""
    block, rows, columns = carryless.tiles(secret_bits, len(key))
    x = _words(key, 0, columns)
    out = np.empty(rows, dtype=np.uint64)
    shift = 64 * columns - len(key) + 1
    carryless.toeplitz(_words(d, shift, rows + columns), x, block, out)
    return np.unpackbits(out.view(np.uint8), count=secret_bits, bitorder="little")


def _words(bits: Bits, shift: int, words: int) -> Words:
    """Bits from position `shift` on, packed into so many words."""
    packed = np.zeros(8 * words, dtype=np.uint8)
    aligned = shift % 8
    if aligned:
        bits = np.concatenate([np.zeros(aligned, dtype=np.uint8), bits])
    part = np.packbits(bits, bitorder="little")
    packed[shift // 8 : shift // 8 + len(part)] = part
    return packed.view("<u8").astype(np.uint64, copy=False)


def fourier_hash(key: Bits, d: Bits, secret_bits: int) -> Bits:
    """The hash by a float64 FFT; `d` holds the n + l - 1 bits of the seed."""
    n = len(key)
    return _parity(_convolve(d, key, np.float64)[n - 1 : n - 1 + secret_bits])


def _convolve(
    d: Bits, x: Bits, dtype: type[np.float64] | type[np.float32]
) -> npt.NDArray[np.floating]:
    """Circular convolution long enough that the wrapped part lies before index n - 1."""
    size = scipy.fft.next_fast_len(len(d), real=True)
    product = scipy.fft.rfft(d.astype(dtype), size)
    product *= scipy.fft.rfft(x.astype(dtype), size)
    result: npt.NDArray[np.floating] = scipy.fft.irfft(product, size, overwrite_x=True)
    return result


def _parity(values: npt.NDArray[np.floating]) -> Bits:
    whole = np.rint(values)
    error = float(np.abs(values - whole).max())
    if error > 0.25:
        raise AmplificationError(
            f"rounding error {error:.3f} in the Toeplitz hash, at most 0.25 allowed"
        )
    parity: Bits = (whole.astype(np.int64) & 1).astype(np.uint8)
    return parity
