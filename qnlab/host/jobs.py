"""Procedures of a host: one runs, others wait in a queue."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from qnlab.bench import Bench, procedure_parameters
from qnlab.errors import Aborted, ProcedureError, QnlabError
from qnlab.plugins import available, load

if TYPE_CHECKING:
    from qnlab.runs import Run

Publish = Callable[[str, dict[str, Any]], object]


class Jobs:
    """Starts procedures on a bench and tells how they fare.

    Parameters
    ----------
    bench : Bench
    publish : callable
        ``publish(topic, body)``: ``run/progress``, ``run/event/<stream>``, ``run/result``.
    log : callable
        ``log(level, source, text)``.
    """

    def __init__(
        self, bench: Bench, publish: Publish, log: Callable[[str, str, str], object]
    ) -> None:
        self._bench = bench
        self._publish = publish
        self._log = log
        self._lock = threading.Lock()
        self._queue: deque[tuple[str, dict[str, Any]]] = deque()
        self._run: Run | None = None
        self._thread: threading.Thread | None = None
        self.procedure: str | None = None
        self.state = "idle"

    @property
    def uid(self) -> str | None:
        """The run that goes on."""
        return self._run.uid if self._run is not None else None

    @staticmethod
    def known() -> list[dict[str, str]]:
        """All procedures with what they do."""
        return [
            {"name": name, "summary": load("procedures", name).summary}
            for name in sorted(available("procedures"))
        ]

    def describe(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """JSON schema of a procedure's parameters, with the bench file's values as defaults."""
        name = str(arguments["name"])
        job = load("procedures", name)
        schema: dict[str, Any] = job.Parameters.model_json_schema()
        for key, value in self._bench.file.procedures.get(name, {}).items():
            if key in schema.get("properties", {}):
                schema["properties"][key]["default"] = value
        return schema

    def start(self, arguments: Mapping[str, Any]) -> str:
        """Check, then start; returns when the run is open, with its uid.

        Raises
        ------
        ProcedureError
            Another run goes on, or the bench or the parameters do not do.
        """
        name, given = str(arguments["procedure"]), dict(arguments.get("parameters") or {})
        with self._lock:
            if self.state != "idle":
                raise ProcedureError(f"{self.procedure} is {self.state}; stop it first, or queue")
            job = load("procedures", name)()
            table = {**self._bench.file.procedures.get(name, {}), **given}
            parameters = procedure_parameters(job, self._bench.file.label, table)
            problems = job.check(self._bench, parameters)
            if problems:
                raise ProcedureError("\n".join(f"{name}: {problem}" for problem in problems))
            opened = threading.Event()
            self.procedure, self.state = name, "running"
            self._thread = threading.Thread(
                target=self._work, args=(job, parameters, opened), name=name, daemon=True
            )
            self._thread.start()
        opened.wait(10)
        return self.uid or ""

    def queue(self, arguments: Mapping[str, Any]) -> int:
        """Put a procedure behind the others; it starts when they are done."""
        self._queue.append((str(arguments["procedure"]), dict(arguments.get("parameters") or {})))
        self._next()
        return len(self._queue)

    def waiting(self) -> list[dict[str, Any]]:
        """What is in the queue."""
        return [{"procedure": name, "parameters": given} for name, given in self._queue]

    def clear(self) -> None:
        """Empty the queue."""
        self._queue.clear()

    def pause(self) -> None:
        """Hold at the next checkpoint."""
        if self._run is not None:
            self._run.pause()
            self.state = "paused"

    def resume(self) -> None:
        """Go on."""
        if self._run is not None:
            self._run.resume()
            self.state = "running"

    def abort(self, reason: str, detail: str = "") -> None:
        """End at the next checkpoint; nothing if none runs."""
        if self._run is not None:
            self.state = "aborting"
            self._run.abort(reason, detail)

    def join(self, timeout_s: float) -> None:
        """Wait for the run to end."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _next(self) -> None:
        if self._queue and self.state == "idle":
            name, given = self._queue.popleft()
            try:
                self.start({"procedure": name, "parameters": given})
            except QnlabError as error:
                self._log("error", name, str(error))

    def _work(self, job: Any, parameters: Any, opened: threading.Event) -> None:
        status, reason, detail = "success", "", ""
        outcome: dict[str, Any] = {}
        try:
            with self._bench.run(job.name, **parameters.model_dump(mode="json")) as run:
                self._run = run
                outcome = run.outcome
                run.cleanup(self._bench.safe_state)
                run.on_progress(self._progress)
                run.on_event(self._event)
                opened.set()
                self._log("info", job.name, f"run {run.uid} started")
                run.result(job.run(self._bench, run, parameters))
        except Aborted as error:
            status, reason, detail = "abort", error.reason, error.detail
        except QnlabError as error:
            status, reason, detail = "fail", type(error).__name__, str(error)
        except Exception as error:  # noqa: BLE001 - the host outlives a broken procedure
            status, reason = "fail", type(error).__name__
            detail = "".join(traceback.format_exception_only(error)).strip()
        finally:
            opened.set()
        if status == "fail" and outcome.get("exit_status") == "abort":
            status, reason = "abort", str(outcome["reason"])
        uid, folder = self.uid, str(self._run.folder) if self._run is not None else ""
        self._publish(
            "run/result",
            {
                "uid": uid,
                "procedure": job.name,
                "exit_status": status,
                "reason": reason,
                "detail": detail,
                "folder": folder,
                "simulated": self._bench.simulated,
                "result": outcome,
            },
        )
        words = ": ".join(part for part in (status, reason, detail) if part)
        self._log("info" if status == "success" else "warning", job.name, f"run {uid} {words}")
        self._run, self.procedure, self.state = None, None, "idle"
        self._next()

    def _progress(self, fraction: float | None, message: str) -> None:
        self._publish(
            "run/progress",
            {
                "uid": self.uid,
                "procedure": self.procedure,
                "state": self.state,
                "fraction": fraction,
                "message": message,
            },
        )

    def _event(self, stream: str, number: int, data: Mapping[str, Any]) -> None:
        self._publish(
            f"run/event/{stream}",
            {
                "uid": self.uid,
                "stream": stream,
                "seq": number,
                "bench_s": self._bench.clock.now_ps() * 1e-12,
                "data": dict(data),
            },
        )
