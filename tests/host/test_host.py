"""A bench host on a simulated bench, through its port."""

import time

import pytest

from qnlab.errors import BenchError, NotSupported, OutOfRange, QnlabError
from qnlab.host import Host


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return found


@pytest.fixture
def host(tmp_path):
    with Host("bb84-25km", home=tmp_path, seed=7) as host:
        yield host


def body(host, topic):
    message = host.bus.latest(topic)
    return message.body if message else None


def test_status_rates_and_instruments_are_told(host):
    status = until(lambda: body(host, "host/status"))
    assert (status["bench"], status["simulated"], status["state"]) == ("bb84-25km", True, "idle")
    assert "bb84" in [item["name"] for item in status["procedures"]]
    rates = until(lambda: body(host, "rates/tagger"))
    assert set(rates["channels"]) == {"H", "V", "D", "A"}
    laser = body(host, "instrument/laser")
    assert laser["role"] == "LaserSource"
    assert laser["settings"]["power_w"]["high"] == pytest.approx(2e-3)


def test_counts_appear_when_light_is_let_through(host):
    for name in ("det_h", "det_v", "det_d", "det_a"):
        host.bus.call("instrument.call", {"instrument": name, "method": "enable"}).result(5)
    dark = until(lambda: body(host, "rates/tagger"))
    host.bus.call("instrument.call", {"instrument": "laser", "method": "enable"}).result(5)
    settings = {"attenuation_db": 85.0, "shutter_closed": False}
    host.bus.call("instrument.apply", {"instrument": "attenuator", "settings": settings}).result(5)

    def bright():
        rates = body(host, "rates/tagger")["channels"]
        return sum(c["rate_hz"] for c in rates.values()) > 1e5

    assert sum(c["rate_hz"] for c in dark["channels"].values()) < 5e3
    until(bright)
    changed = host.bus.call("settings.changed", {"since_s": time.time() - 60}).result(5)
    assert {"attenuator.attenuation_db", "attenuator.shutter_closed"} <= {
        item["setting"] for item in changed
    }
    until(lambda: sum(body(host, "histogram/tagger")["counts"]) > 100)


def test_stop_all_makes_everything_safe(host):
    host.bus.call("instrument.call", {"instrument": "laser", "method": "enable"}).result(5)
    host.bus.call("stop_all").result(2)
    assert host.bench.instruments["laser"].emission() == "off"
    log = host.bus.call("log.read").result(5)
    assert any("STOP ALL" in line["text"] for line in log)


def test_what_is_not_allowed_is_refused_by_name(host):
    call = host.bus.call
    with pytest.raises(OutOfRange, match="power_w"):
        call("instrument.apply", {"instrument": "laser", "settings": {"power_w": 1.0}}).result(5)
    with pytest.raises(BenchError, match="no instrument 'lazer'"):
        call("instrument.apply", {"instrument": "lazer", "settings": {}}).result(5)
    with pytest.raises(NotSupported, match="enable, disable"):
        call("instrument.call", {"instrument": "laser", "method": "close"}).result(5)
    with pytest.raises(QnlabError, match="bb85"):
        call("run.start", {"procedure": "bb85"}).result(5)
    with pytest.raises(QnlabError, match="duration_s"):
        call("run.start", {"procedure": "bb84", "parameters": {"duration_s": -1}}).result(5)


def test_a_run_is_told_from_start_to_result_and_can_be_aborted(host):
    uid = host.bus.call(
        "run.start", {"procedure": "bb84", "parameters": {"duration_s": 60.0}}
    ).result(10)
    until(lambda: (event := body(host, "run/event/alignment")) and event["uid"] == uid)
    assert len(body(host, "run/event/alignment")["data"]["arrived_h"]) == 2
    with pytest.raises(QnlabError, match="stop it first"):
        host.bus.call("run.start", {"procedure": "bb84"}).result(5)
    host.bus.call("run.abort", {"reason": "enough"}).result(5)
    result = until(lambda: body(host, "run/result"))
    assert (result["uid"], result["exit_status"], result["reason"]) == (uid, "abort", "operator")
    until(lambda: host.jobs.state == "idle")
    assert host.bench.instruments["laser"].emission() == "off"
    assert uid in [entry["run"] for entry in host.bus.call("runs.list").result(5)]
    history = host.bus.call(
        "history.read", {"begin_s": time.time() - 100, "end_s": time.time()}
    ).result(5)
    times, low, mean, high = history["series"]["alignment/qber_key"]
    assert all(a <= b <= c for a, b, c in zip(low, mean, high, strict=True))
    assert times == sorted(times)


def test_presets_are_saved_compared_and_applied(host):
    call = host.bus.call
    call("presets.save", {"name": "as found"}).result(5)
    call("instrument.apply", {"instrument": "laser", "settings": {"power_w": 5e-4}}).result(5)
    [change] = call("presets.diff", {"name": "as found"}).result(5)
    assert (change["setting"], change["old"], change["new"]) == ("laser.power_w", 5e-4, 1e-3)
    call("presets.apply", {"name": "as found"}).result(5)
    assert call("presets.diff", {"name": "as found"}).result(5) == []
    with pytest.raises(QnlabError, match="as found"):
        call("presets.diff", {"name": "other"}).result(5)
    with pytest.raises(QnlabError, match="letters"):
        call("presets.save", {"name": "../x"}).result(5)


def test_another_bench_can_be_opened_when_nothing_runs(host):
    with pytest.raises(BenchError):
        host.bus.call("bench.open", {"bench": "no-such-bench"}, deadline_s=20).result(20)
    assert host.bench.name == "bb84-25km"
    assert host.bus.call("bench.open", {"bench": "bb84-25km"}, deadline_s=20).result(20)
    until(lambda: body(host, "rates/tagger"))


def test_stopping_all_ends_a_run_as_the_operator_whatever_fails_first(host):
    for _ in range(2):
        before = body(host, "run/result")
        host.bus.call("run.start", {"procedure": "bb84"}).result(10)
        until(lambda: host.jobs.uid and body(host, "run/event/alignment"))
        host.bus.call("stop_all").result(5)
        result = until(lambda: (r := body(host, "run/result")) != before and r)  # noqa: B023
        assert (result["exit_status"], result["reason"]) == ("abort", "operator")
        until(lambda: host.jobs.state == "idle")
