"""The folder of a run is a time-tag file like any other."""

import shutil

import numpy as np
import pytest

from qnlab.clock import VirtualClock
from qnlab.errors import FormatError
from qnlab.runs import start_run
from qnlab.tags.files import open_tags
from tests.tags.files.made import GAP, MARKER, chunked, tags_of

NEAR = [(5, 1), (9, 2), (9, 3), (70, 200)]
FAR = [(10**12, 7)]


@pytest.fixture
def run(tmp_path):
    with start_run(
        tmp_path, procedure="p", parameters={}, bench="b", seed=0, simulated=True,
        clock=VirtualClock(), settings={},
    ) as run:  # fmt: skip
        for chunk in chunked(NEAR, [1, 1], gaps=[GAP], markers=[MARKER]):
            run.recorder("near").write(chunk)
        for chunk in chunked(FAR, []):
            run.recorder("far").write(chunk)
        run.sync()
        shutil.copytree(run.folder, tmp_path / "as it was written")
    return run.folder


def test_streams_are_read_by_name(run):
    info = open_tags(run, "near").info()
    assert info.format == "qnlab run, stream near"
    assert (info.records, info.tags, info.overflows, info.gaps) == (4, 4, 0, 1)
    assert info.channels == {1: 1, 2: 1, 3: 1, 200: 1}
    assert (info.first_ps, info.last_ps, info.resolution_ps) == (5, 70, 1)
    far = np.concatenate([chunk.t for chunk in open_tags(run, "far").chunks()])
    assert far.tolist() == [10**12]


def test_the_stream_must_be_named_if_there_are_several(run, cli):
    with pytest.raises(FormatError, match="name one tag stream of the run, which has far, near"):
        open_tags(run)
    with pytest.raises(FormatError, match="no tag stream 'nigh' in the run, which has far, near"):
        open_tags(run, "nigh")
    assert cli("info", run, "--stream", "far", "--json")["tags"] == 1


def test_a_run_that_is_being_written_can_be_read_and_so_can_its_segments(run, tmp_path):
    folder = tmp_path / "as it was written"
    assert open_tags(folder, "near").info().tags == 4
    kinds = {open_tags(path).info().format for path in folder.glob("tags-*")}
    assert kinds == {"qnlab live segment"}
    kinds = {open_tags(path).info().format for path in run.glob("tags-*")}
    assert kinds == {"qnlab Parquet"}


def test_a_run_is_converted_with_its_gaps(run, tmp_path, cli):
    out = tmp_path / "near.parquet"
    told = cli("convert", run, out, "--stream", "near", "--json")
    assert (told["tags"], told["dropped_gaps"], told["dropped_markers"]) == (4, 0, 0)
    assert tags_of(out) == NEAR
    chunks = list(open_tags(out).chunks())
    assert chunks[0].gaps == (GAP,)
    assert chunks[0].markers == (MARKER,)


def test_only_runs_have_streams(run):
    with pytest.raises(FormatError, match="only the folder of a run has streams"):
        open_tags(next(run.glob("tags-*")), "near")
