"""An open bench: roles by name, limits, and what is made safe and closed in which order."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from qnlab.bench import Bench, BenchFile, check_bench, load_bench, open_bench
from qnlab.clock import VirtualClock, WallClock
from qnlab.errors import BenchError, Disconnected, OutOfRange
from qnlab.instruments.roles import LaserSource, PowerMeter, SinglePhotonDetector, TimeTagger

PLUGIN = Path(__file__).parent / "plugin"
HEAD = '[bench]\nname = "lab"\n[sites.here]\n[sites.there]\n'


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The plug-in of the tests, as if it were installed."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    import lab_plugin

    lab_plugin.events.clear()
    yield lab_plugin
    del sys.modules["lab_plugin"]


Lab = Callable[..., BenchFile]


@pytest.fixture
def lab(tmp_path: Path, plugin: ModuleType) -> Lab:
    """A bench of meters ``a``, ``b``, ... each with the failures asked for."""

    def make(*failures: str, extra: str = "") -> BenchFile:
        text = HEAD
        for number, failing in enumerate(failures):
            text += (
                f'[instruments.{"abcdef"[number]}]\nsite = "{("here", "there")[number % 2]}"\n'
                f'role = "PowerMeter"\ndriver = "lab"\naddress = "{number} {failing}"\n'
            )
        path = tmp_path / "lab.toml"
        path.write_text(text + extra, encoding="utf-8")
        return load_bench(path)

    return make


def test_leaving_makes_all_safe_before_any_is_closed_last_opened_first(
    lab: Lab, plugin: ModuleType
) -> None:
    with open_bench(lab("", "", "")):
        assert plugin.events == ["open a", "open b", "open c"]
    assert plugin.events[3:] == ["safe c", "safe b", "safe a", "close c", "close b", "close a"]


def test_a_failure_to_open_releases_what_was_opened_and_keeps_the_cause(
    lab: Lab, plugin: ModuleType
) -> None:
    with pytest.raises(Disconnected, match="c: gone at open") as caught:
        open_bench(lab("", "safe", "open", ""))
    assert plugin.events == [
        "open a", "open b", "open c", "safe b", "safe a", "close b", "close a"
    ]  # fmt: skip
    assert caught.value.__notes__ == ["b: gone at safe"]


@pytest.mark.parametrize("kind", ["safe", "safe-bug"])
def test_every_instrument_is_made_safe_and_closed_though_one_fails(
    lab: Lab, plugin: ModuleType, kind: str
) -> None:
    with pytest.raises(ExceptionGroup) as caught, open_bench(lab("", kind, "close")):
        plugin.events.clear()
    assert plugin.events == ["safe c", "safe b", "safe a", "close c", "close b", "close a"]
    named = [str(error) for error in caught.value.exceptions]
    assert len(named) == 2
    assert "b" in named[0]
    assert "c: gone at close" in named[1]


def test_an_error_in_the_block_stays_visible_beside_a_failing_clean_up(lab: Lab) -> None:
    with pytest.raises(ExceptionGroup) as caught, open_bench(lab("safe")):
        raise OutOfRange("a", "too much")
    assert isinstance(caught.value.__context__, OutOfRange)


def test_safe_state_tries_all_from_any_thread(lab: Lab, plugin: ModuleType) -> None:
    raised: list[Exception] = []

    def make_safe(bench: Bench) -> None:
        try:
            bench.safe_state()
        except ExceptionGroup as group:
            raised.append(group)

    bench = open_bench(lab("safe", ""))
    plugin.events.clear()
    thread = threading.Thread(target=make_safe, args=(bench,))
    thread.start()
    thread.join(5)
    assert plugin.events == ["safe a", "safe b"]
    assert len(raised) == 1


def test_get_wants_exactly_one(lab: Lab) -> None:
    with open_bench(lab("", "", "")) as bench:
        names = [meter.name for meter in bench.all(PowerMeter)]  # type: ignore[type-abstract]
        assert names == ["a", "b", "c"]
        assert bench.get(PowerMeter, site="there").name == "b"  # type: ignore[type-abstract]
        assert bench.get(PowerMeter, name="c").name == "c"  # type: ignore[type-abstract]
        for arguments, words in (
            ({}, "lab: exactly one PowerMeter is needed, found a, b, c"),
            ({"site": "here"}, "exactly one PowerMeter at site 'here' is needed, found a, c"),
            ({"name": "z"}, "exactly one PowerMeter named 'z' is needed, found none"),
            ({"site": "there", "name": "a"}, "at site 'there' named 'a' is needed, found none"),
        ):
            with pytest.raises(BenchError, match=words):
                bench.get(PowerMeter, **arguments)  # type: ignore[type-abstract]
        with pytest.raises(BenchError, match="exactly one LaserSource is needed, found none"):
            bench.get(LaserSource)  # type: ignore[type-abstract]


def test_settings_of_the_file_are_applied(lab: Lab) -> None:
    extra = "[instruments.a.settings]\naveraging_s = 2.5\n"
    with open_bench(lab("", "", extra=extra)) as bench:
        readings = bench.settings()
    assert {key: reading.value for key, reading in readings.items()} == {
        "a.averaging_s": 2.5,
        "b.averaging_s": 0.1,
    }
    assert readings["a.averaging_s"].source == "a.averaging_s"
    assert readings["a.averaging_s"].unit == "s"


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        (
            "[instruments.a.settings]\naveraging_s = 11\n",
            "instruments.a.settings.averaging_s: averaging_s out of range; "
            "expected 0.001..10 s, got 11",
        ),
        (
            "[instruments.a.settings]\naverging_s = 1\n",
            "instruments.a.settings.averging_s: no setting 'averging_s'; expected averaging_s?",
        ),
        (
            '[limits]\n"a.averging_s" = [0, 1]\n',
            "limits.a.averging_s: no setting 'averging_s'; expected averaging_s?",
        ),
        (
            '[limits]\n"a.averaging_s" = [11, 12]\n',
            "limits.a.averaging_s: limits beyond those of the device; "
            "expected 0.001..10 s, got 11..12",
        ),
        (
            '[limits]\n"a.averaging_s" = [0, 1]\n[instruments.a.settings]\naveraging_s = 2\n',
            "instruments.a.settings.averaging_s: averaging_s out of range; "
            "expected 0.001..1 s, got 2",
        ),
    ],
)
def test_what_an_instrument_refuses_is_named_by_file_and_key(
    lab: Lab, extra: str, line: str
) -> None:
    with pytest.raises(BenchError) as caught:
        open_bench(lab("", extra=extra))
    assert caught.value.problems == (f"lab.toml: {line}",)


def test_limits_of_the_file_hold_at_the_instrument(lab: Lab) -> None:
    with open_bench(lab("", "", extra='[limits]\n"a.averaging_s" = [0.01, 1]\n')) as bench:
        a, b = bench.all(PowerMeter)  # type: ignore[type-abstract]
        with pytest.raises(OutOfRange, match=r"expected 0\.01\.\.1 s\] \[last 1\.5\]"):
            a.apply({"averaging_s": 1.5})
        assert a.settings()["averaging_s"].value == 0.1
        assert b.apply({"averaging_s": 1.5})["averaging_s"].value == 1.5


def test_a_device_of_another_role_is_refused(lab: Lab, plugin: ModuleType) -> None:
    file = lab("", "")
    table = file.instruments["b"].model_copy(update={"role": "LaserSource"})
    wrong = file.model_copy(update={"instruments": {**file.instruments, "b": table}})
    with pytest.raises(BenchError) as caught:
        open_bench(wrong)
    assert caught.value.problems == (
        "lab.toml: instruments.b.role: at address '1 ' is a device of role PowerMeter, "
        "not LaserSource",
    )
    assert plugin.events[2:] == ["safe b", "safe a", "close b", "close a"]


def test_a_check_asks_every_instrument_also_when_one_is_gone(lab: Lab) -> None:
    checks, procedures = check_bench(
        lab("", "open", "alarm", "health", extra="[procedures.probe]\n")
    )
    assert {check.instrument: check.problems for check in checks} == {
        "a": (),
        "b": ("b: gone at open",),
        "c": ("too hot",),
        "d": ("d: gone at health",),
    }
    assert checks[0].model == "lab meter"
    assert checks[0].simulated is False
    assert procedures == {}


@pytest.mark.parametrize(
    ("table", "problems"),
    [
        ("", []),
        ('end = "unfit"', ["no fibre is plugged in"]),
        (
            "durations_s = 1",
            ["lab.toml: procedures.probe.durations_s: unknown key; did you mean duration_s?"],
        ),
    ],
)
def test_a_check_asks_the_procedures(lab: Lab, table: str, problems: list[str]) -> None:
    file = lab("", extra=f"[procedures.probe]\n{table}\n")
    assert check_bench(file)[1] == {"probe": problems}


def test_the_packaged_bench_opens_with_its_world() -> None:
    with open_bench(load_bench("bb84-25km")) as bench:
        assert bench.simulated
        assert bench.seed == 1
        assert isinstance(bench.clock, VirtualClock)
        detectors = bench.all(SinglePhotonDetector, site="bob")  # type: ignore[type-abstract]
        assert [d.name for d in detectors] == ["det_h", "det_v", "det_d", "det_a"]
        tagger = bench.get(TimeTagger)  # type: ignore[type-abstract]
        assert bench.channel_map(tagger.name) == {"H": 1, "V": 2, "D": 3, "A": 4}
        assert all(item.identity.simulated for item in bench.instruments.values())
    with open_bench(load_bench("bb84-25km"), seed=9) as bench:
        assert bench.seed == 9


def test_a_bench_without_world_follows_the_wall_clock_and_the_home_given(
    lab: Lab, tmp_path: Path
) -> None:
    with open_bench(lab(""), home=tmp_path / "h") as bench:
        assert isinstance(bench.clock, WallClock)
        assert not bench.simulated
        assert bench.home == tmp_path / "h"


def test_a_wrong_world_names_file_and_key() -> None:
    file = load_bench("bb84-25km", {"world.fibr_km": 3.0, "world.controller": "elves"})
    with pytest.raises(BenchError) as caught:
        open_bench(file)
    assert set(caught.value.problems) == {
        "bb84-25km.toml: world.fibr_km: unknown key; did you mean fibre_km?",
        "bb84-25km.toml: world.controller: should be 'squeezers' or 'paddles', got 'elves'",
    }


def test_a_run_stores_the_settings_of_the_whole_bench(lab: Lab, tmp_path: Path) -> None:
    with open_bench(lab("", ""), home=tmp_path) as bench, bench.run("probe", x_s=1.0) as run:
        assert run.folder.is_relative_to(tmp_path / "runs")
    assert run.outcome["exit_status"] == "success"
