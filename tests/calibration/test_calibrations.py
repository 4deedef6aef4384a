"""Calibrations find what the world is set up with, keep it, and leave the bench as it was."""

from __future__ import annotations

import math
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from qnlab.bench import Bench, load_bench, open_bench
from qnlab.errors import Aborted, ProcedureError, StoreError
from qnlab.instruments.roles import Emission
from qnlab.plugins import load
from qnlab.procedures.calibration import find

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "calibrate.py"
NAMES = (
    "calibrate-dark", "calibrate-detectors", "calibrate-timing", "calibrate-attenuator",
    "calibrate-intensities", "calibrate-efficiency",
)  # fmt: skip
CHANNELS = ("H", "V", "D", "A")

Calibrate = Callable[..., Mapping[str, Any]]


def perform(bench: Bench, name: str, **parameters: object) -> Mapping[str, Any]:
    procedure = load("procedures", name)()
    chosen = procedure.Parameters(**parameters)
    assert procedure.check(bench, chosen) == []
    with bench.run(name) as run:
        return procedure.run(bench, run, chosen)


@pytest.fixture
def calibrate(tmp_path: Path) -> Calibrate:
    def run(name: str, world: Mapping[str, object], **parameters: object) -> Mapping[str, Any]:
        file = load_bench("bb84-25km", {f"world.{key}": value for key, value in world.items()})
        with open_bench(file, home=tmp_path) as bench:
            return perform(bench, name, **parameters)

    return run


def test_dark_counts(calibrate: Calibrate) -> None:
    found = calibrate("calibrate-dark", {"dark_rate_hz": 400.0}, duration_s=5.0)
    for name in CHANNELS:
        error = found[f"{name}_dark_error_hz"]
        assert error == pytest.approx((400 / 5) ** 0.5, rel=0.1)
        assert abs(found[f"{name}_dark_hz"] - 400) < 3.5 * error


@pytest.mark.parametrize("dead_ns", [30.0, 62.0])
def test_dead_time_and_afterpulsing(calibrate: Calibrate, dead_ns: float) -> None:
    """Afterpulses in the dead time and in the two periods that are left out are not seen."""
    world = {
        "detector_dead_time_ns": dead_ns, "afterpulse_probability": 0.05, "afterpulse_tau_us": 0.5
    }  # fmt: skip
    found = calibrate("calibrate-detectors", world)
    for name in CHANNELS:
        jitter = 0.3
        assert found[f"{name}_dead_at_least_ns"] - jitter < dead_ns
        assert dead_ns < found[f"{name}_dead_ns"] + jitter
        assert found[f"{name}_dead_ns"] - found[f"{name}_dead_at_least_ns"] == pytest.approx(12.5)
        left_out = (found[f"{name}_dead_ns"] // 12.5 + 2) * 12.5
        expected = 0.05 * math.exp(-left_out / 500.0)
        error = found[f"{name}_afterpulses_error"]
        assert error < 0.01
        assert abs(found[f"{name}_afterpulses"] - expected) < 3.5 * error + 0.05 * 0.1


def test_timing_finds_clock_and_delays(tmp_path: Path) -> None:
    with open_bench(load_bench("bb84-25km", {"world.clock_ppm": -7.5}), home=tmp_path) as bench:
        bench.instruments["tagger"].apply({"ch2.delay_ps": 500.0, "ch4.delay_ps": -1200.0})
        found = perform(bench, "calibrate-timing")
    assert found["clock_ppm"] == pytest.approx(-7.5, abs=1e-3)
    for name, delay in zip(CHANNELS, (0.0, 500.0, 0.0, -1200.0), strict=True):
        error = found[f"{name}_delay_error_ps"]
        assert abs(found[f"{name}_delay_ps"] - delay) <= 3.5 * error
        assert error < 1.0


def test_timing_without_pulses_says_so(calibrate: Calibrate) -> None:
    with pytest.raises(ProcedureError, match="no pulses to be seen"):
        calibrate("calibrate-timing", {"pulse_fwhm_ps": 20_000.0})


def test_a_linear_attenuator_has_slope_one(calibrate: Calibrate) -> None:
    found = calibrate("calibrate-attenuator", {})
    assert abs(found["slope"] - 1) < 4 * found["slope_error"]
    assert found["slope_error"] < 0.002
    assert abs(found["worst_deviation_db"]) < 0.1
    assert found["chi2"] < 25


def test_an_attenuation_without_counts_is_named(calibrate: Calibrate) -> None:
    with pytest.raises(ProcedureError, match="too few to tell; lower highest_db"):
        calibrate("calibrate-attenuator", {"fibre_km": 150.0}, duration_s=0.1)


def test_levels_and_extinction_of_the_modulator(calibrate: Calibrate) -> None:
    found = calibrate("calibrate-intensities", {"modulator_extinction_db": 18.0})
    for k, wanted in enumerate((0.5, 0.25, 0.1)):
        error = found[f"transmission_error_{k}"]
        assert abs(found[f"transmission_{k}"] - wanted) < 3.5 * error + 0.003 * wanted
    assert found["extinction_db"] == pytest.approx(18.0, abs=0.1)


def test_efficiency_against_the_power_meter_cites_the_attenuator(tmp_path: Path) -> None:
    with open_bench(load_bench("bb84-25km"), home=tmp_path) as bench:
        first = perform(bench, "calibrate-efficiency", path_loss_db=7.5)
        assert first["cites"] == []
        assert abs(first["efficiency"] - 0.3) < 2 * first["efficiency_error"]
        perform(bench, "calibrate-attenuator")
        cited = find(bench, "calibrate-attenuator")
        second = perform(bench, "calibrate-efficiency", path_loss_db=7.5)
    assert cited is not None
    assert second["cites"] == [cited.run]
    assert second["efficiency_error"] > first["efficiency_error"]
    assert abs(second["efficiency"] - 0.3) < 3 * second["efficiency_error"]


def test_a_calibration_is_kept_with_its_age(tmp_path: Path) -> None:
    with open_bench(load_bench("bb84-25km"), home=tmp_path) as bench:
        assert find(bench, "calibrate-dark") is None
        perform(bench, "calibrate-dark", duration_s=0.5)
        first = find(bench, "calibrate-dark")
        found = perform(bench, "calibrate-dark", duration_s=1.0)
        kept = find(bench, "calibrate-dark")
        assert first is not None
        assert kept is not None
        assert kept.values == found
        assert kept.run != first.run
        assert kept.age_s(kept.taken_s + 60) == 60
        assert kept.citation()["run"] == kept.run
        path = tmp_path / "calibrations" / "bb84-25km" / "calibrate-dark.json"
        path.write_text("{}")
        with pytest.raises(StoreError, match="no stored calibration"):
            find(bench, "calibrate-dark")


def abort_at_once(bench: Bench, name: str) -> None:
    procedure = load("procedures", name)()
    with bench.run(name) as run:
        run.abort("operator")
        procedure.run(bench, run, procedure.Parameters())


@pytest.mark.parametrize("name", NAMES)
def test_an_aborted_calibration_leaves_the_bench_as_it_was(tmp_path: Path, name: str) -> None:
    with open_bench(load_bench("bb84-25km"), home=tmp_path) as bench:
        bench.instruments["intensity"].configure([1.0, 0.3], [0.7, 0.3])
        bench.instruments["attenuator"].apply({"attenuation_db": 71.0, "shutter_closed": False})
        bench.instruments["laser"].enable()
        bench.instruments["det_d"].enable()
        before = {key: reading.value for key, reading in bench.settings().items()}
        with pytest.raises(Aborted):
            abort_at_once(bench, name)
        assert {key: reading.value for key, reading in bench.settings().items()} == before
        assert bench.instruments["laser"].emission() is Emission.ON
        assert find(bench, name) is None


def test_what_a_bench_lacks_is_named(tmp_path: Path) -> None:
    with open_bench(load_bench("memory-dlcz"), home=tmp_path) as bench:
        for name, line in (
            ("calibrate-attenuator", "exactly one LaserSource is needed, the bench has 0"),
            ("calibrate-intensities", "exactly one IntensityModulator is needed, the bench has 0"),
            ("calibrate-efficiency", "exactly one PowerMeter is needed, the bench has 0"),
        ):
            procedure = load("procedures", name)()
            assert line in procedure.check(bench, procedure.Parameters())


def test_the_script_of_twenty_lines_calibrates_a_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QNLAB_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["calibrate.py"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 5
    assert all("age_s" in line for line in said)
    assert len(EXAMPLE.read_text().splitlines()) <= 24
