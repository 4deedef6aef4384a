"""Memory procedures on packaged benches return the figures that the world is set up with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from qnlab.bench import Bench, load_bench, open_bench
from qnlab.errors import Aborted, ProcedureError
from qnlab.instruments.roles import Emission
from qnlab.plugins import load
from qnlab.procedures.memory import GateError, heralded_autocorrelation
from qnlab.sim_backends.world.memory import ControlledMemory, HeraldedMemory
from qnlab.sim_backends.world.memory_trials import HeraldedTrials

Measure = Callable[..., Mapping[str, Any]]


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    def run(name: str, bench_name: str, seed: int = 1, **settings: object) -> Mapping[str, Any]:
        world = {k: v for k, v in settings.items() if "." in k}
        file = load_bench(bench_name, world)
        procedure = load("procedures", name)()
        own = {k: v for k, v in settings.items() if "." not in k}
        parameters = procedure.Parameters(**{**file.procedures.get(name, {}), **own})
        with open_bench(file, seed=seed, home=tmp_path) as bench:
            assert procedure.check(bench, parameters) == []
            with bench.run(name) as handle:
                return procedure.run(bench, handle, parameters)

    return run


def within(found: Mapping[str, Any], name: str, expected: float, sigmas: float = 3.0) -> bool:
    return abs(found[name] - expected) < sigmas * found[name + "_error"]


def test_storage_of_warm_caesium_esguerra_2022(measure: Measure) -> None:
    found = measure("memory-storage", "memory-eit")
    assert within(found, "efficiency", 0.13)
    assert found["efficiency_error"] < 0.005
    assert within(found, "internal_efficiency", 0.33)
    assert found["mu_1"] == pytest.approx(0.07, abs=0.005)
    assert within(found, "mu_in", 1.0)
    assert found["snr"] == pytest.approx(1 / 0.07, rel=0.1)
    assert found["sbr"] == pytest.approx(found["snr"] + 1)
    assert found["arrival_ns"] == pytest.approx(83.0, abs=0.3)
    assert found["classical_fidelity"] == pytest.approx(0.807, abs=0.01)


def test_storage_in_a_comb_gundogan_2012(measure: Measure) -> None:
    found = measure("memory-storage", "memory-afc")
    assert within(found, "efficiency", 0.10)
    assert within(found, "mu_in", 0.4)
    fidelity = (found["snr"] + 0.5) / (found["snr"] + 1)
    assert fidelity == pytest.approx(0.95, abs=0.01)
    assert fidelity > found["classical_fidelity"]


def test_lifetime_of_flame_finkelstein_2018(measure: Measure) -> None:
    found = measure("memory-lifetime", "memory-ladder")
    exponential = found["fits"]["exponential"]
    error = exponential["lifetime_error_ns"]
    assert abs(exponential["lifetime_ns"] - 86) < 3 * error
    assert error < 3
    assert found["fits"]["gaussian"]["aic"] > exponential["aic"] + 20
    assert found["initial_efficiency"] == pytest.approx(0.25, abs=0.015)


def test_a_gaussian_decay_is_told_from_an_exponential_one(measure: Measure) -> None:
    found = measure(
        "memory-lifetime", "memory-ladder", **{"world.decay": "gaussian", "trials": 60_000}
    )
    assert found["fits"]["exponential"]["aic"] > found["fits"]["gaussian"]["aic"] + 20


def test_without_light_the_pulse_is_not_found(measure: Measure) -> None:
    with pytest.raises(ProcedureError, match="cannot be found"):
        measure("memory-storage", "memory-eit", trials=1000, **{"world.detector_efficiency": 1e-6})


def abort_at_once(bench: Bench, procedure: Any) -> None:
    with bench.run(procedure.name) as run:
        run.abort("operator")
        procedure.run(bench, run, procedure.Parameters())


def test_an_aborted_run_leaves_the_bench_as_it_was(tmp_path: Path) -> None:
    procedure = load("procedures", "memory-storage")()
    with open_bench(load_bench("memory-eit"), home=tmp_path) as bench:
        bench.instruments["laser"].enable()
        bench.instruments["det_1"].enable()
        bench.instruments["analyser"].move((10.0, 20.0))
        table = bench.instruments["generator"].table()
        before = {k: r.value for k, r in bench.settings().items()}
        with pytest.raises(Aborted):
            abort_at_once(bench, procedure)
        after = {k: r.value for k, r in bench.settings().items()}
        assert after == before
        assert bench.instruments["generator"].table() == table
        assert not bench.instruments["generator"].running()
        assert bench.instruments["laser"].emission() is Emission.ON


def test_a_sequence_that_does_not_fit_and_a_bench_that_lacks_things_are_refused(
    tmp_path: Path,
) -> None:
    procedure = load("procedures", "memory-storage")()
    with open_bench(load_bench("memory-eit"), home=tmp_path) as bench:
        long = procedure.Parameters(storage_ns=4900)
        assert procedure.check(bench, long)[0].startswith("period_ns: 5000 is too short")
    with open_bench(load_bench("bb84-25km"), home=tmp_path) as bench:
        found = procedure.check(bench, procedure.Parameters())
        assert found[0] == "exactly one PulseGenerator is needed, the bench has 0"
        assert found[1] == "instruments.tagger.channels: name first, second, sync"


def test_efficiency_after_a_longer_time_is_that_of_the_decay(measure: Measure) -> None:
    found = measure("memory-storage", "memory-eit", storage_ns=2000.0)
    assert within(found, "internal_efficiency", 0.33 * math.exp(-1.8 / 1.8))


def test_fidelity_of_a_comb_gundogan_2012(measure: Measure) -> None:
    """Above 95 % for every state, which no classical device reaches."""
    found = measure("memory-fidelity", "memory-afc")
    assert found["fidelity"] == pytest.approx(0.95, abs=0.01)
    assert found["fidelity_error"] < 0.003
    assert found["above_classical_limit"]
    assert found["classical_fidelity"] == pytest.approx(0.763, abs=0.005)
    assert set(found["fidelities"]) == set("HVDARL")


def test_a_phase_between_the_rails_spares_h_and_v_alone(measure: Measure) -> None:
    """Half a turn makes D of A and R of L; the noise is the same for all."""
    found = measure(
        "memory-fidelity", "memory-afc", bootstraps=20, trials=20_000,
        **{"world.phase_khz": 1000.0, "world.fluorescence_hz": 0.0, "world.dark_rate_hz": 0.0},
    )  # fmt: skip
    for state, expected in zip("HVDARL", (1, 1, 0, 0, 0, 0), strict=True):
        assert found["fidelities"][state] == pytest.approx(expected, abs=0.02)


def test_heralded_storage_has_the_correlations_of_thermal_pairs(measure: Measure) -> None:
    p = 0.1
    found = measure(
        "memory-heralded", "memory-dlcz",
        **{"world.write_probability": p, "world.control_noise": 0.0, "world.dark_rate_hz": 0.0},
    )  # fmt: skip
    stokes, anti = 0.25, 0.4 * 0.5 * 0.5
    model = HeraldedTrials(
        HeraldedMemory(p, ControlledMemory(0.4, 100e-6, "gaussian"), 0.0), 1e-6, stokes, anti / 0.4
    )
    _, alone, other, both = model.probabilities()
    expected = both / ((alone + both) * (other + both))
    assert within(found, "cross_correlation", expected)
    assert found["nonclassical"]
    mean = p / (1 - p)
    n = range(1, 200)
    weight = [(1 - p) * p**k * (1 - (1 - stokes) ** k) for k in n]
    first = sum(w * (1 - (1 - anti / 2) ** k) for k, w in zip(n, weight, strict=True))
    pair = sum(
        w * (1 - 2 * (1 - anti / 2) ** k + (1 - anti) ** k) for k, w in zip(n, weight, strict=True)
    )
    assert within(found, "heralded_g2", pair * sum(weight) / first**2)
    assert found["heralded_g2"] < 4 * mean
    assert found["single_photon"]


def test_heralded_autocorrelation_by_hand() -> None:
    found = heralded_autocorrelation(10_000, 500, 400, 5)
    assert found.value == pytest.approx(0.25)
    assert found.error == pytest.approx(0.25 / math.sqrt(5), rel=0.15)
    for counts, gate in (
        ((10, 0, 1, 0), "first"),
        ((10, 5, 11, 0), "second"),
        ((9, 5, 5, 0), "both"),
    ):
        with pytest.raises(GateError) as caught:
            heralded_autocorrelation(*counts)
        assert caught.value.gate == gate


@pytest.mark.parametrize(
    ("paper", "efficiency", "error"),
    [
        ("Wolters 2017, warm Rb", 0.034, 0.003),
        ("Kaczmarek 2018, Cs ladder", 0.15, 0.01),
        ("Wang 2019, cold Rb", 0.85, 0.02),
        ("Duranti 2023, Pr in a cavity", 0.51, 0.02),
        ("C. Wang 2020, cold Rb", 0.65, 0.02),
        ("GEM 2024, warm Rb", 0.84, 0.03),
    ],
)
def test_efficiencies_of_the_literature(
    measure: Measure, paper: str, efficiency: float, error: float
) -> None:
    world = {
        "world.efficiency": efficiency, "world.lifetime_us": 1e6, "world.leak": 0.02,
        "world.setup_transmission": 1.0, "world.control_noise": 1e-4,
    }  # fmt: skip
    found = measure("memory-storage", "memory-eit", setup_transmission=1.0, trials=60_000, **world)
    assert within(found, "efficiency", efficiency)
    assert found["efficiency_error"] < error


@pytest.mark.parametrize(
    ("paper", "efficiency", "visibility", "expected", "error"),
    [
        ("Clausen 2012, Nd comb", 0.2, 0.95, 0.975, 0.004),
        ("Duranti 2023, Pr in a cavity", 0.51, 0.896, 0.948, 0.014),
        ("C. Wang 2020, cold Rb", 0.65, 0.97, 0.985, 0.005),
        ("Wang 2019, cold Rb", 0.85, 0.99, 0.995, 0.005),
    ],
)
def test_fidelities_of_the_literature(
    measure: Measure,
    paper: str,
    efficiency: float,
    visibility: float,
    expected: float,
    error: float,
) -> None:
    """With little noise the fidelity is (1 + V) / 2."""
    world = {
        "world.efficiency": efficiency, "world.lifetime_us": 1e6, "world.leak": 0.02,
        "world.setup_transmission": 1.0, "world.control_noise": 0.0,
        "world.visibility": visibility,
    }  # fmt: skip
    found = measure(
        "memory-fidelity", "memory-eit", setup_transmission=1.0, trials=10_000, bootstraps=100,
        **world,
    )  # fmt: skip
    assert abs(found["fidelity"] - expected) < 3 * found["fidelity_error"] + 0.001
    assert found["fidelity_error"] < error
    assert found["above_classical_limit"]


def test_fidelity_of_a_spin_wave_ortu_2022(measure: Measure) -> None:
    """0.92 photons, 7.4 % efficiency, noise for 85 %; stored for 20 us instead of 20 ms."""
    gate_s, noise = 102e-9, 0.92 * 0.074 / (0.35 / 0.15)
    found = measure(
        "memory-fidelity", "memory-afc", scheme="spin-wave", comb_ns=500.0, storage_ns=20_000.0,
        period_ns=25_000.0, trials=20_000, bootstraps=100,
        **{
            "instruments.attenuator.settings.attenuation_db": 86.385,
            "world.platform": "spin-wave", "world.transfer": 0.74**0.5, "world.spin_width_khz": 0.0,
            "world.fluorescence_hz": noise / gate_s,
        },
    )  # fmt: skip
    assert within(found, "efficiency", 0.074)
    assert within(found, "mu_in", 0.92)
    assert abs(found["fidelity"] - 0.85) < 3 * found["fidelity_error"] + 0.003
    assert found["fidelity_error"] < 0.02
    assert found["above_classical_limit"]
