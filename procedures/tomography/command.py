"""``qnlab tomography``: from a table of counts to the state."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from qnlab.cli.output import print_json, print_rows
from qnlab.procedures.statistics import Estimate
from qnlab.procedures.tomography.analysis import Analysis, analyse
from qnlab.procedures.tomography.counts import read_counts

BOOTSTRAPS = 500
MOST_BOOTSTRAPS = 10_000

EPILOG = """\b
Example: the polarization of one photon
  printf 'setting,counts\\nH,5210\\nV,4790\\nD,9430\\nA,570\\nR,5100\\nL,4900\\n' > photon.csv
  qnlab tomography photon.csv --plot photon.png
"""


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--bootstraps",
    type=click.IntRange(2, MOST_BOOTSTRAPS),
    default=BOOTSTRAPS,
    show_default=True,
    help="Data sets drawn for the errors.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the draws.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the state to a PNG file."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def tomography(file: Path, bootstraps: int, seed: int, plot: Path | None, as_json: bool) -> None:
    """Find the state of one or two qubits from the counts in FILE.

    FILE is a CSV table with the columns setting and counts. A setting is the state that the
    analyser passes, a letter of H V D A R L a qubit (D, or HV for two qubits), with
    R = (H - iV)/sqrt 2. All counts are taken for the same time; accidentals are left in.
    """
    with file.open(encoding="utf-8-sig", newline="") as lines:
        counts = read_counts(lines, str(file))
    analysis = analyse(counts, bootstraps=bootstraps, seed=seed)
    if plot is not None:
        _plot(analysis, file.name, plot)
    if as_json:
        print_json(_table(analysis))
    else:
        _print(analysis)


def _table(analysis: Analysis) -> dict[str, object]:
    linear = {
        "density_matrix": _parts(analysis.linear),
        "eigenvalues": [_estimate(item) for item in analysis.eigenvalues],
    }
    likely: dict[str, object] = {
        "density_matrix": _parts(analysis.rho),
        "density_matrix_error": _parts(analysis.rho_error),
        **{name: _estimate(item) for name, item in _figures(analysis).items()},
        "fidelity": {name: _estimate(item) for name, item in analysis.fidelities.items()},
        "deviance": analysis.deviance,
        "degrees_of_freedom": analysis.freedom,
    }
    return {
        "qubits": analysis.counts.qubits,
        "settings": len(analysis.counts.settings),
        "counts": sum(analysis.counts.counts),
        "bootstraps": analysis.bootstraps,
        "seed": analysis.seed,
        "maximum_likelihood": likely,
        "linear": linear,
    }


def _figures(analysis: Analysis) -> dict[str, Estimate]:
    figures = {"purity": analysis.purity, "intensity": analysis.intensity}
    if analysis.concurrence is not None:
        figures["concurrence"] = analysis.concurrence
    return figures


def _print(analysis: Analysis) -> None:
    click.echo("density matrix (maximum likelihood)")
    print_rows([[f"{x.real:+.4f}{x.imag:+.4f}i" for x in row] for row in analysis.rho], indent=2)
    rows = {
        **_figures(analysis),
        **{f"fidelity to {name}": item for name, item in analysis.fidelities.items()},
        **{f"eigenvalue {k + 1} (linear)": item for k, item in enumerate(analysis.eigenvalues)},
    }
    click.echo(f"\nfigures, {analysis.bootstraps} bootstraps")
    head = ["", "value", "error", "95 % interval"]
    print_rows([head, *([name, *_cells(item)] for name, item in rows.items())], indent=2)
    click.echo(
        f"\ndeviance of the fit {analysis.deviance:.1f} at {analysis.freedom} degrees of freedom"
    )


def _cells(item: Estimate) -> list[str]:
    return [f"{item.value:.6g}", f"{item.error:.2g}", f"{item.low:.6g} .. {item.high:.6g}"]


def _estimate(item: Estimate) -> dict[str, float]:
    return {"value": item.value, "error": item.error, "low": item.low, "high": item.high}


def _parts(matrix: npt.NDArray[np.complex128]) -> dict[str, object]:
    return {"real": matrix.real.tolist(), "imag": matrix.imag.tolist()}


def _plot(analysis: Analysis, title: str, path: Path) -> None:
    from qnlab.procedures.tomography.picture import draw

    try:
        draw(analysis, title).savefig(path, format="png", dpi=150)
    except OSError as error:
        raise click.BadParameter(
            f"cannot write {path}: {error.strerror}", param_hint="--plot"
        ) from error
