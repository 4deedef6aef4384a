"""``qnlab run``: a procedure on a bench, from the check to the report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qnlab.cli.options import home_option, json_option, overrides, set_option
from qnlab.cli.output import print_json, print_values
from qnlab.errors import Aborted, BenchError, ProcedureError, QnlabError

if TYPE_CHECKING:
    from qnlab.bench import Bench, BenchFile
    from qnlab.cli.progress import ProgressView
    from qnlab.procedure import Procedure
    from qnlab.runs import Run

FAILED, INTERRUPTED = 1, 130


@click.command()
@click.argument("procedure")
@click.option("--bench", "bench_name", required=True, help="Name of a packaged bench, or a file.")
@click.option("--duration", type=click.FloatRange(0, min_open=True), help="Duration in seconds.")
@click.option("--seed", type=click.IntRange(0), help="Root of all simulated randomness.")
@set_option
@home_option
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    procedure: str,
    bench_name: str,
    duration: float | None,
    seed: int | None,
    settings: tuple[str, ...],
    home: Path,
    as_json: bool,
) -> None:
    """Run PROCEDURE on a bench and report what came of it.

    The exit status is 0 on success, 1 if the run was aborted or failed, 2 if it could not start,
    130 after Ctrl-C.

    Example: qnlab run bb84 --bench bb84-25km --duration 10 --seed 7 --set world.fibre_km=50
    """
    from qnlab.bench import load_bench, open_bench
    from qnlab.cli.progress import progress_view
    from qnlab.plugins import load

    begin = time.monotonic()
    file = load_bench(bench_name, overrides(settings))
    job: Procedure = load("procedures", procedure)()
    parameters = procedure_parameters(job, file, duration)
    with open_bench(file, seed=seed, home=home) as bench:
        problems = job.check(bench, parameters)
        if problems:
            raise ProcedureError("\n".join(f"{procedure}: {problem}" for problem in problems))
        with progress_view(procedure, silent=as_json) as view:
            outcome = execute(job, bench, parameters, view)
    outcome["wall_s"] = round(time.monotonic() - begin, 3)
    if as_json:
        print_json(outcome)
    else:
        _print(outcome)
    if outcome["exit_status"] != "success":
        click.echo(f"{outcome['exit_status']}: {outcome['reason']}", err=True)
        ctx.exit(INTERRUPTED if outcome["reason"] == "operator" else FAILED)


def procedure_parameters(job: Procedure, file: BenchFile, duration_s: float | None) -> Any:
    """The procedure's parameters as the bench file sets them, and ``--duration``.

    Raises
    ------
    BenchError
        One line a key that the procedure does not know or cannot take.
    """
    from pydantic import ValidationError

    from qnlab.bench.problems import validation_lines

    table = dict(file.procedures.get(job.name, {}))
    if duration_s is not None:
        if "duration_s" not in job.Parameters.model_fields:
            raise BenchError(f"--duration: procedure {job.name} has no duration")
        table["duration_s"] = duration_s
    try:
        return job.Parameters.model_validate(table)
    except ValidationError as error:
        prefix = f"procedures.{job.name}"
        lines = validation_lines(Path(file.source).name, error, job.Parameters, prefix)
        raise BenchError(*lines) from None


def execute(job: Procedure, bench: Bench, parameters: Any, view: ProgressView) -> dict[str, Any]:
    """Do the run; its outcome is returned also when it was aborted or failed."""
    from qnlab.cli.interrupt import abort_on_interrupt

    reason: str | None = None
    try:
        with bench.run(job.name, **parameters.model_dump(mode="json")) as handle:
            run = handle
            run.cleanup(bench.safe_state)
            run.on_progress(view.update)
            with abort_on_interrupt(run):
                run.result(job.run(bench, run, parameters))
    except Aborted as error:
        reason = error.reason
        view.note(str(error))
    except KeyboardInterrupt:
        reason = "operator"
    except QnlabError as error:
        reason = str(error)
    return _outcome(job, bench, run, reason)


def _outcome(job: Procedure, bench: Bench, run: Run, reason: str | None) -> dict[str, Any]:
    first: dict[str, Any] = {
        "run": run.uid,
        "procedure": job.name,
        "simulated": bench.simulated,
        "seed": bench.seed,
        "exit_status": run.outcome["exit_status"],
        "reason": reason,
    }
    rest: Mapping[str, Any] = {k: v for k, v in run.outcome.items() if k not in first}
    if first["exit_status"] == "fail" and reason is None:
        first["reason"] = "a clean-up failed; the stop document of the run says which"
    return {**first, **rest, "folder": str(run.folder)}


def _print(outcome: dict[str, Any]) -> None:
    print_values({key: value for key, value in outcome.items() if key != "folder"})
    click.echo(f"\nrun folder {outcome['folder']}")
    if outcome["simulated"]:
        click.echo("simulated: keys of this run are not secret")
