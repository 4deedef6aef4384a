"""`TagFlyer`: a time tagger that records by itself while a plan does other things."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qnlab.errors import QnlabError
from qnlab.instruments.status import Status
from qnlab.instruments.taking import Take

if TYPE_CHECKING:
    from qnlab.instruments.roles import TimeTagger
    from qnlab.runs import Run


class TagFlyer:
    """Shaped like ``bluesky.protocols.Flyable``, ``Collectable`` and ``WritesStreamAssets``.

    The tags go into `run`, where they are kept and can be verified like any others; the documents
    that `collect_asset_docs` yields point there.

    Parameters
    ----------
    parent : TimeTagger
    run : Run
        An open run.
    duration_s : float
        How long to record, on the tagger's clock, s.
    """

    def __init__(self, parent: TimeTagger, run: Run, duration_s: float) -> None:
        self.parent = parent
        self.name = parent.name
        self._run = run
        self._duration_ps = round(duration_s * 1e12)
        self._stopped = threading.Event()
        self._recording: Status | None = None
        self._collected = 0
        self._take: Take | None = None

    def kickoff(self) -> Status:
        """Start recording; done when the acquisition runs."""
        running = threading.Event()
        self._stopped.clear()
        self._recording = Status.of(lambda: self._record(running))
        self._recording.add_callback(lambda _: running.set())
        return Status.of(lambda: self._begun(self._recording, running))

    def complete(self) -> Status:
        """Done when the duration has passed and its tags lie sealed on the disk."""
        if self._recording is None:
            raise QnlabError(f"{self.name}: complete before kickoff; nothing is being recorded")
        return self._recording

    def stop(self, *, success: bool = True) -> None:
        """End the recording now; what was recorded stays. Idempotent."""
        self._stopped.set()

    def get_index(self) -> int:
        """Chunks recorded so far."""
        return 0 if self._take is None else self._take.chunks

    def describe_collect(self) -> dict[str, dict[str, Any]]:
        """Data key of the tag stream; its data lies in files."""
        from qnlab.runs.recorder import tag_data_key

        return {self.name: {**tag_data_key(self.name), "external": "STREAM:"}}

    def collect_asset_docs(self, index: int | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Stream resources and data of what was sealed since the last call.

        An index is a chunk of the stream; with `index`, only what lies wholly below it. Descriptor
        and sequence numbers are left to the plan's engine.
        """
        from qnlab.runs import read_documents

        documents = read_documents(self._run.folder)
        resources = {
            d["uid"]: d
            for kind, d in documents
            if kind == "stream_resource" and d["data_key"] == self.name
        }
        for kind, datum in documents:
            resource = resources.get(datum.get("stream_resource"))
            if kind != "stream_datum" or resource is None:
                continue
            start, stop = datum["indices"]["start"], datum["indices"]["stop"]
            if start < self._collected or (index is not None and stop > index):
                continue
            self._collected = stop
            uri = (self._run.folder / resource["uri"]).resolve().as_uri()
            yield "stream_resource", {**resource, "uri": uri}
            yield "stream_datum", {**datum, "descriptor": "", "seq_nums": {"start": 0, "stop": 0}}

    def _record(self, running: threading.Event) -> dict[str, object]:
        with self.parent.open_stream() as stream:
            recorder = self._run.recorder(self.name)
            take = self._take = Take(self.name, stream, recorder, self._duration_ps)
            running.set()
            try:
                while take.left and not self._stopped.is_set():
                    take.step(lambda: None)
            finally:
                recorder.close()
            return take.figures()

    def _begun(self, recording: Status | None, running: threading.Event) -> None:
        running.wait()
        if recording is not None and recording.done and not recording.success:
            recording.wait()
