"""``catalogue.sqlite``: an index of the runs under a home, rebuilt from their folders at need.

The folders are the truth. Every look compares them with the index by size and time of the files
that say what a run is, so that a lost, old or damaged index costs time and never a wrong list.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qnlab.errors import StoreError
from qnlab.runs.disk import read_json
from qnlab.runs.documents import START, STOP
from qnlab.runs.manifest import MANIFEST
from qnlab.runs.ownership import is_owned

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "catalogue.sqlite"
_LAYOUT = 1
_DIED = "no stop document: the process died; 'qnlab runs recover' closes the run"


@dataclass(frozen=True, slots=True)
class Entry:
    """One run.

    Attributes
    ----------
    exit_status : str
        That of the stop document (a run closed by recovery is ``fail`` for the reason
        ``crashed``); without one ``running`` or ``crashed``; ``damaged`` if a document is garbled.
    duration_s : float or None
        By the clock of the bench.
    """

    run: str
    procedure: str | None
    bench: str | None
    seed: int | None
    simulated: bool | None
    started: str | None
    exit_status: str
    reason: str
    duration_s: float | None
    folder: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def list_runs(
    home: Path,
    *,
    procedure: str | None = None,
    since: datetime | None = None,
    status: str | None = None,
    limit: int | None = None,
) -> list[Entry]:
    """Runs under `home`, oldest first.

    Parameters
    ----------
    since : datetime, optional
        Only runs that began then or later; without a time zone it is UTC.
    status : str, optional
        An `exit_status` of an `Entry`.
    limit : int, optional
        Only so many, the newest.
    """
    begin = since.replace(tzinfo=since.tzinfo or UTC) if since else None
    chosen = [
        entry
        for entry in _entries(home)
        if (procedure is None or entry.procedure == procedure)
        and (status is None or entry.exit_status == status)
        and (begin is None or _began(entry) >= begin)
    ]
    chosen.sort(key=lambda entry: (_began(entry), entry.run))
    return chosen if limit is None else chosen[max(len(chosen) - limit, 0) :]


def find_run(home: Path, uid: str) -> Path:
    """Folder of the run whose UID begins with `uid`.

    Raises
    ------
    StoreError
        There is none, or more than one; the message names them.
    """
    folders = run_folders(home)
    if not folders:
        raise StoreError(f"{home}: holds no runs; --home or $QNLAB_HOME says where they are")
    found = [folder for folder in folders if folder.name.startswith(uid)]
    if not found:
        raise StoreError(f"{home}: no run begins with {uid!r}; 'qnlab runs list' shows all")
    if len(found) > 1:
        names = ", ".join(folder.name for folder in found[:8]) + (" ..." if found[8:] else "")
        raise StoreError(f"{home}: {len(found)} runs begin with {uid!r}: {names}")
    return found[0]


def run_folders(home: Path) -> list[Path]:
    """Folders of all runs; one that has neither a start document nor a finished file is none."""
    found = {path.parent for name in (START, MANIFEST) for path in home.glob(f"runs/*/*/*/{name}")}
    return sorted(found)


def _entries(home: Path) -> list[Entry]:
    folders = run_folders(home)
    if not folders:
        return []
    try:
        return _look(home / FILE, folders)
    except sqlite3.Error:
        return _look_anew(home / FILE, folders)


def _look_anew(path: Path, folders: list[Path]) -> list[Entry]:
    """Make the index again; where that cannot be (a home that is only read), do without."""
    try:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _look(path, folders)
    except (sqlite3.Error, OSError):
        return [entry_of(folder) for folder in folders]


def _look(path: Path, folders: list[Path]) -> list[Entry]:
    """Entries of all folders; what the index lacks is read and put in."""
    with _opened(path) as index:
        known = _known(index)
        stamps = {str(folder): _stamp(folder) for folder in folders}
        entries, fresh = [], []
        for folder in folders:
            name, stamp = str(folder), stamps[str(folder)]
            entry = known.get((name, stamp)) if stamp else None
            if entry is None:
                entry = entry_of(folder)
                if stamp and stamp == _stamp(folder):
                    fresh.append((stamp, entry))
            entries.append(entry)
        _store(index, fresh)
        gone = {name for name, stamp in known if stamps.get(name) != stamp} - {
            entry.folder for _, entry in fresh
        }
        index.executemany("DELETE FROM runs WHERE folder = ?", [(name,) for name in gone])
        index.commit()
    return entries


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, timeout=10)) as index:
        index.execute("PRAGMA journal_mode = WAL")
        index.execute("PRAGMA synchronous = NORMAL")
        if index.execute("PRAGMA user_version").fetchone()[0] != _LAYOUT:
            index.execute("DROP TABLE IF EXISTS runs")
            index.execute(
                "CREATE TABLE runs (folder TEXT PRIMARY KEY, stamp TEXT, entry TEXT, crc INTEGER)"
            )
            index.execute(f"PRAGMA user_version = {_LAYOUT}")
        yield index


def _known(index: sqlite3.Connection) -> dict[tuple[str, str], Entry]:
    """Entries by folder and stamp; a row whose checksum is wrong is not known."""
    known = {}
    for folder, stamp, text, crc in index.execute("SELECT folder, stamp, entry, crc FROM runs"):
        if crc == _crc(folder, stamp, text):
            known[folder, stamp] = Entry(**json.loads(text))
    return known


def _store(index: sqlite3.Connection, fresh: Iterable[tuple[str, Entry]]) -> None:
    rows = ((entry.folder, stamp, json.dumps(asdict(entry))) for stamp, entry in fresh)
    index.executemany(
        "INSERT OR REPLACE INTO runs (folder, stamp, entry, crc) VALUES (?, ?, ?, ?)",
        [(*row, _crc(*row)) for row in rows],
    )


def _crc(*texts: str) -> int:
    return zlib.crc32(repr(texts).encode())


def _stamp(folder: Path) -> str:
    """What changes when the documents change; empty for a run that has not ended."""
    try:
        facts = [(folder / name).stat() for name in (START, STOP)]
    except OSError:
        return ""
    return " ".join(f"{fact.st_mtime_ns}:{fact.st_size}:{fact.st_ino}" for fact in facts)


def entry_of(folder: Path) -> Entry:
    """What the documents of one run say; a garbled one makes it ``damaged``."""
    entry = Entry(folder.name, None, None, None, None, None, "damaged", "", None, str(folder))
    owned = is_owned(folder)
    try:
        start = read_json(folder / START)
        stop = read_json(folder / STOP) if (folder / STOP).exists() else None
        entry = replace(
            entry,
            procedure=str(start["procedure"]),
            bench=str(start["bench"]),
            seed=int(start["seed"]),
            simulated=bool(start["simulated"]),
            started=datetime.fromisoformat(start["started"]).isoformat(),
        )
        if stop is None:
            status, reason = ("running", "") if owned else ("crashed", _DIED)
            return replace(entry, exit_status=status, reason=reason)
        return replace(
            entry,
            exit_status=str(stop["exit_status"]),
            reason=str(stop["reason"]),
            duration_s=round(float(stop["time"]) - float(start["time"]), 6),
        )
    except StoreError as error:
        return replace(entry, reason=str(error))
    except (KeyError, TypeError, ValueError) as error:
        return replace(entry, reason=f"a document lacks or garbles {error}")


def _began(entry: Entry) -> datetime:
    if entry.started is None:
        return datetime.min.replace(tzinfo=UTC)
    began = datetime.fromisoformat(entry.started)
    return began.replace(tzinfo=began.tzinfo or UTC)
