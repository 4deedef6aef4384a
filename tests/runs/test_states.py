"""A recorder in any order of writing, syncing, rotating, power cuts and closing."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from qnlab.runs import recorder as module
from qnlab.runs.recovery import recover
from qnlab.runs.verification import verify
from tests.runs.made import a_run, assert_valid, chunk, exact_chunks, exact_events


class RecorderMachine(RuleBasedStateMachine):
    """What is read back is at every moment what was written."""

    @initialize()
    def begin(self) -> None:
        self.place = tempfile.TemporaryDirectory()
        self.opened = a_run(Path(self.place.name) / "home")
        self.run = self.opened.__enter__()
        self.recorder = self.run.recorder("tags")
        self.chunks = self.events = self.copies = 0
        self.acknowledged = (0, 0)
        self.synced: dict[str, int] = {}

    @rule(count=st.integers(1, 4))
    def write(self, count: int) -> None:
        for _ in range(count):
            self.recorder.write(chunk(self.chunks))
            self.chunks += 1

    @rule()
    def write_first_of_a_new_segment(self) -> None:
        normal, module.ROTATE_BYTES = module.ROTATE_BYTES, 0
        try:
            self.recorder.write(chunk(self.chunks))
        finally:
            module.ROTATE_BYTES = normal
        self.chunks += 1

    @rule()
    def record(self) -> None:
        self.run.record("count", n=self.events)
        self.events += 1

    @rule()
    def sync(self) -> None:
        self.run.sync()
        self.acknowledged = (self.chunks, self.events)
        self.settle()
        self.synced = {path.name: path.stat().st_size for path in self.run.folder.iterdir()}

    @rule(data=st.data())
    def power_cut(self, data: st.DataObject) -> None:
        """The disk lost any part of what was not synced of the newest files."""
        self.settle()
        self.copies += 1
        folder = Path(self.place.name) / str(self.copies) / self.run.folder.name
        shutil.copytree(self.run.folder, folder)
        newest = [*sorted(folder.glob("*.arrows"))[-1:], folder / "events.jsonl"]
        for path in newest:
            size = path.stat().st_size
            kept = data.draw(st.integers(self.synced.get(path.name, 0), size))
            with path.open("r+b") as file:
                file.truncate(kept)
        recover(folder)
        assert_valid(folder)
        assert verify(folder).problems == ()
        chunks, events = exact_chunks(folder), exact_events(folder)
        assert self.acknowledged[0] <= chunks <= self.chunks
        assert self.acknowledged[1] <= events <= self.events

    @invariant()
    def reads_what_was_written(self) -> None:
        if hasattr(self, "run"):
            assert exact_events(self.run.folder) == self.events

    def settle(self) -> None:
        for sealing in list(self.recorder._sealing):
            sealing.result()

    def teardown(self) -> None:
        if not hasattr(self, "run"):
            return
        self.opened.__exit__(None, None, None)
        folder = self.run.folder
        assert (exact_chunks(folder), exact_events(folder)) == (self.chunks, self.events)
        assert verify(folder).state == "whole"
        self.place.cleanup()


TestRecorder = RecorderMachine.TestCase
TestRecorder.settings = settings(
    max_examples=15,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
