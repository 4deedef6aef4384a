"""What a run leaves: documents that event-model accepts, whatever happened in it."""

import json
import os
import threading

import pytest

from qnlab.errors import Aborted, StoreError
from qnlab.runs import read_documents
from qnlab.runs.recovery import recover
from qnlab.runs.verification import verify
from qnlab.values import Reading
from tests.runs.made import a_run, assert_valid, chunk, exact_chunks, exact_events


def stop_of(folder):
    return dict(read_documents(folder))["stop"]


def test_data_reach_the_disk_within_a_second_by_themselves(tmp_path, monkeypatch):
    real, synced = os.fsync, []
    both = threading.Event()

    def fsync(handle):
        real(handle)
        if threading.current_thread().name == "run-sync":
            synced.append(os.fstat(handle).st_ino)
            if {events.stat().st_ino, tags.stat().st_ino} <= set(synced):
                both.set()

    with a_run(tmp_path) as run:
        events, tags = run.folder / "events.jsonl", run.folder / "tags-000001.arrows"
        run.recorder("tags").write(chunk(0))
        monkeypatch.setattr(os, "fsync", fsync)
        run.record("count", n=0)
        assert both.wait(1.0)


def test_a_run_with_events_and_tags(tmp_path):
    settings = {"tagger.ch1.delay_ps": Reading(5.0, "ps", time_s=0.0, source="tagger")}
    with a_run(tmp_path, settings) as run:
        run.record("block", n=0, qber=0.01, status="kept", histogram=[1, 2], link_loss_db=5.0)
        run.record("block", n=1, qber=None, status="kept", histogram=[3, 4], link_loss_db=5.1)
        for k in range(5):
            run.recorder("tags").write(chunk(k))
        run.result({"secret_bits": 12, "qber": {"key": float("nan")}})
    assert_valid(run.folder)
    documents = read_documents(run.folder)
    kinds = [kind for kind, _ in documents]
    assert kinds == [
        "start", "descriptor", "event", "event", "descriptor", "stream_resource", "stream_datum",
        "stop",
    ]  # fmt: skip
    start, stop = documents[0][1], documents[-1][1]
    assert start["settings"][0]["name"] == "tagger.ch1.delay_ps"
    assert documents[1][1]["data_keys"]["link_loss_db"]["units"] == "dB"
    assert documents[6][1]["seq_nums"] == {"start": 1, "stop": 6}
    assert (stop["exit_status"], stop["num_events"]) == ("success", {"block": 2, "tags": 5})
    assert stop["result"] == {"secret_bits": 12, "qber": {"key": None}}
    assert (exact_chunks(run.folder), exact_events(run.folder)) == (5, 2)
    assert verify(run.folder).state == "whole"
    assert not recover(run.folder).changed


def test_an_aborted_run_names_its_reason(tmp_path):
    with pytest.raises(Aborted), a_run(tmp_path) as run:  # noqa: PT012
        run.record("block", n=0)
        run.abort("qber_abort", "11.2 % in block 3")
        run.checkpoint()
    assert_valid(run.folder)
    stop = stop_of(run.folder)
    assert (stop["exit_status"], stop["reason"]) == ("abort", "qber_abort")
    assert stop["cause"] == "Aborted: qber_abort: 11.2 % in block 3"
    assert verify(run.folder).state == "whole"


def test_ctrl_c_is_an_abort_by_the_operator(tmp_path):
    with pytest.raises(KeyboardInterrupt), a_run(tmp_path) as run:
        raise KeyboardInterrupt
    assert_valid(run.folder)
    assert (stop_of(run.folder)["exit_status"], stop_of(run.folder)["reason"]) == (
        "abort", "operator",
    )  # fmt: skip


def test_clean_up_goes_backwards_and_keeps_cause_and_errors(tmp_path):
    done = []

    def broken(name):
        done.append(name)
        raise OSError(f"{name} does not answer")

    with pytest.raises(ValueError, match="bad block"), a_run(tmp_path) as run:  # noqa: PT012
        run.cleanup(done.append, "first")
        run.cleanup(broken, "second")
        run.cleanup(broken, "third")
        raise ValueError("bad block")
    assert done == ["third", "second", "first"]
    assert_valid(run.folder)
    stop = stop_of(run.folder)
    assert (stop["exit_status"], stop["reason"]) == ("fail", "ValueError")
    assert stop["cause"] == "ValueError: bad block"
    assert stop["cleanup_errors"] == [
        "OSError: third does not answer", "OSError: second does not answer",
    ]  # fmt: skip


def test_a_failed_clean_up_alone_is_no_success(tmp_path):
    with a_run(tmp_path) as run:
        run.cleanup(lambda: 1 / 0)
    stop = stop_of(run.folder)
    assert (stop["exit_status"], stop["reason"], stop["cause"]) == ("fail", "clean_up", "")
    assert stop["cleanup_errors"] == ["ZeroDivisionError: division by zero"]


def test_a_paused_run_waits_at_its_checkpoint(tmp_path):
    with a_run(tmp_path) as run:
        told, passed = threading.Event(), threading.Event()
        run.on_progress(lambda fraction, message: told.set())
        run.pause()

        def work():
            run.checkpoint(0.5)
            passed.set()

        thread = threading.Thread(target=work)
        thread.start()
        assert told.wait(30)
        assert not passed.wait(0.05)
        run.resume()
        thread.join(30)
        assert passed.is_set()


def test_a_paused_run_can_be_aborted(tmp_path):
    caught = []
    with a_run(tmp_path) as run:
        run.pause()

        def work():
            with pytest.raises(Aborted) as info:
                run.checkpoint()
            caught.append(info.value.reason)

        thread = threading.Thread(target=work)
        thread.start()
        run.abort("operator")
        thread.join(30)
        assert caught == ["operator"]


@pytest.mark.parametrize(
    ("second", "told"),
    [({"m": 1}, "has the fields"), ({"n": "x"}, "'n' holds number values, not string")],
)
def test_an_event_unlike_the_first_is_refused(tmp_path, second, told):
    with a_run(tmp_path) as run:
        run.record("block", n=0)
        with pytest.raises(ValueError, match=told):
            run.record("block", **second)
    assert exact_events(run.folder) == 1


@pytest.mark.parametrize("name", ["a.b", "a/b", ""])
def test_a_name_that_documents_cannot_hold_is_refused(tmp_path, name):
    with a_run(tmp_path) as run:
        with pytest.raises(ValueError, match="cannot name a field"):
            run.record("block", **{name: 1})
        with pytest.raises(ValueError, match="cannot name a field"):
            run.result({"part": [{name: 1}]})
    assert_valid(run.folder)


def test_a_chunk_out_of_order_is_refused(tmp_path):
    with a_run(tmp_path) as run:
        run.recorder("tags").write(chunk(0))
        with pytest.raises(ValueError, match="chunk 2 follows chunk 0"):
            run.recorder("tags").write(chunk(2))
    assert exact_chunks(run.folder) == 1


def test_the_home_cannot_be_written(tmp_path):
    (tmp_path / "runs").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match=str(tmp_path)), a_run(tmp_path):
        pass


def test_a_garbled_document_is_named_with_its_line(tmp_path):
    with a_run(tmp_path) as run:
        run.record("block", n=0)
    path = run.folder / "events.jsonl"
    path.write_bytes(path.read_bytes() + b"[1, 2\n")
    with pytest.raises(StoreError, match=r"events\.jsonl: line 3: not a document"):
        read_documents(run.folder)
    assert any("line 3" in problem for problem in verify(run.folder).problems)


def test_the_start_document_is_there_before_the_run_begins(tmp_path):
    with a_run(tmp_path) as run:
        start = json.loads((run.folder / "start.json").read_text())
        assert (start["uid"], start["parameters"], start["seed"]) == (run.uid, {"a": 1}, 5)
