"""Does a job again and again, each time dying before a later operation on a file.

Called as ``dying.py JOB FOLDER``; what the n-th death left is in ``FOLDER/n``, and the last one
is the attempt that went through. It prints how many there are.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from qnlab.runs.recovery import recover
from qnlab.tags.packed import warm_up
from tests.runs.writer import write

OPERATIONS = {"open", "os.rename", "os.remove", "os.truncate"}


def die_before(number: int, below: Path) -> None:
    """End this process, as kill -9 would, before its `number`-th operation on files of `below`."""
    left = number

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if event in OPERATIONS and str(args[0]).startswith(str(below)):
            left -= 1
            if left < 0:
                os._exit(137)

    sys.addaudithook(hook)


def write_run(folder: Path) -> None:
    told = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT)
    write(folder / "home", 3, told, end=12)


def recover_run(folder: Path) -> None:
    original = next((folder.parent / "original").iterdir())
    recover(folder / original.name)


def main() -> None:
    job, top = sys.argv[1], Path(sys.argv[2])
    jobs: dict[str, Callable[[Path], None]] = {"write": write_run, "recover": recover_run}
    warm_up()
    for number in range(1000):
        folder = top / str(number)
        if job == "recover":
            shutil.copytree(top / "original", folder)
        else:
            folder.mkdir()
        child = os.fork()
        if child == 0:
            die_before(number, folder / "home" if job == "write" else folder)
            jobs[job](folder)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            print(number + 1)  # noqa: T201
            return
        if os.waitstatus_to_exitcode(status) != 137:
            sys.exit(f"the job itself failed at operation {number}")


main()
