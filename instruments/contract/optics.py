"""What detectors, lasers, polarization controllers, modulators, attenuators and meters promise."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from qnlab.errors import InterlockOpen, OutOfRange
from qnlab.instruments.contract.core import Context, Contract, NotApplicable, refused, require
from qnlab.instruments.roles import Emission
from qnlab.values import Alarm, Limits, Reading

PULSES = 20_000
FAR_PULSE = 10**15
SIGMAS = 6.0


def _is_reading(instrument: Any, reading: Any, unit: str, field: str, context: Context) -> None:
    """It is a finite number of `unit`, read now, that says where it is from."""
    require(instrument, isinstance(reading, Reading), f"{field} is no Reading")
    require(instrument, reading.unit == unit, f"{field} is in {reading.unit!r}, not {unit!r}")
    require(instrument, math.isfinite(reading.value), f"{field} is {reading.value}")
    require(instrument, reading.value >= 0, f"{field} is negative: {reading.value}")
    source = reading.source.startswith(f"{instrument.name}.")
    require(instrument, source, f"{field} says it is {reading.source!r}")
    age = context.clock.now() - reading.time_s
    require(instrument, 0 <= age < 1.0, f"{field} is {age:.3f} s old")


# --- detectors --------------------------------------------------------------------------------

detectors = Contract("SinglePhotonDetector")


@detectors.promises("enable() and disable() show in the settings and may be repeated")
def detector_enables(instrument: Any, context: Context) -> None:
    instrument.disable()
    for action, state in ((instrument.enable, True), (instrument.disable, False)):
        for _ in range(2):
            action()
            shown = instrument.settings()["enabled"].value
            require(instrument, shown is state, f"enabled is {shown} after {action.__name__}()")


@detectors.promises("a disabled detector does not count; an enabled one counts in Hz")
def detector_counts_when_enabled(instrument: Any, context: Context) -> None:
    instrument.disable()
    dark = instrument.count_rate(0.05)
    _is_reading(instrument, dark, "Hz", "count_rate", context)
    require(instrument, dark.value == 0, f"{dark} while disabled")
    instrument.enable()
    rate = instrument.count_rate(0.05)
    _is_reading(instrument, rate, "Hz", "count_rate", context)
    most = instrument.capabilities.max_count_rate_hz
    require(instrument, rate.value <= most, f"{rate} is above the maximum of {most:g} Hz")
    if rate.value == 0:
        raise NotApplicable("nothing is counted: connect a source")


@detectors.promises("count_rate() takes the time it averages over")
def detector_takes_its_time(instrument: Any, context: Context) -> None:
    begin = context.clock.now()
    instrument.count_rate(0.05)
    took = context.clock.now() - begin
    require(instrument, 0.049 <= took < 1.0, f"averaging over 0.05 s took {took:.3f} s")


@detectors.promises("reset() of a detector that is not latched changes nothing")
def detector_reset_is_harmless(instrument: Any, context: Context) -> None:
    instrument.enable()
    require(instrument, instrument.latched() is False, "is latched without a reason")
    instrument.reset()
    require(instrument, instrument.latched() is False, "is latched by reset")
    require(instrument, instrument.settings()["enabled"].value is True, "reset disabled it")


@detectors.promises("a latched detector says so, counts nothing, and counts again after reset()")
def detector_recovers_from_latching(instrument: Any, context: Context) -> None:
    instrument.enable()
    context.fault("latch")
    try:
        require(instrument, instrument.latched() is True, "does not say that it is latched")
        alarm = instrument.health().alarm
        require(instrument, alarm >= Alarm.MAJOR, "health does not say that it is latched")
        stuck = instrument.count_rate(0.05)
        require(instrument, stuck.value == 0, f"{stuck} while latched")
    finally:
        instrument.reset()
    require(instrument, instrument.latched() is False, "is latched after reset")
    require(instrument, instrument.health().alarm is Alarm.NONE, "alarm after reset")
    require(instrument, instrument.count_rate(0.05).value > 0, "counts nothing after reset")


# --- polarization -----------------------------------------------------------------------------

polarization = Contract("PolarizationController")


def _spread(instrument: Any, share: float) -> list[float]:
    return [low.low + share * (low.high - low.low) for low in _ranges(instrument)]


def _ranges(instrument: Any) -> list[Limits]:
    settings = instrument.settings()
    n = instrument.capabilities.actuators
    return [settings[f"position.{i}"].limits for i in range(n)]


@polarization.promises("move() returns the positions taken, within the resolution of those asked")
def move_returns_what_was_taken(instrument: Any, context: Context) -> None:
    for share in (0.31, 0.69, 0.0, 1.0, 0.5):
        wanted = _spread(instrument, share)
        taken = instrument.move(wanted)
        require(instrument, tuple(taken) == tuple(instrument.positions()), "is elsewhere")
        shown = [instrument.settings()[f"position.{i}"].value for i in range(len(wanted))]
        require(instrument, list(taken) == shown, f"moved to {taken}, settings show {shown}")
        each = zip(
            taken, wanted, instrument.capabilities.resolution, _ranges(instrument), strict=True
        )
        for took, asked, step, limits in each:
            require(instrument, abs(took - asked) <= step, f"went to {took} instead of {asked}")
            require(instrument, took in limits, f"went to {took}, outside {limits}")


@polarization.promises("one position an actuator: more or fewer are refused")
def move_needs_all_positions(instrument: Any, context: Context) -> None:
    n = instrument.capabilities.actuators
    for many in (n - 1, n + 1, 0):
        wanted = [_spread(instrument, 0.5)[0]] * many
        error = refused(
            instrument,
            OutOfRange,
            f"{many} positions",
            partial(instrument.move, wanted),
        )
        require(instrument, error.last == many, f"the error gives {error.last} as last value")


@polarization.promises("a position outside the limits is refused, and no actuator moves")
def move_stays_within_limits(instrument: Any, context: Context) -> None:
    for i, limits in enumerate(_ranges(instrument)):
        for bad in (limits.high + 1.0, limits.low - 1.0, math.nan, math.inf):
            wanted = _spread(instrument, 0.77)
            wanted[i] = bad
            refused(
                instrument, OutOfRange, f"position {bad}",
                partial(instrument.move, wanted),
            )  # fmt: skip


@polarization.promises("move() waits until settled; stop() and home() leave an axis within limits")
def move_settles(instrument: Any, context: Context) -> None:
    instrument.move(_spread(instrument, 0.25))
    begin = context.clock.now()
    instrument.move(_spread(instrument, 0.75))
    took = context.clock.now() - begin
    settle = instrument.capabilities.settle_s
    require(instrument, took >= 0.99 * settle, f"moved in {took:g} s, settling takes {settle:g} s")
    instrument.stop()
    stopped = instrument.positions()
    context.clock.sleep(settle)
    require(instrument, instrument.positions() == stopped, "moves after stop")
    instrument.home()
    for position, limits in zip(instrument.positions(), _ranges(instrument), strict=True):
        require(instrument, position in limits, f"is at {position} after home, outside {limits}")


# --- lasers -----------------------------------------------------------------------------------

lasers = Contract("LaserSource")


@lasers.promises("enable() turns emission on, disable() off; both may be repeated")
def laser_emits_when_enabled(instrument: Any, context: Context) -> None:
    instrument.disable()
    try:
        for _ in range(2):
            instrument.enable()
            state = instrument.emission()
            require(instrument, state is Emission.ON, f"emission is {state} after enable()")
            power = instrument.power()
            _is_reading(instrument, power, "W", "power", context)
            require(instrument, power.value > 0, f"emits {power} when on")
    finally:
        instrument.disable()
    instrument.disable()
    state = instrument.emission()
    require(instrument, state is Emission.OFF, f"emission is {state} after disable()")
    power = instrument.power()
    _is_reading(instrument, power, "W", "power", context)
    require(instrument, power.value == 0, f"emits {power} when off")


@lasers.promises("changing a setting does not turn emission on")
def laser_stays_off(instrument: Any, context: Context) -> None:
    instrument.disable()
    for name, reading in instrument.settings().items():
        instrument.apply({name: reading.value})
        state = instrument.emission()
        require(instrument, state is Emission.OFF, f"emission is {state} after setting {name}")


@lasers.promises("an open interlock stops emission, refuses enable() and raises an alarm")
def laser_obeys_the_interlock(instrument: Any, context: Context) -> None:
    instrument.enable()
    context.fault("open_interlock")
    try:
        state = instrument.emission()
        require(instrument, state is Emission.INTERLOCK, f"emission is {state}, interlock open")
        require(instrument, instrument.power().value == 0, "emits with the interlock open")
        require(instrument, instrument.health().alarm >= Alarm.MAJOR, "no alarm, interlock open")
        error = refused(
            instrument, InterlockOpen, "enabling with an open interlock", instrument.enable
        )
        require(instrument, error.device == instrument.name, f"error names {error.device!r}")
        instrument.disable()
    finally:
        context.fault("close_interlock")
    state = instrument.emission()
    require(instrument, state is Emission.OFF, f"emission is {state} once the interlock closes")


# --- modulators -------------------------------------------------------------------------------

intensity = Contract("IntensityModulator")
states = Contract("StateModulator")


def _record_is_repeatable(instrument: Any) -> Any:
    """The record of pulses to come; the same asked twice, in any order, in any parts."""
    pulses = np.arange(FAR_PULSE, FAR_PULSE + PULSES)
    record = np.asarray(instrument.record(pulses))
    right = record.dtype == np.uint8 and record.shape == pulses.shape
    require(instrument, right, f"the record is {record.dtype} of shape {record.shape}")
    for order in (slice(None), slice(None, None, -1), slice(3, None, 7)):
        again = np.asarray(instrument.record(pulses[order]))
        require(instrument, np.array_equal(again, record[order]), "the record changed")
    return record


def _frequency(instrument: Any, what: str, found: int, trials: int, expected: float) -> None:
    spread = math.sqrt(max(trials * expected * (1 - expected), 1.0))
    require(
        instrument, abs(found - trials * expected) <= SIGMAS * spread,
        f"{what}: {found} of {trials}, expected {expected:g} of them",
    )  # fmt: skip


def _probabilities(instrument: Any) -> list[float]:
    settings = instrument.settings()
    n = sum(name.startswith("probability.") for name in settings)
    return [settings[f"probability.{k}"].value for k in range(n)]


@intensity.promises("configure() returns what settings() shows; probabilities sum to 1")
def intensity_is_configured(instrument: Any, context: Context) -> None:
    levels = int(instrument.capabilities.levels.high)
    for n in range(int(instrument.capabilities.levels.low), levels + 1):
        share = [0.5, 0.25, 0.15, 0.1][:n]
        share[0] += 1 - sum(share)
        wanted = [1.0, 0.2, 0.0, 0.6][:n]
        taken = instrument.configure(wanted, share)
        shown = instrument.settings()
        require(instrument, len(shown) == 2 * n, f"{len(shown)} settings for {n} levels")
        for field, values in zip(("transmission", "probability"), taken, strict=True):
            for k, value in enumerate(values):
                now = shown[f"{field}.{k}"].value
                require(instrument, now == value, f"{field}.{k} took {value}, but shows {now}")
        floor = 10 ** (-instrument.capabilities.extinction_db / 10)
        for value, asked in zip(taken[0], wanted, strict=True):
            near = abs(value - asked) <= max(2 * floor, 0.01)
            require(instrument, near, f"transmission {value} for {asked}")
        total = sum(_probabilities(instrument))
        require(instrument, math.isclose(total, 1.0, abs_tol=1e-9), f"the sum is {total}")


@intensity.promises("probabilities that do not sum to 1, or do not match the levels, are refused")
def intensity_refuses_bad_levels(instrument: Any, context: Context) -> None:
    most = int(instrument.capabilities.levels.high)
    bads: list[tuple[list[float], list[float]]] = [
        ([1.0, 0.5], [0.5, 0.4]),
        ([1.0, 0.5], [1.0]),
        ([1.0, 1.5], [0.5, 0.5]),
        ([1.0, math.nan], [0.5, 0.5]),
        ([1.0, 0.5], [1.5, -0.5]),
        ([], []),
        ([1.0] * (most + 1), [1 / (most + 1)] * (most + 1)),
    ]
    for transmissions, probabilities in bads:
        refused(
            instrument, OutOfRange, f"levels {transmissions} with {probabilities}",
            partial(instrument.configure, transmissions, probabilities),
        )  # fmt: skip
    halved = _probabilities(instrument)[0] / 2
    refused(
        instrument, OutOfRange, "one probability without the others",
        lambda: instrument.apply({"probability.0": halved}),
    )  # fmt: skip


@intensity.promises("the record is repeatable, and levels are as frequent as configured")
def intensity_record(instrument: Any, context: Context) -> None:
    share = [0.7, 0.3]
    instrument.configure([1.0, 0.2], share)
    record = _record_is_repeatable(instrument)
    require(instrument, int(record.max()) < len(share), f"level {record.max()} of {len(share)}")
    for k, expected in enumerate(share):
        _frequency(instrument, f"level {k}", int((record == k).sum()), PULSES, expected)


@intensity.promises("the record of pulses that have left does not change with the settings")
def intensity_record_is_kept(instrument: Any, context: Context) -> None:
    instrument.configure([1.0, 0.2], [0.7, 0.3])
    context.clock.sleep(0.05)
    left = np.arange(1000)
    before = np.asarray(instrument.record(left))
    instrument.configure([1.0, 0.2], [0.2, 0.8])
    after = np.asarray(instrument.record(left))
    require(instrument, np.array_equal(before, after), "the record of the past changed")


@states.promises("the record is repeatable; bases as frequent as set, bits even")
def state_record(instrument: Any, context: Context) -> None:
    for key_basis in (0.5, 0.9):
        taken = instrument.apply({"key_basis_probability": key_basis})
        p = taken["key_basis_probability"].value
        record = _record_is_repeatable(instrument)
        require(instrument, int(record.max()) <= 3, f"state code {record.max()}")
        for code, expected in enumerate((p / 2, p / 2, (1 - p) / 2, (1 - p) / 2)):
            _frequency(instrument, f"state {code}", int((record == code).sum()), PULSES, expected)


@states.promises("the record of pulses that have left does not change with the settings")
def state_record_is_kept(instrument: Any, context: Context) -> None:
    instrument.apply({"key_basis_probability": 0.9})
    context.clock.sleep(0.05)
    left = np.arange(1000)
    before = np.asarray(instrument.record(left))
    instrument.apply({"key_basis_probability": 0.1})
    after = np.asarray(instrument.record(left))
    require(instrument, np.array_equal(before, after), "the record of the past changed")


# --- auxiliaries ------------------------------------------------------------------------------

attenuators = Contract("Attenuator")
meters = Contract("PowerMeter")


@attenuators.promises("set_attenuation() returns the value taken, within the resolution")
def attenuation_is_taken(instrument: Any, context: Context) -> None:
    limits = instrument.settings()["attenuation_db"].limits
    for share in (0.0, 0.123456, 0.5, 1.0):
        wanted = limits.low + share * (limits.high - limits.low)
        taken = instrument.set_attenuation(wanted)
        near = abs(taken - wanted) <= instrument.capabilities.resolution_db
        require(instrument, near, f"took {taken} dB for {wanted} dB")
        now = instrument.attenuation()
        _is_reading(instrument, now, "dB", "attenuation", context)
        require(instrument, now.value == taken, f"took {taken} dB, attenuates by {now}")
        shown = instrument.settings()["attenuation_db"].value
        require(instrument, shown == taken, f"took {taken} dB, but shows {shown}")


@attenuators.promises("an attenuation outside the limits is refused")
def attenuation_stays_within_limits(instrument: Any, context: Context) -> None:
    limits = instrument.settings()["attenuation_db"].limits
    for bad in (limits.low - 1.0, limits.high + 1.0, math.nan, math.inf):
        refused(instrument, OutOfRange, f"{bad} dB", partial(instrument.set_attenuation, bad))


@attenuators.promises("changing the attenuation does not open the shutter")
def shutter_stays_closed(instrument: Any, context: Context) -> None:
    instrument.apply({"shutter_closed": True})
    instrument.set_attenuation(instrument.settings()["attenuation_db"].limits.low)
    closed = instrument.settings()["shutter_closed"].value
    require(instrument, closed is True, "the shutter opened with the attenuation")


@meters.promises("power() is a finite power in W, not negative, read now")
def power_is_read(instrument: Any, context: Context) -> None:
    for _ in range(3):
        _is_reading(instrument, instrument.power(), "W", "power", context)


@meters.promises("power() averages over averaging_s")
def power_takes_its_time(instrument: Any, context: Context) -> None:
    if "averaging_s" not in instrument.settings():
        raise NotApplicable("the averaging time is not adjustable")
    before = instrument.settings()["averaging_s"].value
    try:
        averaging = instrument.apply({"averaging_s": 0.2})["averaging_s"].value
        begin = context.clock.now()
        instrument.power()
        took = context.clock.now() - begin
        require(instrument, took >= 0.99 * averaging, f"averaged over {averaging} s in {took:g} s")
    finally:
        instrument.apply({"averaging_s": before})
