"""Pictures of results: points with errors, curves and limits, readable without colour."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

_STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True, slots=True)
class Curve:
    """A line to compare the points with; curves differ by their dashes."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


def picture(
    title: str,
    x_label: str,
    y_label: str,
    x: Sequence[float] | Sequence[str],
    y: Sequence[float],
    errors: Sequence[float],
    *curves: Curve,
    limit: tuple[str, float] | None = None,
) -> bytes:
    """Points with error bars (68 %), curves and a limit; a PNG.

    Parameters
    ----------
    x : sequence of float or str, length n
        Positions, or names of the points.
    y, errors : sequence of float, length n
        Values and their standard errors.
    curves : Curve
        Drawn through.
    limit : (str, float), optional
        Name and height of a horizontal line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(x, y, yerr=errors, fmt="o", color="0", ms=4, capsize=3, label="measured")
    for curve, style in zip(curves, _STYLES, strict=False):
        axes.plot(curve.x, curve.y, style, color="0.35", label=curve.label)
    if limit is not None:
        name, height = limit
        axes.axhline(height, color="0", ls="--", lw=1)
        axes.annotate(
            name, (0.01, height), xycoords=("axes fraction", "data"), va="bottom", fontsize="small"
        )
    if curves:
        axes.legend(fontsize="small")
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=120, format="png")
    return buffer.getvalue()
