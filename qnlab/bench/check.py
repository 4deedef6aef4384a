"""Is a bench fit? Every instrument is opened and asked, also when another one fails."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from qnlab.bench.bench import Bench, bench_context, connect
from qnlab.bench.file import BenchFile
from qnlab.bench.parameters import procedure_parameters
from qnlab.errors import QnlabError
from qnlab.home import home_folder
from qnlab.plugins import load
from qnlab.values import Alarm


@dataclass(frozen=True, slots=True)
class InstrumentCheck:
    """What one instrument answered; `problems` is empty if it is fit."""

    instrument: str
    role: str
    model: str
    serial: str
    firmware: str
    simulated: bool | None
    problems: tuple[str, ...]


def check_bench(
    file: BenchFile, *, seed: int | None = None
) -> tuple[list[InstrumentCheck], dict[str, list[str]]]:
    """Open every instrument, ask who and how it is; then let the bench's procedures check it.

    Returns
    -------
    instruments : list of InstrumentCheck
        In the order of the file.
    procedures : dict of str to list of str
        What keeps each procedure of the file from running; empty lists if nothing does. Not asked
        if an instrument has a problem.

    Raises
    ------
    BenchError
        The world cannot be made.
    """
    context = bench_context(file, seed)
    opened: dict[str, Any] = {}
    bench = Bench(file, context, home_folder(), opened)
    with ExitStack() as stack:
        stack.callback(bench.close)
        checks = []
        for name in file.instruments:
            try:
                connect(file, name, context, opened)
            except QnlabError as error:
                checks.append(_unreachable(file, name, error))
            else:
                checks.append(_ask(name, opened[name]))
        procedures = {}
        if not any(item.problems for item in checks):
            procedures = {name: _procedure_problems(name, bench) for name in file.procedures}
    return checks, procedures


def _ask(name: str, instrument: Any) -> InstrumentCheck:
    try:
        identity, health = instrument.identity, instrument.health()
    except QnlabError as error:
        return InstrumentCheck(name, instrument.role, "", "", "", None, (str(error),))
    problems = tuple(health.problems)
    if health.alarm is not Alarm.NONE and not problems:
        problems = (f"alarm {health.alarm.name.lower()}",)
    return InstrumentCheck(
        name, instrument.role, f"{identity.vendor} {identity.model}", identity.serial,
        identity.firmware, identity.simulated, problems,
    )  # fmt: skip


def _unreachable(file: BenchFile, name: str, error: QnlabError) -> InstrumentCheck:
    return InstrumentCheck(name, file.instruments[name].role, "", "", "", None, (str(error),))


def _procedure_problems(name: str, bench: Bench) -> list[str]:
    procedure = load("procedures", name)()
    table: Mapping[str, object] = bench.file.procedures[name]
    try:
        parameters = procedure_parameters(procedure, bench.file.label, table)
    except QnlabError as error:
        return str(error).splitlines()
    return list(procedure.check(bench, parameters))
