"""Quantum state tomography of one or two qubits from counts."""

from qnlab.procedures.tomography.analysis import Analysis, analyse
from qnlab.procedures.tomography.counts import Counts, CountsError, read_counts
from qnlab.procedures.tomography.figures import concurrence, fidelity, named_states, purity
from qnlab.procedures.tomography.likelihood import maximum_likelihood
from qnlab.procedures.tomography.linear import linear_inversion

__all__ = [
    "Analysis",
    "Counts",
    "CountsError",
    "analyse",
    "concurrence",
    "fidelity",
    "linear_inversion",
    "maximum_likelihood",
    "named_states",
    "purity",
    "read_counts",
]
