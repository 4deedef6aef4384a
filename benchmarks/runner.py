"""What all benchmarks share: timing in turn, results against goals, a table or JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

REPEATS = 5


@dataclass(frozen=True)
class Result:
    """One figure. `met` is None without a goal, or where there is nothing to compare with."""

    name: str
    value: float | None
    unit: str
    goal: str | None = None
    met: bool | None = None
    note: str = ""


def at_least(name: str, value: float, unit: str, goal: float, note: str = "") -> Result:
    """A figure that should be at least `goal`."""
    return Result(name, float(value), unit, f">= {goal:g}", bool(value >= goal), note)


def at_most(name: str, value: float, unit: str, goal: float, note: str = "") -> Result:
    """A figure that should be at most `goal`."""
    return Result(name, float(value), unit, f"<= {goal:g}", bool(value <= goal), note)


def absent(name: str, unit: str, goal: str, why: str) -> Result:
    """A comparison that cannot be made here, and why."""
    return Result(name, None, unit, goal, None, f"absent: {why}")


def in_turn(
    contestants: Mapping[str, Callable[[], object]], repeats: int = REPEATS
) -> dict[str, float]:
    """Median CPU seconds of each contestant; they take turns, after one call to warm up each."""
    for run in contestants.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            begin = time.process_time()
            run()
            seconds[name].append(time.process_time() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}


def peer(module: str) -> ModuleType | None:
    """A package to compare with, or None if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def machine(packages: Sequence[str] = ()) -> dict[str, str]:
    """Processor, cores, system and versions; no names."""
    import importlib.metadata

    facts = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for package in packages:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            facts[package] = "absent"
    return facts


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def command(
    about: str,
    sections: Mapping[str, Callable[[argparse.Namespace], Iterable[Result]]],
    packages: Sequence[str] = (),
    options: Callable[[argparse.ArgumentParser], object] = lambda parser: None,
) -> int:
    """Run the sections and print their results: a line each, or one JSON object.

    Returns
    -------
    int
        Exit code: 1 if a goal was missed.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--only", action="append", choices=list(sections), help="run this section; may be repeated"
    )
    options(parser)
    arguments = parser.parse_args()
    results: list[Result] = []
    for name, run in sections.items():
        if arguments.only is None or name in arguments.only:
            print(f"{name} ...", file=sys.stderr)
            results += run(arguments)
    facts = machine(packages)
    if arguments.json:
        print(json.dumps({"machine": facts, "results": [_row(r) for r in results]}, indent=2))
    else:
        _table(facts, results)
    return int(any(result.met is False for result in results))


def _row(result: Result) -> dict[str, Any]:
    row = asdict(result)
    if not row["note"]:
        del row["note"]
    return row


def _table(facts: Mapping[str, str], results: Sequence[Result]) -> None:
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    width = max((len(result.name) for result in results), default=0)
    for result in results:
        value = "-" if result.value is None else f"{result.value:.4g}"
        met = {True: "met", False: "MISSED", None: ""}[result.met]
        print(
            f"{result.name:{width}}  {value:>9} {result.unit:<9} {result.goal or '':>9}  "
            f"{met:<6}  {result.note}".rstrip()
        )
