"""What simulated instruments take: in one go, on their grid, within the limits of the bench."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnlab.bench import BenchContext, InstrumentSpec, load_bench, open_bench
from qnlab.clock import VirtualClock
from qnlab.errors import BenchError, NotSupported, OutOfRange
from qnlab.instruments.settings import Entry, SettingTable, on_grid
from qnlab.sim_backends.devices import connect
from qnlab.sim_backends.world import create
from qnlab.values import Limits


def device(address, role, limits=None, **world):
    clock = VirtualClock()
    made = create(world, clock=clock, seed=1, where="test")
    spec = InstrumentSpec(address, "here", role, "sim", address)
    return connect(spec, BenchContext(clock, 1, made, limits or {})), made


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"attenuator.shutter_closed": [0, 1]}, "shutter_closed: shutter_closed has no limits"),
        ({"laser.power_w": [1.0, 2.0]}, "power_w: limits beyond those of the device"),
        ({"intensity.transmission.0": [2.0, 3.0]}, "transmission.0: limits beyond those"),
        ({"intensity.transmission.7": [0.0, 0.5]}, "transmission.7: no setting 'transmission.7'"),
    ],
)
def test_limits_that_cannot_hold_name_file_and_key(tmp_path, limits, problem) -> None:
    tables = "".join(f'"{key}" = {bounds}\n' for key, bounds in limits.items())
    (tmp_path / "lab.toml").write_text(
        '[bench]\nname = "lab"\nsummary = "s"\nclock = "virtual"\n[sites.here]\nsummary = "s"\n'
        + "".join(
            f'[instruments.{name}]\nsite = "here"\nrole = "{role}"\ndriver = "sim"\n'
            f'address = "{name}"\n'
            for name, role in (
                ("laser", "LaserSource"),
                ("attenuator", "Attenuator"),
                ("intensity", "IntensityModulator"),
            )
        )
        + f"[limits]\n{tables}[world]\n"
    )
    with pytest.raises(BenchError) as caught:
        open_bench(load_bench(tmp_path / "lab.toml"), home=tmp_path)
    (line,) = str(caught.value).splitlines()
    assert "lab.toml: limits." in line
    assert problem in line


def test_a_port_of_another_role_is_refused_before_it_is_opened() -> None:
    with pytest.raises(
        BenchError,
        match=r"laser\.role: at address 'laser' is a device of role LaserSource",
    ):
        device("laser", "PowerMeter")


def test_a_modulator_shows_the_level_it_can_really_reach() -> None:
    modulator, _ = device("intensity", "IntensityModulator", modulator_extinction_db=20.0)
    taken, _ = modulator.configure((1.0, 0.0), (0.5, 0.5))
    assert taken == pytest.approx((1.0, 0.01))
    assert modulator.settings()["transmission.1"].value == taken[1]
    assert modulator.apply({"transmission.0": 0.0})["transmission.0"].value == taken[1]


def test_probabilities_applied_together_make_one_epoch() -> None:
    modulator, world = device("intensity", "IntensityModulator")
    modulator.configure((1.0, 0.1), (0.5, 0.5))
    before = len(world.intensity.epochs)
    modulator.apply({"probability.0": 0.7, "probability.1": 0.3, "transmission.1": 0.2})
    assert world.intensity.epochs[before:] == [(world.next_pulse, (0.7, 0.3))]
    assert world.intensity.transmissions == (1.0, 0.2)


@pytest.mark.parametrize("controller", ["squeezers", "paddles"])
def test_moves_together_and_one_by_one_end_at_the_same_place(controller) -> None:
    settled = []
    for together in (True, False):
        epc, world = device("epc", "PolarizationController", controller=controller)
        for target in (100.0, 40.0, 41.0, 39.0):
            wanted = [target + i for i in range(epc.capabilities.actuators)]
            if together:
                epc.move(wanted)
            else:
                for i, value in enumerate(wanted):
                    epc.apply({f"position.{i}": value})
        settled.append(world.controller.settled)
    assert settled[0] == settled[1]


def test_a_move_stays_within_a_limit_that_is_off_the_grid() -> None:
    limits = {"position.0": (10.01, 99.99)}
    epc, _ = device("epc", "PolarizationController", limits)
    for wanted in (10.01, 99.99):
        taken = epc.move([wanted, 70.0, 70.0, 70.0])[0]
        assert 10.01 <= taken <= 99.99
        assert abs(taken - wanted) <= epc.capabilities.resolution[0]


@given(st.floats(0, 1), st.floats(1e-3, 5), st.floats(-100, 100), st.floats(1e-3, 100))
def test_on_grid_is_within_limits_and_nearest(share, step, low, width) -> None:
    limits = Limits(low, low + width)
    value = low + share * width
    taken = on_grid(value, step, limits)
    assert taken in limits
    if width >= step:
        assert abs(taken - value) <= step * (1 + 1e-6)
        off = taken / step - round(taken / step)
        assert abs(off) < 1e-6 or taken in (limits.low, limits.high)
        inside = limits.low + step / 2 <= value <= limits.high - step / 2
        assert not inside or abs(taken - value) <= step / 2 * (1 + 1e-6)


def test_a_setting_that_can_only_be_read_is_refused_before_others_are_sent() -> None:
    sent = []
    table = SettingTable(
        "oven",
        VirtualClock(),
        {
            "target_k": Entry("K", lambda: 300.0, sent.append, Limits(280.0, 320.0, "K")),
            "actual_k": Entry("K", lambda: 299.0, limits=Limits(0.0, 400.0, "K")),
        },
    )
    with pytest.raises(NotSupported, match="oven: actual_k can only be read"):
        table.apply({"target_k": 310.0, "actual_k": 310.0})
    assert sent == []
    assert table.limits("target_k") == Limits(280.0, 320.0, "K")
    with pytest.raises(OutOfRange):
        table.apply({"target_k": math.nan})
