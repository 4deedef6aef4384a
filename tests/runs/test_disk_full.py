"""A disk that is full: the run ends readable and says so, and can be completed later."""

import os
import subprocess
import sys

import pytest

from qnlab.errors import StoreError
from qnlab.runs import read_documents
from qnlab.runs.recovery import recover
from qnlab.runs.verification import verify
from tests.runs.made import a_run, assert_valid, chunk, exact_chunks, exact_events

SMALL = 4 << 20
FULL = "the disk is full; what was stored before can be read, free some space and run again"


@pytest.fixture
def small_disk(tmp_path):
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("only root of a Linux may mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", place], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def enlarge(place):
    subprocess.run(["mount", "-o", f"remount,size={8 * SMALL}", place], check=True)


def test_tags_that_fill_the_disk(small_disk):
    written = 0
    with pytest.raises(StoreError) as caught, a_run(small_disk) as run:  # noqa: PT012
        run.record("count", n=0)
        while True:
            run.recorder("tags").write(chunk(written, most=20_000))
            written += 1
    assert str(caught.value) == f"{run.folder}: {FULL}"
    assert written > 50
    stop = dict(read_documents(run.folder))["stop"]
    assert (stop["exit_status"], stop["reason"]) == ("fail", "StoreError")
    assert FULL in stop["cause"]
    assert_valid(run.folder)
    assert (exact_chunks(run.folder, 20_000), exact_events(run.folder)) == (written, 1)
    enlarge(small_disk)
    assert recover(run.folder).num_events == {"count": 1, "tags": written}
    assert exact_chunks(run.folder, 20_000) == written
    assert verify(run.folder).problems == ()


def test_events_that_fill_the_disk(small_disk):
    written = 0
    with pytest.raises(StoreError, match="disk is full"), a_run(small_disk) as run:  # noqa: PT012
        while True:
            run.record("count", n=written, text="x" * 50_000)
            written += 1
    assert exact_events(run.folder) == written > 30
    assert_valid(run.folder)
    assert verify(run.folder).problems == ()


def test_a_disk_that_is_full_from_the_start_is_named(small_disk):
    filler = small_disk / "filler"
    with filler.open("wb") as file, pytest.raises(OSError, match="No space"):  # noqa: PT012
        while True:
            file.write(bytes(1 << 20))
            file.flush()
    with pytest.raises(StoreError, match="disk is full") as caught, a_run(small_disk):
        pass
    assert str(small_disk / "runs") in str(caught.value)
