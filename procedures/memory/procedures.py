"""Procedures ``memory-storage`` and ``memory-lifetime``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from qnlab.bench import Bench
from qnlab.procedures.memory import rig
from qnlab.procedures.memory.lifetime import Decay, decays
from qnlab.procedures.memory.reporting import storage_figures
from qnlab.procedures.memory.sequence import SequenceParameters, StorageSequence
from qnlab.procedures.pictures import Curve, picture
from qnlab.procedures.statistics import Estimate
from qnlab.runs import Run


class StorageParameters(SequenceParameters):
    """Parameters of the procedure ``memory-storage``."""


def too_long(parameters: SequenceParameters, storage_ns: float) -> list[str]:
    """One line if the sequence does not fit into a trial."""
    ends_ns = StorageSequence(parameters, storage_ns * 1e-9).ends_s * 1e9
    if ends_ns < parameters.period_ns:
        return []
    return [f"period_ns: {parameters.period_ns:g} is too short, the sequence takes {ends_ns:g} ns"]


class MemoryStorage:
    """Efficiency and noise of a memory at one storage time, from five interleaved gates."""

    name: ClassVar[str] = "memory-storage"
    summary: ClassVar[str] = "storage efficiency, noise and classical limit from five gates"
    Parameters: ClassVar[type[StorageParameters]] = StorageParameters

    def check(self, bench: Bench, parameters: StorageParameters) -> list[str]:
        """What the bench lacks, one line each."""
        return [*rig.problems(bench), *too_long(parameters, parameters.storage_ns)]

    def run(self, bench: Bench, run: Run, parameters: StorageParameters) -> Mapping[str, object]:
        """Measure the gates and work out the figures."""
        found = rig.Rig(bench, run).five_gates(parameters, parameters.storage_ns * 1e-9)
        for name, gate in found.gates.items():
            run.record("gates", gate=name, clicks=gate.clicks, trials=gate.trials, mean=gate.mean)
        return {
            "storage_ns": parameters.storage_ns,
            "arrival_ns": found.arrival_s * 1e9,
            **storage_figures(found.figures),
        }


class LifetimeParameters(SequenceParameters):
    """Parameters of the procedure ``memory-lifetime``."""

    shortest_ns: float = Field(100.0, gt=0, description="first storage time")
    longest_ns: float = Field(4000.0, gt=0, description="last storage time")
    points: int = Field(10, ge=4, description="storage times in all, evenly spread")


class MemoryLifetime:
    """Efficiency against storage time; the decay that Akaike's criterion prefers."""

    name: ClassVar[str] = "memory-lifetime"
    summary: ClassVar[str] = "lifetime of a memory from a scan of the storage time"
    Parameters: ClassVar[type[LifetimeParameters]] = LifetimeParameters

    def check(self, bench: Bench, parameters: LifetimeParameters) -> list[str]:
        """What the bench lacks, one line each."""
        found = [*rig.problems(bench), *too_long(parameters, parameters.longest_ns)]
        if parameters.scheme == "comb":
            found.append("scheme: a comb's storage time is fixed, there is nothing to scan")
        if parameters.longest_ns <= parameters.shortest_ns:
            found.append("longest_ns: should be above shortest_ns")
        return found

    def run(self, bench: Bench, run: Run, parameters: LifetimeParameters) -> Mapping[str, object]:
        """Scan and fit."""
        p = parameters
        step = (p.longest_ns - p.shortest_ns) / (p.points - 1)
        times = [p.shortest_ns + step * k for k in range(p.points)]
        working = rig.Rig(bench, run)
        run.panel("scan", "Efficiency", "efficiency", percent=True)
        points = []
        for k, storage_ns in enumerate(times):
            run.checkpoint(k / p.points, f"storing for {storage_ns:.4g} ns")
            point = working.five_gates(p, storage_ns * 1e-9).figures
            points.append(point.efficiency)
            run.record(
                "scan", storage_ns=storage_ns, efficiency=point.efficiency.value,
                efficiency_error=point.efficiency.error, mu_1=min(point.mu_1.value, 1e9),
            )  # fmt: skip
        fits = decays(
            [t * 1e-9 for t in times], [e.value for e in points], [e.error for e in points]
        )
        run.attach("lifetime.png", _lifetime_picture(times, points, fits))
        return {
            "model": fits[0].model,
            "lifetime_ns": fits[0].lifetime_s * 1e9,
            "lifetime_error_ns": fits[0].lifetime_error_s * 1e9,
            "initial_efficiency": fits[0].efficiency,
            "initial_efficiency_error": fits[0].efficiency_error,
            "fits": {
                fit.model: {
                    "lifetime_ns": fit.lifetime_s * 1e9,
                    "lifetime_error_ns": fit.lifetime_error_s * 1e9,
                    "power": fit.power,
                    "chi2": fit.chi2,
                    "freedom": fit.freedom,
                    "aic": fit.aic,
                }
                for fit in fits
            },
        }


def _lifetime_picture(times_ns: list[float], points: list[Estimate], fits: list[Decay]) -> bytes:
    x = np.linspace(0, times_ns[-1], 200)
    curves = [
        Curve(
            f"{fit.model}: {fit.lifetime_s * 1e9:.4g} ± {fit.lifetime_error_s * 1e9:.2g} ns, "
            f"AIC {fit.aic:.4g}",
            x.tolist(),
            (fit.efficiency * np.exp(-((x * 1e-9 / fit.lifetime_s) ** fit.power))).tolist(),
        )
        for fit in fits
    ]
    return picture(
        "Lifetime", "storage time (ns)", "efficiency, end to end", times_ns,
        [p.value for p in points], [p.error for p in points], *curves,
    )  # fmt: skip
