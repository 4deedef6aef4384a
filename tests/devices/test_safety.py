"""Limits and interlocks hold at the instrument's owner, whichever way a value comes."""

import pytest

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.clock import VirtualClock
from qnlab.errors import InterlockOpen, NotSupported, OutOfRange
from qnlab.instruments.roles import Emission
from qnlab.sim_backends.devices import connect
from qnlab.sim_backends.world import create
from qnlab.values import Alarm


@pytest.fixture
def device():
    clock = VirtualClock()
    world = create({}, clock=clock, seed=1, where="test")

    def make(address, **limits):
        roles = {"laser": "LaserSource", "intensity": "IntensityModulator"}
        role = roles.get(address, "Attenuator")
        spec = InstrumentSpec(address, "here", role, "sim", address)
        made = connect(spec, BenchContext(clock, 1, world, limits))
        return made, world

    return make


def test_a_bench_limit_refuses_before_sending(device):
    laser, _ = device("laser", power_w=(0.0, 1e-3))
    before = laser.settings()["power_w"].value
    with pytest.raises(OutOfRange, match=r"laser: power_w out of range .*0\.\.0\.001 W.*0\.002"):
        laser.apply({"power_w": 2e-3})
    assert laser.settings()["power_w"].value == before


def test_configure_keeps_the_bench_limit_too(device):
    modulator, world = device("intensity", **{"transmission.0": (0.0, 0.5)})
    with pytest.raises(OutOfRange, match=r"transmission\.0"):
        modulator.configure((0.9,), (1.0,))
    assert world.intensity.transmissions == (1.0,)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e-9, 111.0, "10", True])
def test_impossible_attenuations_are_refused(device, value):
    attenuator, world = device("attenuator")
    with pytest.raises(OutOfRange):
        attenuator.apply({"attenuation_db": value})
    assert world.attenuator.attenuation_db == 100.0


def test_one_bad_value_of_several_changes_nothing(device):
    attenuator, world = device("attenuator")
    with pytest.raises(OutOfRange):
        attenuator.apply({"shutter_closed": False, "attenuation_db": -1.0})
    assert world.attenuator.shutter_closed


def test_unknown_setting_names_the_near_one(device):
    attenuator, _ = device("attenuator")
    with pytest.raises(NotSupported, match=r"atenuation_db.*attenuation_db\?"):
        attenuator.apply({"atenuation_db": 3.0})


def test_an_open_interlock_stops_the_light_and_refuses_to_enable(device):
    laser, world = device("laser")
    laser.enable()
    assert laser.power().value > 0
    world.laser.interlock_open = True
    assert laser.emission() is Emission.INTERLOCK
    assert laser.power().value == 0
    assert laser.health().alarm is Alarm.MAJOR
    with pytest.raises(InterlockOpen):
        laser.enable()


def test_safe_state_is_idempotent_and_dark(device):
    laser, _ = device("laser")
    laser.enable()
    laser.safe_state()
    laser.safe_state()
    assert laser.emission() is Emission.OFF
