"""Picture of a density matrix, readable without colour: area is size, hollow is negative."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qnlab.procedures.tomography.analysis import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]


def draw(analysis: Analysis, title: str) -> Figure:
    """Real and imaginary part of the maximum-likelihood state, each entry with its error."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _matrix(left, analysis.rho.real, analysis.rho_error.real, "real part")
    _matrix(right, analysis.rho.imag, analysis.rho_error.imag, "imaginary part")
    figure.suptitle(f"{title}\nfilled: positive, hollow: negative; below: value ± standard error")
    return figure


def _matrix(axes: Axes, values: Floats, errors: Floats, name: str) -> None:
    from matplotlib.patches import Rectangle

    size = len(values)
    labels = ["".join(letters) for letters in itertools.product("HV", repeat=size // 2)]
    for row, column in np.ndindex(values.shape):
        value, error = values[row, column], errors[row, column]
        side = 0.72 * min(abs(float(value)), 1.0) ** 0.5
        corner = (column - side / 2, row - 0.1 - side / 2)
        axes.add_patch(
            Rectangle(corner, side, side, fill=value > 0, facecolor="0.6", edgecolor="0", lw=1.2)
        )
        axes.text(column, row + 0.4, f"{value:.3f} ± {error:.3f}", ha="center", fontsize=8)
    axes.set(title=name, aspect="equal", xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    axes.set_xticks(range(size), [f"⟨{label}|" for label in labels])
    axes.set_yticks(range(size), [f"|{label}⟩" for label in labels])
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.8")
    axes.tick_params(which="both", length=0)
