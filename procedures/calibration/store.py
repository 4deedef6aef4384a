"""Stored calibrations of a bench: what was found last, with which error, by which run, when."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qnlab.bench import Bench
from qnlab.errors import StoreError
from qnlab.runs import Run
from qnlab.runs.disk import storing, write_json


@dataclass(frozen=True, slots=True)
class Calibration:
    """Result of a calibration that ended well.

    Parameters
    ----------
    name : str
        Of the procedure.
    run : str
        uid of the run that found it.
    taken_s : float
        Time of the computer, seconds since the epoch.
    values : mapping
        Its result.
    """

    name: str
    run: str
    taken_s: float
    values: Mapping[str, Any]

    def age_s(self, now_s: float | None = None) -> float:
        """Seconds since it was taken."""
        return (time.time() if now_s is None else now_s) - self.taken_s

    def citation(self) -> dict[str, object]:
        """What a run that uses it says of it."""
        return {"calibration": self.name, "run": self.run, "age_s": self.age_s()}


def keep(bench: Bench, run: Run, name: str, values: Mapping[str, object]) -> Calibration:
    """Store the result of a calibration in place of the one before.

    Raises
    ------
    StoreError
        The disk does not take it.
    """
    made = Calibration(name, run.uid, time.time(), dict(values))
    path = _path(bench, name)
    with storing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(made))
    return made


def find(bench: Bench, name: str) -> Calibration | None:
    """The stored calibration of that name, if there is one.

    Raises
    ------
    StoreError
        The file is not one that `keep` has written.
    """
    path = _path(bench, name)
    if not path.exists():
        return None
    try:
        return Calibration(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise StoreError(f"{path}: no stored calibration ({error}); remove it") from error


def _path(bench: Bench, name: str) -> Path:
    return bench.home / "calibrations" / bench.name / f"{name}.json"
