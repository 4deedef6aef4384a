"""Host and window as processes: either may die, the other lives on."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from qnlab.gui.hosting import OwnHost
from qnlab.port.network import NetworkPort

PROGRAM = "from qnlab.cli import main; main()"


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


@pytest.fixture
def host(tmp_path):
    host = OwnHost("bb84-25km", tmp_path, ["--seed", "7"])
    yield host
    host.close()


def test_a_killed_window_leaves_the_run_alone_and_another_sees_it_all(host, tmp_path):
    port = NetworkPort(host.address)
    run = {"procedure": "bb84", "parameters": {"duration_s": 60.0}}
    uid = port.call("run.start", run, deadline_s=10).result(15)
    until(lambda: port.latest("run/event/block"))
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    words = ["gui", "--connect", host.address, "--home", str(tmp_path)]
    window = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], env=environment)
    until(lambda: list((tmp_path / "gui").glob("layout-*.json")))
    window.send_signal(signal.SIGKILL)
    window.wait(10)
    before = port.latest("run/event/block").sequence
    until(lambda: port.latest("run/event/block").sequence > before)
    status = port.latest("host/status").body
    assert (status["run"], status["state"], status["lost_tags"]) == (uid, "running", 0)
    begin = time.monotonic()
    late = NetworkPort(host.address)
    past = late.call("history.read", {"begin_s": time.time() - 600, "end_s": time.time()}).result(5)
    assert len(past["series"]["block/qber_key"][0]) >= 2
    assert time.monotonic() - begin < 2
    late.close()
    port.call("stop_all").result(5)
    result = until(lambda: port.latest("run/result"))
    assert result.body["reason"] == "operator"
    port.close()


def test_a_killed_host_is_missed_within_a_second(host):
    port = NetworkPort(host.address)
    until(lambda: port.presence() == {"host"})
    host.process.send_signal(signal.SIGKILL)
    until(lambda: not port.presence(), 1.0)
    port.close()


def test_a_host_ends_in_a_safe_state_when_asked(host):
    port = NetworkPort(host.address)
    port.call("instrument.call", {"instrument": "laser", "method": "enable"}).result(5)
    port.close()
    host.process.send_signal(signal.SIGTERM)
    assert host.process.wait(20) == 0


def test_a_bench_that_is_none_is_said_in_one_line(tmp_path):
    words = ["gui", "--bench", "no-such", "--home", str(tmp_path)]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], env=environment,
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 2
    assert "no-such" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_window_process_loads_no_compiler(tmp_path):
    code = "import sys, qnlab.gui.window; print('numba' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_serve_prints_where_it_listens(tmp_path):
    words = ["serve", "bb84-25km", "--listen", "0.0.0.0:7449", "--home", str(tmp_path), "--json"]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert "TLS" in done.stderr
    host = OwnHost("bb84-25km", tmp_path)
    assert json.loads(json.dumps({"address": host.address}))["address"].startswith("127.0.0.1:")
    host.close()
