"""The run handle: documents from before the first device call until after the last clean-up."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qnlab.clock import Clock
from qnlab.errors import Aborted, StoreError
from qnlab.runs.documents import DocumentWriter
from qnlab.values import Reading

Progress = Callable[[float | None, str], None]


class Run:
    """One run of a procedure; made by `start_run`.

    Attributes
    ----------
    uid : str
    folder : Path
        Holds ``documents.jsonl`` and the report.
    """

    def __init__(self, uid: str, folder: Path, documents: DocumentWriter) -> None:
        self.uid = uid
        self.folder = folder
        self._documents = documents
        self._lock = threading.Lock()
        self._cleanups: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self._listeners: list[Progress] = []
        self._abort: Aborted | None = None
        self._running = threading.Event()
        self._running.set()
        self.outcome: dict[str, Any] = {}

    def record(self, stream: str, **data: object) -> None:
        """Append an event to a stream; the first one fixes its fields."""
        with self._lock:
            self._documents.event(self.uid, stream, data)

    def result(self, values: Mapping[str, object]) -> None:
        """Keep `values` in the stop document, whatever happens next."""
        self.outcome.update(values)

    def on_progress(self, listener: Progress) -> None:
        """Call ``listener(fraction, message)`` at every checkpoint."""
        self._listeners.append(listener)

    def checkpoint(self, fraction: float | None = None, message: str = "") -> None:
        """Pause here while paused; end here if aborted.

        Raises
        ------
        Aborted
        """
        for listener in self._listeners:
            listener(fraction, message)
        self._running.wait()
        if self._abort is not None:
            raise self._abort

    def pause(self) -> None:
        """Hold the run at its next checkpoint."""
        self._running.clear()

    def resume(self) -> None:
        """Let a paused run go on."""
        self._running.set()

    def abort(self, reason: str, detail: str = "") -> None:
        """End the run at its next checkpoint; safe to call from anywhere."""
        self._abort = Aborted(reason, detail)
        self._running.set()

    def cleanup(self, action: Callable[..., object], *args: object) -> None:
        """Do ``action(*args)`` when the run ends; last registered first, all are tried."""
        self._cleanups.append((action, args))

    def _clean_up(self) -> list[str]:
        problems = []
        while self._cleanups:
            action, args = self._cleanups.pop()
            try:
                action(*args)
            except Exception as error:  # noqa: BLE001 - all are tried, each failure is kept
                problems.append(f"{type(error).__name__}: {error}")
        return problems


@contextmanager
def start_run(
    home: Path,
    *,
    procedure: str,
    parameters: Mapping[str, object],
    bench: str,
    seed: int,
    simulated: bool,
    clock: Clock,
    settings: Mapping[str, Reading],
) -> Iterator[Run]:
    """Open a run; leaving the block writes its stop document, whatever happened in it.

    Raises
    ------
    StoreError
        The run folder cannot be written.
    """
    uid = str(uuid.uuid4())
    today = datetime.now(UTC)
    folder = home / "runs" / f"{today:%Y}" / f"{today:%m}" / uid
    try:
        folder.mkdir(parents=True)
        documents = DocumentWriter(folder / "documents.jsonl", clock)
        documents.write(
            "start",
            {
                "uid": uid,
                "time": clock.now(),
                "procedure": procedure,
                "parameters": json.loads(json.dumps(dict(parameters), default=str)),
                "bench": bench,
                "seed": seed,
                "simulated": simulated,
                "started": today.isoformat(),
                "settings": {key: _plain(reading) for key, reading in settings.items()},
            },
        )
        documents.sync()
    except OSError as error:
        raise StoreError(f"{folder}: the run cannot be stored: {error}") from error
    run = Run(uid, folder, documents)
    status, cause = "success", ""
    try:
        yield run
    except Aborted as error:
        status, cause = "abort", str(error)
        run.result({"reason": error.reason})
        raise
    except KeyboardInterrupt:
        status, cause = "abort", "operator: interrupted"
        run.result({"reason": "operator"})
        raise
    except BaseException as error:
        status, cause = "fail", f"{type(error).__name__}: {error}"
        raise
    finally:
        problems = run._clean_up()
        if problems and status == "success":
            status, cause = "fail", "clean-up failed"
        run.outcome["exit_status"] = status
        _stop(run, documents, clock, status, cause, problems)


def _stop(
    run: Run, documents: DocumentWriter, clock: Clock, status: str, cause: str, problems: list[str]
) -> None:
    try:
        documents.write(
            "stop",
            {
                "uid": str(uuid.uuid4()),
                "run_start": run.uid,
                "time": clock.now(),
                "exit_status": status,
                "reason": cause,
                "num_events": documents.counts(),
                "cleanup_errors": problems,
                "result": json.loads(json.dumps(run.outcome, default=str)),
            },
        )
        documents.close()
    except OSError as error:
        raise StoreError(f"{run.folder}: the run could not be closed: {error}") from error
    _sync_folder(run.folder)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _plain(reading: Reading) -> dict[str, object]:
    return {
        "value": reading.value,
        "unit": reading.unit,
        "time_s": reading.time_s,
        "source": reading.source,
        "alarm": reading.alarm.name.lower(),
    }
