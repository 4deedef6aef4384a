"""Killed at any moment: what was acknowledged is there, and nothing else than what was written."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qnlab.errors import FormatError, StoreError
from qnlab.runs import read_documents
from qnlab.runs.documents import iterate_events
from qnlab.runs.recovery import recover
from qnlab.runs.segments import LiveSegment, Tail, read_live
from qnlab.runs.verification import verify
from tests.runs.made import a_run, assert_valid, chunk, exact_chunks, exact_events, same

ROOT = Path(__file__).parents[2]
needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")


def only_run(home):
    return next(home.glob("runs/*/*/*"))


def assert_recovers(folder, chunks, events, most=40):
    """At least so much is there before and after recovery, which can be done again."""
    before = exact_chunks(folder, most), exact_events(folder)
    assert before[0] >= chunks
    assert before[1] >= events
    done = recover(folder)
    assert (exact_chunks(folder, most), exact_events(folder)) == before
    found = verify(folder)
    assert found.state == "whole", found.problems
    assert not list(folder.glob("*.arrows"))
    assert not (folder / "lock").exists()
    assert_valid(folder)
    again = recover(folder)
    assert not again.changed
    assert again.num_events == done.num_events
    assert again.num_events.get("tags", 0) == before[0]
    return done


@pytest.mark.parametrize("seed", range(6))
def test_a_writer_that_is_killed_at_a_random_moment_loses_nothing_acknowledged(seed, tmp_path):
    rng = random.Random(seed)
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.runs.writer", str(tmp_path), str(seed)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    with writer, writer.stdout as told:
        lines = [told.readline() for _ in range(rng.randrange(1, 25))]
        time.sleep(rng.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
        lines += told.readlines()
    chunks, events = map(int, [line for line in lines if line.endswith("\n")][-1].split())
    folder = only_run(tmp_path)
    assert verify(folder).state == "crashed"
    done = assert_recovers(folder, chunks, events, most=4000)
    assert (done.exit_status, done.reason) == ("fail", "crashed")


def deaths(job, folder):
    said = subprocess.run(
        [sys.executable, "-m", "tests.runs.dying", job, str(folder)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True, timeout=200,
    )  # fmt: skip
    return int(said.stdout)


@needs_fork
def test_a_writer_that_dies_before_any_file_operation_loses_nothing_acknowledged(tmp_path):
    count = deaths("write", tmp_path)
    assert count > 30
    for number in range(count):
        acknowledged = (tmp_path / str(number) / "acknowledged").read_text().splitlines()
        chunks, events = map(int, (acknowledged or ["0 0"])[-1].split())
        started = list((tmp_path / str(number) / "home").glob("runs/*/*/*/start.json"))
        if not started:
            assert (chunks, events) == (0, 0)
            continue
        assert_recovers(started[0].parent, chunks, events)


@needs_fork
def test_a_recovery_may_itself_die_before_any_file_operation(tmp_path):
    with a_run(tmp_path / "home") as run:
        for k in range(5):
            run.recorder("tags").write(chunk(k))
            run.record("count", n=k)
        (tmp_path / "original").mkdir()
        torn = shutil.copytree(run.folder, tmp_path / "original" / run.folder.name)
    (torn / "tags-000001.parquet.part").write_bytes(b"half")
    with (torn / "events.jsonl").open("ab") as file:
        file.write(b'["event",{"uid"')
    with (torn / "tags-000001.arrows").open("ab") as file:
        file.write(b"\xff\xff\xff\xff\x00")
    count = deaths("recover", tmp_path)
    assert count > 15
    for number in range(count):
        folder = tmp_path / str(number) / torn.name
        assert_recovers(folder, 5, 5)
        assert (folder / "tags-000001.torn").read_bytes() == b"\xff\xff\xff\xff\x00"


def test_a_live_segment_cut_at_every_byte_is_an_exact_prefix(tmp_path):
    live = LiveSegment(tmp_path / "tags-000001.arrows", "tags")
    ends = []
    for k in range(4):
        live.write(chunk(k))
        ends.append(live.size)
    live.close()
    data = live.path.read_bytes()
    for cut in range(len(data)):
        live.path.write_bytes(data[:cut])
        *chunks, tail = read_live(live.path)
        assert len(chunks) == tail.chunks == sum(end <= cut for end in ends), cut
        assert all(same(read, chunk(k)) for k, read in enumerate(chunks))


def test_a_live_segment_with_any_flipped_byte_is_never_read_wrong(tmp_path):
    live = LiveSegment(tmp_path / "tags-000001.arrows", "tags")
    for k in range(2):
        live.write(chunk(k))
    live.close()
    data = live.path.read_bytes()
    refused = 0
    for position in range(len(data)):
        live.path.write_bytes(data[:position] + bytes([data[position] ^ 8]) + data[position + 1 :])
        try:
            for k, item in enumerate(read_live(live.path)):
                assert isinstance(item, Tail) or same(item, chunk(k)), position
        except FormatError:
            refused += 1
    assert refused > len(data) / 4


def test_a_changed_chunk_is_refused_by_recovery_and_left_as_it_is(tmp_path):
    with a_run(tmp_path / "home") as run:
        for k in range(3):
            run.recorder("tags").write(chunk(k))
        torn = shutil.copytree(run.folder, tmp_path / run.folder.name)
    live = torn / "tags-000001.arrows"
    data = bytearray(live.read_bytes())
    data[data.index(b'"seq":1') + 6] ^= 1
    live.write_bytes(data)
    with pytest.raises(FormatError, match="checksum"):
        recover(torn)
    assert live.read_bytes() == data
    assert not (torn / "stop.json").exists()


def test_events_cut_at_every_byte_are_an_exact_prefix(tmp_path):
    with a_run(tmp_path) as run:
        for n in range(4):
            run.record("count", n=n)
    path = run.folder / "events.jsonl"
    data = path.read_bytes()
    whole = list(iterate_events(run.folder))
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        assert list(iterate_events(run.folder)) == whole[: data[:cut].count(b"\n")], cut


def test_a_segment_whose_head_is_unreadable_is_kept_aside(tmp_path):
    with a_run(tmp_path / "home") as run:
        run.record("count", n=0)
        run.recorder("tags").write(chunk(0))
        torn = shutil.copytree(run.folder, tmp_path / run.folder.name)
    live = torn / "tags-000001.arrows"
    data = bytes(300) + live.read_bytes()[300:]
    live.write_bytes(data)
    done = recover(torn)
    assert (done.sealed, done.torn_bytes) == (0, len(data))
    assert (torn / "tags-000001.torn").read_bytes() == data
    assert verify(torn).state == "whole"
    assert exact_events(torn) == 1


def test_a_folder_without_a_start_document_is_no_run(tmp_path):
    with pytest.raises(StoreError, match=r"start\.json: cannot be read"):
        recover(tmp_path)


def test_a_segment_left_by_a_full_disk_is_sealed_later_and_the_outcome_stays(tmp_path):
    with a_run(tmp_path / "home") as run:
        for k in range(3):
            run.recorder("tags").write(chunk(k))
        live = run.folder / "tags-000001.arrows"
        left = live.read_bytes()
    sealed = run.folder / "tags-000001.parquet"
    sealed.unlink()
    live.write_bytes(left)
    lines = (run.folder / "events.jsonl").read_text().splitlines(keepends=True)
    (run.folder / "events.jsonl").write_text(lines[0])
    manifest = run.folder / "manifest.json"
    manifest.write_text('{"version": 1, "files": {}}')
    done = assert_recovers(run.folder, 3, 0)
    assert (done.exit_status, done.num_events) == ("success", {"tags": 3})
    assert [kind for kind, _ in read_documents(run.folder)] == [
        "start", "descriptor", "stream_resource", "stream_datum", "stop",
    ]  # fmt: skip
