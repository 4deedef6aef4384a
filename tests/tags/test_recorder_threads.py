"""The recorder under a fast stream: nothing is lost, and a sync does not hold the writer up."""

import os
import threading

import numpy as np
import pytest

from qnlab.clock import VirtualClock
from qnlab.errors import StoreError
from qnlab.runs import recorder as module
from qnlab.runs import start_run
from qnlab.runs.recorder import read_tags
from qnlab.tags import TagChunk

CHUNKS = 60


def chunk(k):
    t = np.arange(1000, dtype=np.int64) + 1000 * k
    return TagChunk(t, (t % 5).astype(np.uint8), 1000 * k, 1000 * (k + 1), k, "clock")


def a_run(home):
    return start_run(
        home, procedure="p", parameters={}, bench="b", seed=0, simulated=True,
        clock=VirtualClock(), settings={},
    )  # fmt: skip


def assert_whole(folder):
    t = np.concatenate([c.t for c in read_tags(folder, "tags")])
    np.testing.assert_array_equal(t, np.arange(1000 * CHUNKS))


def test_many_segments_with_syncs_between_are_all_sealed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROTATE_BYTES", 10_000)
    with a_run(tmp_path) as run:
        recorder = run.recorder("tags")
        over = threading.Event()

        def sync():
            while not over.is_set():
                recorder.sync()

        syncing = threading.Thread(target=sync)
        syncing.start()
        for k in range(CHUNKS):
            recorder.write(chunk(k))
        over.set()
        syncing.join()
    assert len(list(run.folder.glob("tags-*.parquet"))) == CHUNKS / 3
    assert not list(run.folder.glob("tags-*.arrows"))
    assert_whole(run.folder)


def test_a_sync_that_takes_long_does_not_hold_the_writer_up(tmp_path, monkeypatch):
    real, begun, go_on = os.fsync, threading.Event(), threading.Event()

    def slow(handle):
        if threading.current_thread().name == "slow sync":
            begun.set()
            assert go_on.wait(30)
        real(handle)

    monkeypatch.setattr(os, "fsync", slow)
    with a_run(tmp_path) as run:
        recorder = run.recorder("tags")
        recorder.write(chunk(0))
        syncing = threading.Thread(target=recorder.sync, name="slow sync")
        syncing.start()
        assert begun.wait(30)
        for k in range(1, CHUNKS):
            recorder.write(chunk(k))
        assert syncing.is_alive()
        go_on.set()
        syncing.join()
    assert_whole(run.folder)


def test_a_full_disk_at_the_end_of_a_segment_keeps_its_chunks(tmp_path, monkeypatch):
    from qnlab.runs import segments

    real = segments.append

    def full(handle, data):
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        real(handle, data)

    with a_run(tmp_path) as run:
        recorder = run.recorder("tags")
        for k in range(CHUNKS):
            recorder.write(chunk(k))
        with monkeypatch.context() as patch:
            patch.setattr(segments, "append", full)
            with pytest.raises(StoreError, match="disk is full"):
                recorder.close()
        assert_whole(run.folder)
