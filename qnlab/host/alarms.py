"""Alarms with a life cycle: raised, acknowledged, cleared, shelved; each step with its reason.

States as in ISA-18.2: an alarm whose cause has gone stays until somebody has acknowledged it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from qnlab.errors import QnlabError

PRIORITIES = ("critical", "major", "minor")


@dataclass
class Alarm:
    """One alarm; `since_s` and `until_s` are seconds since the epoch."""

    id: str
    source: str
    priority: str
    message: str
    state: str
    since_s: float
    count: int = 1
    until_s: float | None = None
    reason: str = ""


class Alarms:
    """All alarms of a host.

    Parameters
    ----------
    changed : callable
        Called with the list of alarms after each change.
    """

    def __init__(self, changed: Callable[[dict[str, Any]], object]) -> None:
        self._changed = changed
        self._lock = threading.RLock()
        self._alarms: dict[str, Alarm] = {}

    def raise_(self, name: str, source: str, priority: str, message: str) -> None:
        """The cause is there (again)."""
        if priority not in PRIORITIES:
            raise ValueError(f"priority {priority!r}; one of {', '.join(PRIORITIES)}")
        key = f"{source}/{name}"
        with self._lock:
            alarm = self._alarms.get(key)
            if alarm is None:
                self._alarms[key] = Alarm(
                    key, source, priority, message, "active-unack", time.time()
                )
            elif alarm.state.startswith("active") or alarm.state == "shelved":
                if alarm.message == message:
                    return
                alarm.message = message
            else:
                alarm.state, alarm.since_s, alarm.message = "active-unack", time.time(), message
                alarm.count += 1
            self._tell()

    def clear(self, name: str, source: str) -> None:
        """The cause has gone."""
        key = f"{source}/{name}"
        with self._lock:
            alarm = self._alarms.get(key)
            if alarm is None or alarm.state == "cleared-unack":
                return
            if alarm.state == "active-unack":
                alarm.state = "cleared-unack"
            else:
                del self._alarms[key]
            self._tell()

    def acknowledge(self, key: str, reason: str) -> None:
        """Somebody has seen it.

        Raises
        ------
        QnlabError
            No such alarm, or no reason given.
        """
        with self._lock:
            alarm = self._known(key, reason)
            if alarm.state == "cleared-unack":
                del self._alarms[key]
            elif alarm.state == "active-unack":
                alarm.state, alarm.reason = "active-ack", reason
            self._tell()

    def shelve(self, key: str, seconds: float, reason: str) -> None:
        """Out of sight for a while."""
        if not 0 < seconds <= 86_400:
            raise QnlabError(f"an alarm is shelved for up to 86400 s, got {seconds:g}")
        with self._lock:
            alarm = self._known(key, reason)
            alarm.state, alarm.reason = "shelved", reason
            alarm.until_s = time.time() + seconds
            self._tell()

    def unshelve(self) -> None:
        """Bring back what was shelved long enough."""
        with self._lock:
            over = [a for a in self._alarms.values() if a.until_s and time.time() >= a.until_s]
            for alarm in over:
                alarm.state, alarm.until_s = "active-unack", None
            if over:
                self._tell()

    def _known(self, key: str, reason: str) -> Alarm:
        if key not in self._alarms:
            known = ", ".join(self._alarms) or "none"
            raise QnlabError(f"no alarm {key!r}; there are {known}")
        if not reason.strip():
            raise QnlabError(f"alarm {key}: say why")
        return self._alarms[key]

    def _tell(self) -> None:
        ranked = sorted(
            self._alarms.values(), key=lambda a: (PRIORITIES.index(a.priority), a.since_s)
        )
        self._changed({"alarms": [asdict(alarm) for alarm in ranked]})
