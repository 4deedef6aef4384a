"""The host itself: one bench, its services, and the threads that watch it."""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from qnlab.bench import Bench, load_bench, open_bench, packaged_benches
from qnlab.errors import BenchError, Busy, NotSupported, QnlabError
from qnlab.home import home_folder
from qnlab.host.alarms import Alarms
from qnlab.host.history import History
from qnlab.host.jobs import Jobs
from qnlab.host.monitor import TagMonitor
from qnlab.host.presets import Presets
from qnlab.port import Bus, Message
from qnlab.values import Reading

STATUS_PERIOD_S = 1.0
KEPT_LOG, KEPT_CHANGES = 5000, 5000
FULL_DISK = 0.05

COMMANDS: dict[str, tuple[str, ...]] = {
    "LaserSource": ("enable", "disable"),
    "SinglePhotonDetector": ("enable", "disable", "reset"),
    "PolarizationController": ("home", "move", "stop"),
}
EVERY_ROLE = ("safe_state", "reconnect")


class Host:
    """Opens a bench and serves it on a bus until closed.

    Parameters
    ----------
    bench : str or Path
        Packaged name or file.
    home : Path, optional
    seed : int, optional
    overrides : mapping of str to object, optional
        Dotted keys of the bench file. The clock follows the wall unless they say otherwise.

    Attributes
    ----------
    bus : Bus
        Where clients of this process attach; `qnlab.port.network.Gateway` lets others in.

    Raises
    ------
    BenchError, InstrumentError
        The bench cannot be opened.
    """

    def __init__(
        self,
        bench: str | Path,
        *,
        home: Path | None = None,
        seed: int | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> None:
        self.bus = Bus("host")
        self._home = home_folder() if home is None else home
        self._seed = seed
        self._overrides = {"bench.clock": "wall", **(overrides or {})}
        self._log_lock = threading.Lock()
        self._log: deque[dict[str, Any]] = deque(maxlen=KEPT_LOG)
        self._changes: deque[dict[str, Any]] = deque(maxlen=KEPT_CHANGES)
        self._known: dict[str, tuple[object, str]] = {}
        self._ended = threading.Event()
        self._opening = threading.RLock()
        self.history = History()
        self.alarms = Alarms(lambda body: self.bus.publish("alarms", body))
        self.bus.listen("**", self._remember)
        self._open(bench)
        self._serve()
        self.bus.publish("alarms", {"alarms": []})
        self._watch = threading.Thread(target=self._watching, name="host", daemon=True)
        self._watch.start()

    # --- the bench ----------------------------------------------------------------------------

    def _open(self, source: str | Path) -> None:
        file = load_bench(source, self._overrides)
        self.bench: Bench = open_bench(file, seed=self._seed, home=self._home)
        self.jobs = Jobs(self.bench, self.bus.publish, self.log)
        self.presets = Presets(self.bench)
        self._known = {}
        self.monitors = {
            name: TagMonitor(
                item,
                self.bench.channel_map(name),
                self._limits(name),
                self.bus.publish,
                lambda text, name=name: self.log("error", name, text),  # type: ignore[misc]
            )
            for name, item in self.bench.instruments.items()
            if item.role == "TimeTagger"
        }
        for monitor in self.monitors.values():
            monitor.start()
        self._publish_instruments()
        self._publish_status()
        self.log("info", "host", f"bench {self.bench.name} opened")

    def _limits(self, tagger: str) -> dict[str, float]:
        specs = self.bench.file.instruments
        rates = [
            item.capabilities.max_count_rate_hz
            for name, item in self.bench.instruments.items()
            if item.role == "SinglePhotonDetector" and specs[name].site == specs[tagger].site
        ]
        return dict.fromkeys(self.bench.channel_map(tagger), min(rates)) if rates else {}

    def _close_bench(self) -> None:
        self.jobs.clear()
        self.jobs.abort("operator", "the bench is closed")
        self.jobs.join(10)
        for monitor in self.monitors.values():
            monitor.end()
        for monitor in self.monitors.values():
            monitor.join(5)
        self.bench.close()

    def reopen(self, source: str | Path) -> str:
        """Close this bench and open another; only while nothing runs.

        Raises
        ------
        Busy
            A procedure runs.
        BenchError, InstrumentError
            The other bench cannot be opened; this one is open again.
        """
        with self._opening:
            if self.jobs.state != "idle":
                raise Busy("host", f"{self.jobs.procedure} is {self.jobs.state}")
            load_bench(source, self._overrides)
            before = self.bench.file.label
            self._close_bench()
            try:
                self._open(source)
            except QnlabError:
                self._open(before)
                raise
            return self.bench.name

    # --- services -----------------------------------------------------------------------------

    def _serve(self) -> None:
        services: dict[str, Callable[[dict[str, Any]], Any]] = {
            "instrument.apply": self._apply,
            "instrument.call": self._call,
            "run.start": lambda a: self.jobs.start(a),
            "run.pause": lambda a: self.jobs.pause(),
            "run.resume": lambda a: self.jobs.resume(),
            "run.abort": lambda a: self.jobs.abort("operator", str(a.get("reason", ""))),
            "queue.add": lambda a: self.jobs.queue(a),
            "queue.list": lambda a: self.jobs.waiting(),
            "queue.clear": lambda a: self.jobs.clear(),
            "procedure.describe": lambda a: self.jobs.describe(a),
            "alarm.acknowledge": lambda a: self.alarms.acknowledge(a["id"], a.get("reason", "")),
            "alarm.shelve": lambda a: self.alarms.shelve(
                a["id"], float(a["seconds"]), a.get("reason", "")
            ),
            "log.add": lambda a: self.log("note", str(a.get("author", "operator")), str(a["text"])),
            "log.read": lambda a: list(self._log)[-int(a.get("last", KEPT_LOG)) :],
            "history.read": self.history.read,
            "settings.changed": self._changed_since,
            "runs.list": self._runs,
            "runs.report": self._report,
            "presets.list": lambda a: self.presets.names(),
            "presets.save": lambda a: self.presets.save(a["name"]),
            "presets.diff": lambda a: self.presets.diff(a["name"]),
            "presets.apply": lambda a: self.presets.apply(a["name"], a.get("settings")),
            "histogram.select": self._select,
            "bench.open": lambda a: self.reopen(a["bench"]),
        }
        for name, handler in services.items():
            self.bus.serve(name, handler)
        self.bus.serve("stop_all", lambda a: self.stop_all(), urgent=True)

    def stop_all(self) -> None:
        """Bring every instrument to its safe state and end what runs; works at any time."""
        self.jobs.clear()
        self.jobs.abort("operator", "STOP ALL")
        try:
            self.bench.safe_state()
        finally:
            self.log("warning", "host", "STOP ALL: every instrument sent to its safe state",
                     "port.call('stop_all')")  # fmt: skip
        self._publish_instruments()

    def _instrument(self, name: str) -> Any:
        item = self.bench.instruments.get(name)
        if item is None:
            known = ", ".join(self.bench.instruments)
            raise BenchError(f"no instrument {name!r} on {self.bench.name}, which has {known}")
        return item

    def _apply(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        name, wanted = str(arguments["instrument"]), dict(arguments["settings"])
        item = self._instrument(name)
        before = {key: reading.value for key, reading in item.settings().items() if key in wanted}
        taken = item.apply(wanted)
        changes = ", ".join(f"{k}: {before.get(k)} -> {taken[k].value}" for k in wanted)
        self.log("info", name, changes,
                 f"port.call('instrument.apply', {dict(arguments)!r})")  # fmt: skip
        self._publish_instrument(name)
        return {key: _reading(reading) for key, reading in taken.items()}

    def _call(self, arguments: Mapping[str, Any]) -> Any:
        name, method = str(arguments["instrument"]), str(arguments["method"])
        item = self._instrument(name)
        allowed = (*COMMANDS.get(item.role, ()), *EVERY_ROLE)
        if method not in allowed:
            raise NotSupported(name, "no such command", command=method, expected=", ".join(allowed))
        result = getattr(item, method)(*arguments.get("arguments", ()))
        self.log("info", name, f"{method}{tuple(arguments.get('arguments', ()))}",
                 f"port.call('instrument.call', {dict(arguments)!r})")  # fmt: skip
        self._publish_instrument(name)
        return result

    def _changed_since(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        since = float(arguments["since_s"])
        return [change for change in self._changes if change["time_s"] >= since]

    def _runs(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        from qnlab.runs.catalogue import list_runs

        entries = [entry.as_dict() for entry in list_runs(self._home)]
        return entries[: int(arguments.get("last", 100))]

    def _report(self, arguments: Mapping[str, Any]) -> dict[str, str]:
        from qnlab.runs.report import write_report

        page, picture = write_report(Path(arguments["folder"]))
        return {"html": str(page), "picture": str(picture)}

    def _select(self, arguments: Mapping[str, Any]) -> None:
        monitor = self.monitors.get(str(arguments["tagger"]))
        names = monitor.names if monitor is not None else []
        pair = [str(arguments["start"]), str(arguments["stop"])]
        if monitor is None or not set(pair) <= set(names):
            raise QnlabError(f"histogram: no channels {pair} on {arguments['tagger']}: {names}")
        monitor.select(*pair)

    # --- telling ------------------------------------------------------------------------------

    def log(self, level: str, source: str, text: str, command: str = "") -> None:
        """A line for the event log; `command` is the same in Python, where there is one."""
        entry = {
            "time_s": time.time(),
            "level": level,
            "source": source,
            "text": text,
            "command": command,
        }
        with self._log_lock:
            self._log.append(entry)
            self.bus.publish("log", entry)

    def _remember(self, message: Message) -> None:
        head, _, tail = message.topic.partition("/")
        if head == "rates":
            for name, channel in message.body["channels"].items():
                self.history.add(f"rate/{tail}/{name}", message.time_s, channel["rate_hz"])
        elif message.topic.startswith("run/event/"):
            stream = message.topic.rpartition("/")[2]
            for key, value in message.body["data"].items():
                self.history.add(f"{stream}/{key}", message.time_s, value)
            self._judge(stream, message.body["data"])
        elif message.topic == "run/result":
            self._judge_end(message.body)

    def _judge(self, stream: str, data: Mapping[str, Any]) -> None:
        if stream != "block":
            return
        worst = max(data.get("qber_key") or 0.0, data.get("qber_test") or 0.0)
        limit = float(self.bench.file.procedures.get("bb84", {}).get("abort_qber", 0.11))
        if worst > limit:
            text = f"QBER {worst:.1%} above {limit:.0%}: no key"
            self.alarms.raise_("QBER_ABORT", "link", "critical", text)
        elif worst > 0.05:
            self.alarms.raise_("POL_DRIFT", "link", "minor", f"QBER {worst:.1%} above 5 %")
        else:
            self.alarms.clear("QBER_ABORT", "link")
            self.alarms.clear("POL_DRIFT", "link")

    def _judge_end(self, body: Mapping[str, Any]) -> None:
        if body["reason"] == "qber_abort":
            self.alarms.raise_("QBER_ABORT", "link", "critical", str(body["detail"]))
        elif body["exit_status"] == "fail":
            text = f"{body['procedure']} failed: {body['reason']}: {body['detail']}"
            self.alarms.raise_("RUN_FAILED", str(body["procedure"]), "major", text)
        elif body["exit_status"] == "success":
            self.alarms.clear("RUN_FAILED", str(body["procedure"]))
            self.alarms.clear("QBER_ABORT", "link")

    def _watching(self) -> None:
        while not self._ended.wait(STATUS_PERIOD_S):
            with self._opening:
                self._publish_status()
                self._publish_instruments()
            self.alarms.unshelve()

    def _publish_status(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        disk = shutil.disk_usage(self._home)
        if disk.free < FULL_DISK * disk.total:
            text = f"{disk.free / 2**30:.1f} GiB left in {self._home}"
            self.alarms.raise_("DISK_FULL", "host", "major", text)
        else:
            self.alarms.clear("DISK_FULL", "host")
        late = [s for monitor in self.monitors.values() for s in list(monitor.late_s)]
        self.bus.publish(
            "host/status",
            {
                "bench": self.bench.name,
                "summary": self.bench.file.bench.summary,
                "simulated": self.bench.simulated,
                "benches": sorted(packaged_benches()),
                "procedures": self.jobs.known(),
                "run": self.jobs.uid,
                "procedure": self.jobs.procedure,
                "state": self.jobs.state,
                "queue": len(self.jobs.waiting()),
                "disk_free_bytes": disk.free,
                "acq_late_p99_s": float(np.quantile(late, 0.99)) if late else 0.0,
                "lost_tags": sum(monitor.lost_tags for monitor in self.monitors.values()),
            },
        )

    def _publish_instruments(self) -> None:
        for name in self.bench.instruments:
            try:
                self._publish_instrument(name)
            except QnlabError as error:
                self.alarms.raise_("OFFLINE", name, "major", str(error))

    def _publish_instrument(self, name: str) -> None:
        item, spec = self.bench.instruments[name], self.bench.file.instruments[name]
        health, settings = item.health(), item.settings()
        identity = asdict(item.identity)
        for key, reading in settings.items():
            self._note_change(f"{name}.{key}", reading)
        if health.alarm:
            self.alarms.raise_("HEALTH", name, "major", "; ".join(health.problems))
        else:
            self.alarms.clear("HEALTH", name)
            self.alarms.clear("OFFLINE", name)
        self.bus.publish(
            f"instrument/{name}",
            {
                "role": item.role,
                "site": spec.site,
                "driver": spec.driver,
                "address": spec.address,
                "simulated": identity["simulated"],
                "identity": identity,
                "health": {"alarm": health.alarm.name.lower(), "problems": list(health.problems)},
                "settings": {key: _reading(reading) for key, reading in settings.items()},
                "commands": [*COMMANDS.get(item.role, ()), *EVERY_ROLE],
            },
        )

    def _note_change(self, key: str, reading: Reading) -> None:
        known = self._known.get(key)
        if known is not None and known[0] != reading.value:
            self._changes.append(
                {
                    "time_s": time.time(),
                    "setting": key,
                    "old": known[0],
                    "new": reading.value,
                    "unit": reading.unit,
                }
            )
        self._known[key] = (reading.value, reading.unit)

    def close(self) -> None:
        """End what runs, make the bench safe and let it go. Idempotent."""
        if not self._ended.is_set():
            self._ended.set()
            self._watch.join(5)
            with self._opening:
                self._close_bench()
            self.bus.close()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _reading(reading: Reading) -> dict[str, Any]:
    limits = reading.limits
    return {
        "value": reading.value,
        "unit": reading.unit,
        "low": limits.low if limits else None,
        "high": limits.high if limits else None,
        "alarm": reading.alarm.name.lower(),
        "time_s": reading.time_s,
        "source": reading.source,
    }
