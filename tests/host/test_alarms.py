"""Life cycle of an alarm, and history in buckets."""

import numpy as np
import pytest

from qnlab.errors import QnlabError
from qnlab.host.alarms import Alarms
from qnlab.host.history import History


@pytest.fixture
def alarms():
    told = []
    alarms = Alarms(told.append)
    alarms.told = told
    return alarms


def states(alarms):
    return {a["id"]: a["state"] for a in alarms.told[-1]["alarms"]}


def test_acknowledged_then_cleared_is_gone(alarms):
    alarms.raise_("QBER", "link", "critical", "12 %")
    assert states(alarms) == {"link/QBER": "active-unack"}
    alarms.acknowledge("link/QBER", "looking at it")
    assert states(alarms) == {"link/QBER": "active-ack"}
    alarms.clear("QBER", "link")
    assert states(alarms) == {}


def test_cleared_stays_until_acknowledged(alarms):
    alarms.raise_("QBER", "link", "critical", "12 %")
    alarms.clear("QBER", "link")
    assert states(alarms) == {"link/QBER": "cleared-unack"}
    alarms.raise_("QBER", "link", "critical", "13 %")
    assert alarms.told[-1]["alarms"][0]["count"] == 2
    alarms.clear("QBER", "link")
    alarms.acknowledge("link/QBER", "a bus passed by")
    assert states(alarms) == {}


def test_a_cause_that_stays_is_told_once(alarms):
    alarms.raise_("QBER", "link", "minor", "same")
    alarms.raise_("QBER", "link", "minor", "same")
    assert len(alarms.told) == 1


def test_shelving_ends_by_itself(alarms, monkeypatch):
    alarms.raise_("QBER", "link", "minor", "text")
    alarms.shelve("link/QBER", 10, "known")
    assert states(alarms) == {"link/QBER": "shelved"}
    alarms.unshelve()
    assert states(alarms) == {"link/QBER": "shelved"}
    monkeypatch.setattr("qnlab.host.alarms.time.time", lambda: 4e9)
    alarms.unshelve()
    assert states(alarms) == {"link/QBER": "active-unack"}


def test_a_reason_is_needed_and_the_alarm_must_exist(alarms):
    alarms.raise_("QBER", "link", "minor", "text")
    with pytest.raises(QnlabError, match="say why"):
        alarms.acknowledge("link/QBER", "  ")
    with pytest.raises(QnlabError, match="no alarm 'x'"):
        alarms.acknowledge("x", "y")


def test_gravest_first(alarms):
    for name, priority in (("a", "minor"), ("b", "critical"), ("c", "major")):
        alarms.raise_(name, "s", priority, "text")
    assert [a["id"] for a in alarms.told[-1]["alarms"]] == ["s/b", "s/c", "s/a"]


def test_buckets_hold_minimum_mean_and_maximum():
    history = History()
    for k in range(100):
        history.add("x", 1000 + k * 0.1, float(k))
    result = history.read({"begin_s": 1000, "end_s": 1100})["series"]["x"]
    assert result[0] == [1000 + k for k in range(10)]
    assert result[1][3], result[3][3] == (30.0, 39.0)
    assert result[2][3] == pytest.approx(34.5)


def test_skipped_time_stays_empty_and_x_increases():
    history = History()
    for t in (0.5, 1.5, 3600.5, 7300.5, 7302.5):
        history.add("x", t, 1.0)
    times = history.read({"begin_s": 4000, "end_s": 7400})["series"]["x"][0]
    assert times == [7300.0, 7302.0]
    day = history.read({"begin_s": 0, "end_s": 86_400})
    assert day["interval_s"] == 60.0
    assert (np.diff(day["series"]["x"][0]) > 0).all()


def test_what_is_no_number_is_passed_over():
    history = History()
    for value in (None, "text", True, float("nan"), [1.0]):
        history.add("x", 1.0, value)
    assert history.read({"begin_s": 0, "end_s": 2})["series"] == {}
