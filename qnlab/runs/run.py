"""The run handle: documents from before the first device call until after the last clean-up."""

from __future__ import annotations

import itertools
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qnlab.clock import Clock
from qnlab.errors import Aborted, InstrumentError, StoreError
from qnlab.runs.disk import storing, sync_folder, write_json
from qnlab.runs.documents import EVENTS, START, STOP, EventLog, plain
from qnlab.runs.manifest import Manifest
from qnlab.runs.ownership import Ownership
from qnlab.runs.recorder import TagRecorder
from qnlab.values import Reading

Progress = Callable[[float | None, str], None]
EventListener = Callable[[str, int, Mapping[str, Any]], None]

SYNC_PERIOD_S = 0.5
"""Time from sync to sync: data are on the disk within 1 s, if a sync takes no longer than 0.5 s."""

RESERVE = "reserve"
_RESERVE_BYTES = 1 << 20


class Run:
    """One run of a procedure; made by `start_run`.

    Attributes
    ----------
    uid : str
    folder : Path
        Holds the documents, tag files, manifest and report of the run.
    outcome : dict
        What was given to `result`, and after the end ``exit_status`` and ``reason``.
    """

    def __init__(self, uid: str, folder: Path, clock: Clock) -> None:
        self.uid = uid
        self.folder = folder
        self.outcome: dict[str, Any] = {}
        self._clock = clock
        self._events = EventLog(folder, uid, clock)
        self._manifest = Manifest(folder)
        self._recorders: dict[str, TagRecorder] = {}
        self._numbers = itertools.count(1)
        self._cleanups: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self._listeners: list[Progress] = []
        self._event_listeners: list[EventListener] = []
        self._remarks: list[str] = []
        self._abort: Aborted | None = None
        self._going = threading.Event()
        self._going.set()
        self._syncer = _Syncer(self.sync)
        self._syncer.start()

    def record(self, stream: str, **data: object) -> None:
        """Append an event to a stream; the first one fixes its fields and their kinds.

        Raises
        ------
        ValueError
            Other fields than those of the first event, or a kind that documents do not hold.
        StoreError
            The disk does not take it.
        """
        number, values = self._events.event(stream, data)
        for listener in self._event_listeners:
            listener(stream, number, values)

    def panel(self, stream: str, title: str, *fields: str, percent: bool = False) -> None:
        """Let the report draw these fields of a stream together, against time.

        Called before the first event of the stream; streams without panels are not drawn as soon
        as one has some.

        Parameters
        ----------
        percent : bool
            The fields are fractions, drawn in %.

        Raises
        ------
        ValueError
            The stream has events already.
        """
        self._events.panel(stream, title, fields, percent=percent)

    def remark(self, text: str) -> None:
        """Let the report end with this sentence."""
        self._remarks.append(text)

    def result(self, values: Mapping[str, object]) -> None:
        """Keep `values` for the stop document, whatever happens next.

        Raises
        ------
        ValueError
            A value that documents do not hold; names it.
        """
        self.outcome.update(plain(values, "result"))

    def attach(self, name: str, data: bytes) -> Path:
        """Keep a finished file, such as a picture, in the run's folder and manifest.

        Raises
        ------
        StoreError
            The disk does not take it.
        ValueError
            The run's folder has such a file already.
        """
        path = self.folder / name
        if path.exists():
            raise ValueError(f"{path}: is there already")
        with storing(self.folder):
            path.write_bytes(data)
            self._manifest.add(name)
        return path

    def recorder(self, stream: str) -> TagRecorder:
        """Recorder of a tag stream, made at the first call; the run closes it.

        Raises
        ------
        StoreError
            The disk does not take it.
        """
        if stream not in self._recorders:
            self._recorders[stream] = TagRecorder(
                self.folder, stream, self._events, self._manifest, self._numbers
            )
        return self._recorders[stream]

    def sync(self) -> None:
        """Return when all that was recorded is on the disk: it is acknowledged then.

        Raises
        ------
        StoreError
            The disk does not take it.
        """
        self._events.sync()
        for recorder in list(self._recorders.values()):
            recorder.sync()

    def on_progress(self, listener: Progress) -> None:
        """Call ``listener(fraction, message)`` at every checkpoint."""
        self._listeners.append(listener)

    def on_event(self, listener: EventListener) -> None:
        """Call ``listener(stream, number, data)`` after every event recorded."""
        self._event_listeners.append(listener)

    def checkpoint(self, fraction: float | None = None, message: str = "") -> None:
        """Pause here while paused; end here if aborted.

        Raises
        ------
        Aborted
        StoreError
            What was recorded before could not be brought to the disk.
        """
        for listener in self._listeners:
            listener(fraction, message)
        self._going.wait()
        if self._syncer.failure is not None:
            raise StoreError(*self._syncer.failure.args)
        if self._abort is not None:
            raise self._abort

    def pause(self) -> None:
        """Hold the run at its next checkpoint; safe to call from anywhere."""
        self._going.clear()

    def resume(self) -> None:
        """Let a paused run go on; safe to call from anywhere."""
        self._going.set()

    def abort(self, reason: str, detail: str = "") -> None:
        """End the run at its next checkpoint; safe to call from anywhere."""
        self._abort = Aborted(reason, detail)
        self._going.set()

    def cleanup(self, action: Callable[..., object], *args: object) -> None:
        """Do ``action(*args)`` when the run ends; last registered first, all are tried."""
        self._cleanups.append((action, args))

    def _end(self, failure: BaseException | None) -> None:
        """Clean up, close all files and write the stop document last.

        Raises
        ------
        StoreError
            Something that was recorded, or the stop document, is not on the disk.
        """
        problems = self._clean_up()
        self._syncer.stop()
        unstored = self._close_files()
        status, reason = _verdict(failure, problems, unstored, self._abort)
        try:
            with storing(self.folder):
                (self.folder / RESERVE).unlink(missing_ok=True)
                self._manifest.add(START)
                self._manifest.add(EVENTS)
                write_json(
                    self.folder / STOP,
                    {
                        "uid": str(uuid.uuid4()),
                        "run_start": self.uid,
                        "time": self._clock.now(),
                        "exit_status": status,
                        "reason": reason,
                        "num_events": self._events.counts(),
                        "cause": _words(failure or unstored),
                        "cleanup_errors": problems,
                        "remarks": self._remarks,
                        "result": plain(self.outcome, "result"),
                    },
                )
                self._manifest.add(STOP)
        finally:
            self.outcome |= {"exit_status": status} | ({"reason": reason} if reason else {})
        if unstored is not None:
            raise unstored

    def _clean_up(self) -> list[str]:
        problems = []
        while self._cleanups:
            action, args = self._cleanups.pop()
            try:
                action(*args)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - all are tried
                problems.append(_words(error))
        return problems

    def _close_files(self) -> StoreError | None:
        """Close all, also when one fails; the first failure."""
        failure = self._syncer.failure
        for close in (*(r.close for r in self._recorders.values()), self._events.close):
            try:
                close()
            except StoreError as error:
                failure = failure or error
        return failure


class _Syncer(threading.Thread):
    """Brings to the disk what a run has written, once a period, until stopped."""

    def __init__(self, sync: Callable[[], None]) -> None:
        super().__init__(name="run-sync", daemon=True)
        self._sync = sync
        self._stopped = threading.Event()
        self.failure: StoreError | None = None

    def run(self) -> None:
        pause = SYNC_PERIOD_S
        while not self._stopped.wait(pause):
            begin = time.monotonic()
            try:
                self._sync()
            except StoreError as error:
                self.failure = error
                return
            pause = max(0.0, SYNC_PERIOD_S - (time.monotonic() - begin))

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _verdict(
    failure: BaseException | None,
    problems: list[str],
    unstored: StoreError | None,
    asked: Aborted | None,
) -> tuple[str, str]:
    if isinstance(failure, Aborted):
        return "abort", failure.reason
    if asked is not None and isinstance(failure, InstrumentError):
        # Instruments were made safe under a run that had been told to end: they failed it first.
        return "abort", asked.reason
    if isinstance(failure, KeyboardInterrupt):
        return "abort", "operator"
    if failure is not None:
        return "fail", type(failure).__name__
    if unstored is not None:
        return "fail", type(unstored).__name__
    return ("fail", "clean_up") if problems else ("success", "")


def _words(error: BaseException | None) -> str:
    if error is None:
        return ""
    if isinstance(error, BaseExceptionGroup):
        return f"{error.message}: " + "; ".join(map(_words, error.exceptions))
    return f"{type(error).__name__}: {error}"


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

    The start document is on the disk before the block begins. A run that raised is never a
    success; what it raised goes on to the caller.

    Parameters
    ----------
    home : Path
        The run folder is ``home/runs/YYYY/MM/<uid>``, by the date in UTC.
    settings : mapping of str to Reading
        Settings of the whole bench, by ``instrument.setting``.

    Raises
    ------
    StoreError
        The run folder cannot be written, or something recorded is not on the disk at the end.
    """
    uid = str(uuid.uuid4())
    today = datetime.now(UTC)
    folder = home / "runs" / f"{today:%Y}" / f"{today:%m}" / uid
    with storing(folder):
        folder.mkdir(parents=True)
        owner = Ownership(folder)
    try:
        with storing(folder):
            _fill(folder / RESERVE, _RESERVE_BYTES)
            write_json(
                folder / START,
                {
                    "uid": uid,
                    "time": clock.now(),
                    "procedure": procedure,
                    "parameters": plain(parameters, "parameters"),
                    "bench": bench,
                    "seed": seed,
                    "simulated": simulated,
                    "started": today.isoformat(),
                    "settings": [
                        {"name": key, **_described(reading, clock)}
                        for key, reading in settings.items()
                    ],
                },
            )
            sync_folder(folder.parent)
            run = Run(uid, folder, clock)
        try:
            yield run
        except BaseException as error:
            try:
                run._end(error)
            except StoreError as unstored:
                error.add_note(str(unstored))
            raise
        run._end(None)
    finally:
        (folder / RESERVE).unlink(missing_ok=True)
        owner.release()


def _fill(path: Path, size: int) -> None:
    """Set disk space aside, to be freed for the last documents when the disk is full."""
    with path.open("wb") as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())


def _described(reading: Reading, clock: Clock) -> dict[str, object]:
    return {
        "value": plain(reading.value, reading.source),
        "unit": reading.unit,
        "time_s": reading.time_s,
        "age_s": clock.now() - reading.time_s,
        "source": reading.source,
        "alarm": reading.alarm.name.lower(),
    }
