"""Gaussian numbers from a counter: Marsaglia and Tsang, "The ziggurat method for generating random
variables", J. Stat. Softw. 5(8) (2000), with 128 layers."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from qnlab.sim_backends.world.kernels import GOLDEN, scrambled, uniform

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

_LAYERS = 128
_TAIL = 3.442619855899
_AREA = 9.91256303526217e-3
_ONE = float(1 << 53)


def _layers() -> Floats:
    """Right edges of the layers, from the lowest to 0 at the top."""
    edges = np.zeros(_LAYERS + 1)
    edges[0], edges[1] = _AREA / math.exp(-_TAIL * _TAIL / 2), _TAIL
    for i in range(2, _LAYERS):
        below = edges[i - 1]
        edges[i] = math.sqrt(-2 * math.log(_AREA / below + math.exp(-below * below / 2)))
    return edges


_EDGES = _layers()
_SCALE = _EDGES[:-1] / _ONE
_INSIDE = (_EDGES[1:] / _EDGES[:-1] * _ONE).astype(np.int64)

_jit = numba.njit(cache=True, nogil=True)


@_jit
def _outside(word: np.uint64, counter: np.uint64) -> tuple[float, np.uint64]:
    """What 1 of 80 draws needs: the edge of a layer, or the tail."""
    while True:
        layer = np.int64(word & np.uint64(_LAYERS - 1))
        signed = np.int64(word) >> 10
        x = signed * _SCALE[layer]
        if abs(signed) < _INSIDE[layer]:
            return x, counter
        if layer == 0:
            while True:
                beyond = -np.log(1.0 - uniform(counter + GOLDEN, 0)) / _TAIL
                height = -np.log(1.0 - uniform(counter + GOLDEN + GOLDEN, 0))
                counter += GOLDEN + GOLDEN
                if 2 * height > beyond * beyond:
                    return (_TAIL + beyond if signed > 0 else -_TAIL - beyond), counter
        low = np.exp((x * x - _EDGES[layer] * _EDGES[layer]) / 2)
        high = np.exp((x * x - _EDGES[layer + 1] * _EDGES[layer + 1]) / 2)
        counter += GOLDEN
        if high + uniform(counter, 0) * (low - high) < 1:
            return x, counter
        counter += GOLDEN
        word = scrambled(counter)


@_jit
def gaussian(state: Words, out: Floats) -> None:
    """Fill `out` with numbers of mean 0 and deviation 1; `state`, shape (1,), goes on."""
    counter = state[0]
    for i in range(len(out)):
        counter += GOLDEN
        word = scrambled(counter)
        layer = word & np.uint64(_LAYERS - 1)
        signed = np.int64(word) >> 10
        if abs(signed) < _INSIDE[layer]:
            out[i] = signed * _SCALE[layer]
        else:
            out[i], counter = _outside(word, counter)
    state[0] = counter
