"""Procedure ``memory-fidelity``: what storage does to the six states of polarization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from qnlab.bench import Bench
from qnlab.procedures.memory import rig
from qnlab.procedures.memory.plates import ANALYSIS_DEG, BASES, PREPARATION_DEG, STATES
from qnlab.procedures.memory.procedures import too_long
from qnlab.procedures.memory.reporting import storage_figures
from qnlab.procedures.memory.sequence import SequenceParameters, StorageSequence
from qnlab.procedures.pictures import picture
from qnlab.procedures.tomography import Counts, analyse
from qnlab.runs import Run

PREPARER, ANALYSER = "preparer", "analyser"


class FidelityParameters(SequenceParameters):
    """Parameters of the procedure ``memory-fidelity``."""

    bootstraps: int = Field(200, ge=2, description="data sets drawn for the errors")


class MemoryFidelity:
    """Fidelity of stored polarization by tomography of all six states, noise included.

    The bench has wave plates called `preparer` (half, quarter) and `analyser` (quarter, half).
    """

    name: ClassVar[str] = "memory-fidelity"
    summary: ClassVar[str] = "fidelity of stored polarization against the classical limit"
    Parameters: ClassVar[type[FidelityParameters]] = FidelityParameters

    def check(self, bench: Bench, parameters: FidelityParameters) -> list[str]:
        """What the bench lacks, one line each."""
        return [
            *rig.problems(bench),
            *rig.plates_problems(bench, PREPARER),
            *rig.plates_problems(bench, ANALYSER),
            *too_long(parameters, parameters.storage_ns),
        ]

    def run(self, bench: Bench, run: Run, parameters: FidelityParameters) -> Mapping[str, object]:
        """Measure the five gates, then each state in each basis."""
        p = parameters
        working = rig.Rig(bench, run)
        preparer, analyser = (rig.wave_plates(bench, name) for name in (PREPARER, ANALYSER))
        preparer.move(PREPARATION_DEG["H"])
        analyser.move(ANALYSIS_DEG["HV"])
        gates = working.five_gates(p, p.storage_ns * 1e-9)
        sequence = StorageSequence(p, p.storage_ns * 1e-9)
        window = sequence.recalled.later(gates.arrival_s, p.gate_margin_ns * 1e-9)
        fidelities, errors = [], []
        for k, state in enumerate(STATES):
            preparer.move(PREPARATION_DEG[state])
            counts: list[int] = []
            for basis in BASES:
                run.checkpoint(k / len(STATES), f"{state} in the basis {basis}")
                analyser.move(ANALYSIS_DEG[basis])
                frames = working.take(sequence.storage_alone(), p.trials)
                counts += [int(frames.clicked([name], window).sum()) for name in rig.OUTPUTS]
            found = analyse(Counts(STATES, tuple(counts)), bootstraps=p.bootstraps)
            fidelity = found.fidelities[state]
            fidelities.append(fidelity.value)
            errors.append(fidelity.error)
            run.record(
                "states", state=state, counts=counts, fidelity=fidelity.value,
                fidelity_error=fidelity.error, purity=found.purity.value,
            )  # fmt: skip
        figures = storage_figures(gates.figures)
        mean = float(np.mean(fidelities))
        limit = gates.figures.classical
        drawn = picture(
            "Fidelity after storage", "state sent in", "fidelity", STATES, fidelities, errors,
            limit=None if limit is None else ("measure and prepare", limit.fidelity),
        )  # fmt: skip
        run.attach("fidelity.png", drawn)
        return {
            "fidelity": mean,
            "fidelity_error": float(np.linalg.norm(errors)) / len(errors),
            "above_classical_limit": limit is not None and mean > limit.fidelity,
            "fidelities": dict(zip(STATES, fidelities, strict=True)),
            **figures,
        }
