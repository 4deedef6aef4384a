"""What every instrument promises, whatever its role."""

from __future__ import annotations

import math
import time
from dataclasses import FrozenInstanceError, fields, is_dataclass
from functools import partial
from typing import Any

from qnlab.errors import NotSupported, OutOfRange
from qnlab.instruments.contract.core import (
    Context,
    Contract,
    NotApplicable,
    refused,
    require,
    values,
)
from qnlab.instruments.contract.states import declared_ranges, disturbances
from qnlab.values import Alarm, Limits, Reading

COUPLED = ("probability.",)
SAFE_WITHIN_S = 1.0

contract = Contract("Instrument")


def _numeric(instrument: Any) -> dict[str, Limits]:
    return {
        name: reading.limits
        for name, reading in instrument.settings().items()
        if reading.limits is not None
    }


def _outside(limits: Limits) -> tuple[float, ...]:
    margin = max(limits.high - limits.low, abs(limits.high), 1e-12)
    return (limits.low - margin, limits.high + margin, math.nan, math.inf, -math.inf)


def _another(reading: Reading) -> float | bool | None:
    """A value that the setting may take and does not have; None for words."""
    if isinstance(reading.value, bool):
        return not reading.value
    if reading.limits is None:
        return None
    return reading.limits.low if reading.value != reading.limits.low else reading.limits.high


def _alone(names: Any) -> list[str]:
    """Settings that may change without another one."""
    return [name for name in names if not name.startswith(COUPLED)]


@contract.promises("identity names vendor, model, serial and firmware, the same each time")
def identity(instrument: Any, context: Context) -> None:
    first = instrument.identity
    for item in ("vendor", "model", "serial", "firmware"):
        word = getattr(first, item)
        require(instrument, isinstance(word, str) and word != "", f"identity has no {item}")
    require(instrument, instrument.identity == first, "identity changed between two readings")


@contract.promises("capabilities are frozen")
def capabilities_frozen(instrument: Any, context: Context) -> None:
    stated = instrument.capabilities
    require(instrument, is_dataclass(stated), "capabilities are no dataclass")
    first = fields(stated)[0].name
    try:
        setattr(stated, first, getattr(stated, first))
    except FrozenInstanceError:
        pass
    else:
        require(instrument, False, "capabilities can be changed")
    require(instrument, instrument.capabilities == stated, "capabilities changed by themselves")


@contract.promises("the limits of settings lie within the capabilities; all settings are there")
def capabilities_match_settings(instrument: Any, context: Context) -> None:
    have = instrument.settings()
    for name, limits in declared_ranges(instrument).items():
        require(instrument, name in have, f"setting {name} is missing")
        stated = have[name].limits
        if limits is None:
            require(instrument, isinstance(have[name].value, bool), f"{name} is no boolean")
            continue
        require(instrument, stated is not None, f"{name} has no limits")
        require(
            instrument,
            limits.low <= stated.low and stated.high <= limits.high and stated.unit == limits.unit,
            f"limits {stated} of {name} do not lie within the capabilities {limits}",
        )


@contract.promises("readings carry unit, time, source and alarm; numbers carry limits")
def settings_are_readings(instrument: Any, context: Context) -> None:
    before = context.clock.now()
    have = instrument.settings()
    after = context.clock.now()
    for name, reading in have.items():
        require(instrument, isinstance(reading, Reading), f"{name} is no Reading")
        source = f"{instrument.name}.{name}"
        require(instrument, reading.source == source, f"{name} says it is {reading.source}")
        require(instrument, before <= reading.time_s <= after, f"{name} is not of now")
        require(instrument, isinstance(reading.alarm, Alarm), f"{name} has no alarm state")
        if isinstance(reading.value, (bool, str)):
            continue
        require(instrument, reading.limits is not None, f"{name} has no limits")
        require(instrument, reading.unit == reading.limits.unit, f"{name} and its limits differ")


@contract.promises("a setter returns the value taken, which settings() shows and can be set again")
def setters_return_what_was_taken(instrument: Any, context: Context) -> None:
    have = instrument.settings()
    for name in _alone(have):
        before = have[name].value
        if isinstance(before, str):
            continue
        limits = have[name].limits
        wanted = not before if limits is None else limits.low + 0.37 * (limits.high - limits.low)
        slack = 0 if limits is None else 0.02 * (limits.high - limits.low)
        try:
            taken = instrument.apply({name: wanted})
            require(instrument, set(taken) == {name}, f"setting {name} returned {sorted(taken)}")
            value = taken[name].value
            require(instrument, abs(value - wanted) <= slack, f"{name} took {value} for {wanted}")
            shown = instrument.settings()[name].value
            require(instrument, shown == value, f"{name} took {value}, but shows {shown}")
            again = instrument.apply({name: value})[name].value
            require(instrument, again == value, f"{name} took {again} for the {value} it had taken")
        finally:
            instrument.apply({name: before})


@contract.promises("values outside the limits, NaN and infinity are refused before sending")
def limits_refused(instrument: Any, context: Context) -> None:
    numeric = _numeric(instrument)
    if not numeric:
        raise NotApplicable("no setting is a number")
    for name, limits in numeric.items():
        for bad in _outside(limits):
            _refused_out_of_range(instrument, name, bad, {name: bad})


def _refused_out_of_range(
    instrument: Any, name: str, bad: object, settings: dict[str, object]
) -> None:
    what = f"{name} = {bad!r}"
    error = refused(instrument, OutOfRange, what, lambda: instrument.apply(settings))
    require(instrument, error.device == instrument.name, f"{what}: error names {error.device!r}")
    require(instrument, error.command == name, f"{what}: error names command {error.command!r}")
    require(instrument, error.expected is not None, f"{what}: error says not what was expected")
    same = error.last is bad or error.last == bad
    require(instrument, same, f"{what}: error gives {error.last!r} as last value")


@contract.promises("values of the wrong kind are refused before sending")
def wrong_kind_refused(instrument: Any, context: Context) -> None:
    for name, reading in instrument.settings().items():
        if reading.limits is not None:
            bads: tuple[object, ...] = ("much", True)
        else:
            bads = (0.5, "on") if isinstance(reading.value, bool) else (0.5, True)
        for bad in bads:
            _refused_out_of_range(instrument, name, bad, {name: bad})


@contract.promises("one bad value among several: none of them is set")
def refused_as_a_whole(instrument: Any, context: Context) -> None:
    numeric = _numeric(instrument)
    settings = instrument.settings()
    for name in _alone(settings):
        other = _another(settings[name])
        if other is None:
            continue
        mixed: dict[str, object] = {name: other, "no_such_setting": 1.0}
        refused(
            instrument, NotSupported, "an unknown setting beside a good one",
            partial(instrument.apply, mixed),
        )  # fmt: skip
        for beside, bounds in numeric.items():
            if beside != name:
                bad = _outside(bounds)[1]
                _refused_out_of_range(instrument, beside, bad, {name: other, beside: bad})
                _refused_out_of_range(instrument, beside, bad, {beside: bad, name: other})


@contract.promises("an unknown setting is refused, and the error names a near one")
def unknown_setting_refused(instrument: Any, context: Context) -> None:
    for name in instrument.settings():
        typo = name.replace("e", "ee", 1) if "e" in name else name + name[-1]
        error = refused(
            instrument, NotSupported, f"setting {typo!r}",
            partial(instrument.apply, {typo: 1.0}),
        )  # fmt: skip
        require(instrument, error.device == instrument.name, f"error names {error.device!r}")
        require(instrument, error.command == typo, f"error names command {error.command!r}")
        near = str(error.expected)
        require(instrument, name in near, f"{typo!r} was refused with {near!r}, not {name!r}")


@contract.promises("health has an alarm exactly when it lists problems")
def health(instrument: Any, context: Context) -> None:
    state = instrument.health()
    require(instrument, isinstance(state.alarm, Alarm), "health has no alarm state")
    quiet = state.alarm is Alarm.NONE
    require(instrument, quiet == (not state.problems), f"alarm {state.alarm}: {state.problems}")


@contract.promises("the safe state is reached within 1 s from any state, and again from itself")
def safe_from_any_state(instrument: Any, context: Context) -> None:
    _make_safe(instrument, context)
    for disturb in disturbances(instrument, context):
        is_safe = disturb()
        require(instrument, not is_safe(), "was safe although disturbed")
        _make_safe(instrument, context)
        require(instrument, is_safe(), "is not safe after safe_state")
        _make_safe(instrument, context)
        require(instrument, is_safe(), "is not safe after safe_state twice")


@contract.promises("the safe state is reached also after a refused command")
def safe_after_an_error(instrument: Any, context: Context) -> None:
    for disturb in disturbances(instrument, context):
        is_safe = disturb()
        refused(
            instrument, NotSupported, "an unknown setting",
            lambda: instrument.apply({"no_such_setting": 1.0}),
        )  # fmt: skip
        _make_safe(instrument, context)
        require(instrument, is_safe(), "is not safe after a refused command and safe_state")


def _make_safe(instrument: Any, context: Context) -> None:
    begin, wall = context.clock.now(), time.monotonic()
    instrument.safe_state()
    took = max(context.clock.now() - begin, time.monotonic() - wall)
    require(instrument, took < SAFE_WITHIN_S, f"safe_state took {took:.2f} s")


@contract.promises("settings survive reconnect()")
def reconnect_keeps_settings(instrument: Any, context: Context) -> None:
    _change_something(instrument)
    before = values(instrument)
    instrument.reconnect()
    after = values(instrument)
    require(instrument, after == before, f"settings were {before} and are {after} after reconnect")


def _change_something(instrument: Any) -> None:
    settings = instrument.settings()
    for name in _alone(settings):
        other = _another(settings[name])
        if other is not None:
            instrument.apply({name: other})
            return


@contract.promises("close() may be called twice, and reconnect() brings the instrument back")
def close_twice(instrument: Any, context: Context) -> None:
    before = values(instrument)
    instrument.close()
    instrument.close()
    instrument.reconnect()
    require(instrument, values(instrument) == before, "settings changed by close and reconnect")


@contract.promises("leaving the context manager leaves the safe state and hides no error")
def context_manager_is_safe(instrument: Any, context: Context) -> None:
    tried = disturbances(instrument, context)
    if not tried:
        raise NotApplicable("this role is always safe")
    for disturb in tried:
        cause = RuntimeError("on purpose")
        raised: BaseException | None = None
        try:
            with instrument as entered:
                require(instrument, entered is instrument, "the context manager gives another one")
                is_safe = disturb()
                raise cause
        except RuntimeError as error:
            raised = error
        instrument.reconnect()
        require(instrument, raised is cause, "the context manager hid an error")
        require(instrument, is_safe(), "is not safe after the context manager")


@contract.promises("read and describe agree with each other and with the settings")
def documents_agree(instrument: Any, context: Context) -> None:
    require(instrument, instrument.parent is None, "an instrument has no parent")
    described, read = instrument.describe(), instrument.read()
    require(instrument, set(described) == set(read), "read and describe name other fields")
    configuration = instrument.read_configuration()
    described = instrument.describe_configuration()
    require(instrument, set(described) == set(configuration), "configuration and description")
    for name, reading in instrument.settings().items():
        key = f"{instrument.name}-{name}".replace(".", "-")
        require(instrument, key in configuration, f"{key} is missing in the configuration")
        shown = configuration[key]["value"]
        require(instrument, shown == reading.value, f"{key} is {shown}, not {reading.value}")
        units = described[key]["units"]
        require(instrument, units == reading.unit, f"{key} is in {units!r}, not {reading.unit!r}")
