"""Run mypy --strict on a built tree, and make sure that it saw every file of the house."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOMS = ("qnlab", "instruments", "drivers", "sim_backends", "procedures", "keys", "gui")


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    tree = Path(sys.argv[1]).resolve()
    command = [sys.executable, "-m", "mypy", "--config-file", str(root / "pyproject.toml")]
    result = subprocess.run(
        [*command, "-p", "qnlab"], cwd=tree, capture_output=True, text=True, check=False
    )
    sys.stdout.write(result.stdout + result.stderr)
    on_disk = sum(1 for room in ROOMS for _ in (root / room).rglob("*.py"))
    match = re.search(r"(?:in|checked) (\d+) source files?", result.stdout.splitlines()[-1])
    counts = [int(n) for n in re.findall(r"(\d+) source files?", result.stdout)]
    if match is None or not counts or counts[-1] != on_disk:
        sys.stdout.write(f"mypy checked {counts} files, {on_disk} are on disk\n")
        return 1
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
