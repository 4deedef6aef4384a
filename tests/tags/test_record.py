"""``qnlab tags record``: a run with the tags of the bench, whole, cut off or refused."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from qnlab.cli.tags import tags
from qnlab.runs.recorder import read_tags

LIT = ("--set", "instruments.attenuator.settings.shutter_closed=false", "--seed", "3")


def call(home, *words):
    arguments = ["record", *map(str, words), "--home", str(home), "--json"]
    return CliRunner().invoke(tags, arguments, catch_exceptions=False)


def told(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def recorded(folder, stream="tagger"):
    chunks = list(read_tags(Path(folder), stream))
    t = np.concatenate([c.t for c in chunks])
    return chunks, t, np.concatenate([c.ch for c in chunks])


def test_a_simulated_bench_is_recorded_for_exactly_the_duration(tmp_path):
    run = told(call(tmp_path, "bb84-25km", "--duration", 0.15, *LIT))
    chunks, t, ch = recorded(run["folder"])
    assert chunks[-1].t_end - chunks[0].t_begin == 150_000_000_000
    figures = run["streams"][0]
    assert figures["duration_s"] == 0.15
    assert figures["tags"] == len(t) > 1000
    assert figures["channels"] == {str(n): int((ch == n).sum()) for n in (1, 2, 3, 4)}
    assert run["exit_status"] == "success"
    stop = json.loads((Path(run["folder"]) / "stop.json").read_text())
    assert stop["result"]["streams"] == run["streams"]


def test_channels_by_name_and_number(tmp_path):
    run = told(call(tmp_path, "bb84-25km", "--duration", 0.1, "--channels", "H,4", *LIT))
    assert set(run["streams"][0]["channels"]) == {"1", "4"}


def test_an_unknown_channel_is_refused_before_the_run(tmp_path):
    from qnlab.errors import ProcedureError

    with pytest.raises(ProcedureError, match="no channel 'X'; there are A, D, H, V, 1, 2, 3, 4"):
        call(tmp_path, "bb84-25km", "--duration", 0.1, "--channels", "X")
    assert not (tmp_path / "runs").exists()


def replay_bench(tmp_path, folder, clock):
    path = tmp_path / f"{clock}.toml"
    path.write_text(
        f'[bench]\nname = "replay"\nclock = "{clock}"\n[sites.lab]\n[instruments.tagger]\n'
        f'site = "lab"\nrole = "TimeTagger"\ndriver = "replay"\naddress = {str(folder)!r}\n',
        encoding="utf-8",
    )
    return path


def test_a_replayed_run_is_recorded_as_it_was(tmp_path):
    first = told(call(tmp_path, "bb84-25km", "--duration", 0.15, *LIT))
    bench = replay_bench(tmp_path, first["folder"], "virtual")
    second = told(call(tmp_path, bench, "--duration", 0.15))
    for a, b in zip(recorded(first["folder"])[1:], recorded(second["folder"])[1:], strict=True):
        np.testing.assert_array_equal(a, b)


def test_when_the_stream_ends_early_the_run_fails_and_keeps_what_was_recorded(tmp_path):
    first = told(call(tmp_path, "bb84-25km", "--duration", 0.1, *LIT))
    bench = replay_bench(tmp_path, first["folder"], "virtual")
    result = call(tmp_path, bench, "--duration", 1)
    assert result.exit_code == 1
    second = json.loads(result.stdout)
    assert (second["exit_status"], second["reason"]) == ("fail", "Disconnected")
    assert second["streams"][0]["tags"] == len(recorded(second["folder"])[1])
    np.testing.assert_array_equal(recorded(first["folder"])[1], recorded(second["folder"])[1])


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C reaches the whole console there")
def test_ctrl_c_ends_the_recording_and_keeps_it(tmp_path):
    first = told(call(tmp_path, "bb84-25km", "--duration", 3, *LIT))
    bench = replay_bench(tmp_path, first["folder"], "wall")
    home = tmp_path / "second"
    words = ["tags", "record", str(bench), "--duration", "3", "--home", str(home), "--json"]
    program = "from qnlab.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not list(home.glob("runs/*/*/*/tags-*.arrows")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    run = json.loads(out)
    assert (run["exit_status"], run["reason"]) == ("abort", "operator")
    t = recorded(run["folder"])[1]
    np.testing.assert_array_equal(t, recorded(first["folder"])[1][: len(t)])
    assert run["streams"][0]["tags"] == len(t)
