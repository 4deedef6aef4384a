"""``qnlab run``: a procedure on a bench, from the check to the report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qnlab.cli.options import home_option, json_option, overrides, set_option
from qnlab.cli.output import print_json, print_values
from qnlab.errors import Aborted, BenchError, ProcedureError, QnlabError, StoreError

if TYPE_CHECKING:
    from qnlab.bench import Bench
    from qnlab.cli.interrupt import Interrupts
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
    from qnlab.bench import load_bench, open_bench, procedure_parameters
    from qnlab.cli.interrupt import interrupts
    from qnlab.cli.progress import progress_view
    from qnlab.plugins import load

    begin = time.monotonic()
    file = load_bench(bench_name, overrides(settings))
    job: Procedure = load("procedures", procedure)()
    table = dict(file.procedures.get(procedure, {}))
    if duration is not None:
        if "duration_s" not in job.Parameters.model_fields:
            raise BenchError(f"--duration: procedure {procedure} has no duration")
        table["duration_s"] = duration
    parameters = procedure_parameters(job, file.label, table)
    outcome: dict[str, Any] = {}
    with interrupts() as handling:
        try:
            with open_bench(file, seed=seed, home=home) as bench:
                problems = job.check(bench, parameters)
                if problems:
                    lines = (f"{procedure}: {problem}" for problem in problems)
                    raise ProcedureError("\n".join(lines))
                with progress_view(procedure, silent=as_json) as view:
                    outcome = execute(job, bench, parameters, view, handling)
        except ExceptionGroup as group:
            if not outcome:
                raise
            words = "; ".join(str(error) for error in group.exceptions)
            outcome |= {"exit_status": "fail", "reason": "not_safe", "detail": words}
        outcome["wall_s"] = round(time.monotonic() - begin, 3)
        if as_json:
            print_json(outcome)
        else:
            _print(outcome)
    if outcome["exit_status"] != "success":
        parts = (outcome["exit_status"], outcome["reason"], outcome["detail"])
        click.echo(": ".join(part for part in parts if part), err=True)
        ctx.exit(INTERRUPTED if outcome["reason"] == "operator" else FAILED)


def execute(
    job: Procedure, bench: Bench, parameters: Any, view: ProgressView, handling: Interrupts
) -> dict[str, Any]:
    """Do the run; its outcome is returned also when it was aborted or failed.

    Raises
    ------
    StoreError
        The run could not even be opened.
    """
    run: Run | None = None
    status, reason, detail = "success", None, ""
    try:
        with bench.run(job.name, **parameters.model_dump(mode="json")) as run:
            run.cleanup(bench.safe_state)
            run.on_progress(view.update)
            with handling.aborting(run):
                run.result(job.run(bench, run, parameters))
    except Aborted as error:
        status, reason, detail = "abort", error.reason, error.detail
    except KeyboardInterrupt:
        if run is None:
            raise
        status, reason = "abort", "operator"
    except QnlabError as error:
        if run is None:
            raise
        status, reason, detail = "fail", type(error).__name__, str(error)
    assert run is not None
    if status == "fail" and run.outcome["exit_status"] == "abort":
        status, reason = "abort", run.outcome["reason"]
    if status == "success" and run.outcome["exit_status"] != "success":
        status, reason = "fail", "clean_up"
        detail = "a clean-up failed; the stop document of the run says which"
    first: dict[str, Any] = {
        "run": run.uid,
        "procedure": job.name,
        "simulated": bench.simulated,
        "seed": bench.seed,
        "exit_status": status,
        "reason": reason,
        "detail": detail,
    }
    rest = {key: value for key, value in run.outcome.items() if key not in first}
    return {**first, **rest, "folder": str(run.folder), **_report(run.folder)}


def _report(folder: Path) -> dict[str, str | None]:
    """Write the report; a run is what it is also if its report cannot be written."""
    from qnlab.runs.report import write_report

    try:
        page, picture = write_report(folder)
    except (StoreError, OSError) as error:
        click.echo(f"no report: {error}", err=True)
        return {"report": None, "picture": None}
    return {"report": str(page), "picture": str(picture)}


def _print(outcome: dict[str, Any]) -> None:
    places = ("folder", "report", "picture")
    print_values({key: value for key, value in outcome.items() if key not in places})
    click.echo("")
    for key in places:
        click.echo(f"{key:<8} {outcome[key] or 'could not be written'}")
    if outcome["simulated"]:
        click.echo("simulated: keys of this run are not secret")
