"""A file that nobody here made, with the figures that independent readers give for it."""

import json
from pathlib import Path

import numpy as np
import ptufile
import pytest
from click.testing import CliRunner

from qnlab.cli.tags import tags
from qnlab.tags.files import open_tags

FILE = Path(__file__).resolve().parents[3] / "shared" / "data" / "hydraharp_t2_320MHz_hbt.ptu"
needs_file = pytest.mark.skipif(not FILE.exists(), reason="the real file is not beside the project")


def ask(*arguments):
    result = CliRunner().invoke(tags, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.stdout)


@needs_file
def test_info():
    info = ask("info", FILE)
    assert info["records"] == 409_482
    assert info["tags"] == 384_019
    assert info["overflows"] == 25_463
    assert info["channels"] == {"0": 159_298, "1": 224_721}
    assert info["last_ps"] == 999_986_166_686
    assert info["resolution_ps"] == 1


@needs_file
def test_coincidences():
    found = ask("coincidences", "--channels", 0, 1, "--window-ps", 50_000, FILE)
    assert found["pairs"] == 15_706


@needs_file
def test_histogram_is_a_direct_count_over_independently_decoded_records():
    found = ask("histogram", "--start", 0, "--stop", 1, "--bin-ps", 100, "--bins", 1000, FILE)
    with ptufile.PtuFile(FILE) as file:
        records = file.decode_records()
    first, second = sorted(set(records["channel"][records["channel"] >= 0]))
    start = records["time"][records["channel"] == first].astype(np.int64)
    stop = records["time"][records["channel"] == second].astype(np.int64)
    low, high = np.searchsorted(stop, start), np.searchsorted(stop, start + 100_000)
    delays = np.concatenate([stop[a:b] - t for t, a, b in zip(start, low, high, strict=True)])
    assert found["counts"] == np.bincount(delays // 100, minlength=1000).tolist()


@needs_file
def test_truncation_is_named_with_its_offset(tmp_path):
    cut = tmp_path / "cut.ptu"
    cut.write_bytes(FILE.read_bytes()[:-3])
    result = CliRunner().invoke(tags, ["info", str(cut)])
    assert result.exit_code != 0
    assert "byte" in str(result.exception)


@needs_file
def test_written_again_it_has_the_very_same_records(tmp_path):
    out = tmp_path / "again.ptu"
    assert ask("convert", FILE, out, "--format", "ptu-hydraharp2")["tags"] == 384_019
    assert out.read_bytes()[-4 * 409_482 :] == FILE.read_bytes()[-4 * 409_482 :]


@needs_file
def test_tttrlib_reads_the_same_photons():
    tttrlib = pytest.importorskip("tttrlib")
    theirs = tttrlib.TTTR(str(FILE), "PTU")
    ours = list(open_tags(FILE).chunks())
    np.testing.assert_array_equal(np.concatenate([c.t for c in ours]), theirs.macro_times)
    np.testing.assert_array_equal(np.concatenate([c.ch for c in ours]), theirs.routing_channels)
