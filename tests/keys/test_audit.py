"""The audit log: any change, cut or insertion is found, a crash's torn line is not a change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qnlab.errors import StoreError
from qnlab.keys import StoreIntegrity, open_site_store
from qnlab.keys.audit import AuditLog, verify

KEY = bytes(range(32))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    writer = AuditLog(path, KEY)
    for number in range(5):
        writer.append("event", {"number": number})
    writer.close()
    return path


def test_intact_log_goes_on_after_reopening(log: Path) -> None:
    writer = AuditLog(log, KEY)
    assert writer.append("more", {}).sequence == 6
    writer.close()
    assert verify(log, KEY, 6) == 6
    assert [json.loads(line)["sequence"] for line in log.read_text().splitlines()] == [*range(1, 7)]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda lines: [lines[0].replace('"number":0', '"number":9'), *lines[1:]], "line 1 was"),
        (lambda lines: [*lines[:2], *lines[3:]], "line 3 does not follow"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1 does not follow"),
        (lambda lines: [lines[0], *lines], "line 2 does not follow"),
        (lambda lines: [*lines[:1], lines[1].replace(":", ": "), *lines[2:]], "line 2 was changed"),
        (lambda lines: [*lines[:4], "{}"], "line 5 lacks sequence"),
        (lambda lines: [*lines[:4], "nonsense"], "line 5 is not JSON"),
        (lambda lines: lines[:4], "ends at line 4, the store committed 5"),
        (lambda lines: [], "ends at line 0, the store committed 5"),
    ],
)
def test_changes_are_found(
    log: Path, change: Callable[[list[str]], list[str]], problem: str
) -> None:
    lines = change(log.read_text().splitlines())
    log.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(StoreIntegrity, match=problem):
        verify(log, KEY, 5)


def test_another_key_proves_nothing(log: Path) -> None:
    with pytest.raises(StoreIntegrity, match="line 1 was changed"):
        verify(log, bytes(32), 5)
    with pytest.raises(StoreIntegrity, match="the last line was changed"):
        AuditLog(log, bytes(32))


@pytest.mark.parametrize("kept", [0, 1, 60])
def test_torn_line_of_a_crash_is_removed(log: Path, kept: int) -> None:
    whole = log.read_bytes()
    log.write_bytes(whole + whole[:kept])
    writer = AuditLog(log, KEY)
    writer.append("after", {})
    writer.close()
    assert verify(log, KEY, 6) == 6


def test_store_without_its_log_is_refused(tmp_path: Path) -> None:
    with open_site_store(tmp_path, "alice", "quantum", simulated=True) as store:
        store.provision_authentication(bytes(32))
    (store.folder / "audit.jsonl").unlink()
    with pytest.raises(StoreIntegrity, match="lines are missing at the end"):
        open_site_store(tmp_path, "alice", "quantum", simulated=True)
    (store.folder / "audit.jsonl").unlink()
    (store.folder / "audit.jsonl").mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        open_site_store(tmp_path, "alice", "quantum", simulated=True)
