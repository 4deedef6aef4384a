"""A bench host of one's own, in a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from qnlab.errors import QnlabError

START_S = 60.0


class OwnHost:
    """Starts ``qnlab serve`` and waits until clients may come; ended by `close`.

    Parameters
    ----------
    bench : str
    home : Path
    options : sequence of str
        More words for ``qnlab serve``.

    Raises
    ------
    QnlabError
        The bench cannot be served; says what the host said.
    """

    def __init__(self, bench: str, home: Path, options: Sequence[str] = ()) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        program = "from qnlab.cli import main; main()"
        words = ["serve", bench, "--listen", self.address, "--home", str(home), "--json", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        impatience = threading.Timer(START_S, self.process.kill)
        impatience.start()
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        impatience.cancel()
        try:
            json.loads(first)
        except json.JSONDecodeError:
            _, problem = self.process.communicate(timeout=10)
            self._release()
            raise QnlabError(problem.strip().removeprefix("qnlab: ") or "the host ended") from None
        self._drainer = threading.Thread(target=self._drain, name="host output", daemon=True)
        self._drainer.start()

    def _drain(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            sys.stderr.write(f"host: {line}")

    def close(self) -> None:
        """Ask the host to end, which leaves the bench safe."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._drainer.join(5)
        self._release()

    def _release(self) -> None:
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
