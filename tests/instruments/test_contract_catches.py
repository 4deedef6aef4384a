"""Each check catches an instrument that breaks the promise: none of them can only pass."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qnlab.errors import Busy, NotSupported, OutOfRange
from qnlab.instruments import contract, roles
from qnlab.instruments.base import Health
from qnlab.instruments.contract import Check, ContractViolation, NotApplicable, examine
from qnlab.instruments.pulse_generator import TimingTable
from qnlab.instruments.roles import Emission
from qnlab.tags import Gap
from qnlab.values import Alarm, Limits

INSTRUMENTS = {
    "TimeTagger": "tagger",
    "SinglePhotonDetector": "det_h",
    "PolarizationController": "epc",
    "LaserSource": "laser",
    "IntensityModulator": "intensity",
    "StateModulator": "state",
    "Attenuator": "attenuator",
    "PowerMeter": "power_meter",
    "PulseGenerator": "generator",
}
Break = Callable[[Any], None]


def prop(name: str, value: Callable[[Any], Any]) -> Break:
    """Give the instrument's class another property."""

    def apply(device: Any) -> None:
        device.__class__ = type("Broken", (type(device),), {name: property(value)})

    return apply


def around(name: str, wrap: Callable[..., Any]) -> Break:
    """Replace a method by `wrap(device, original, *arguments)`."""

    def apply(device: Any) -> None:
        original = getattr(device, name)
        setattr(device, name, lambda *a, **k: wrap(device, original, *a, **k))

    return apply


def readings(**changes: Any) -> Break:
    """Settings whose readings all have something else in one field."""
    return around(
        "settings",
        lambda d, get: {k: dataclasses.replace(v, **changes) for k, v in get().items()},
    )


def chunks(change: Callable[[Any], Any]) -> Break:
    """Streams whose chunks are changed before they are handed out."""

    def wrap(device: Any, open_stream: Any, *arguments: Any) -> Any:
        stream = open_stream(*arguments)
        read = stream.read
        stream.read = lambda timeout_s=1.0: change(read(timeout_s))
        return stream

    return around("open_stream", wrap)


def replaced(**changes: Callable[[Any], Any]) -> Break:
    """Chunks with other fields, each made from the chunk."""
    return chunks(
        lambda c: dataclasses.replace(c, **{name: make(c) for name, make in changes.items()})
    )


def swallow(kind: type[Exception]) -> Break:
    """`apply` that takes no notice of what it should refuse."""

    def wrap(device: Any, apply: Any, settings: Any) -> Any:
        try:
            return apply(settings)
        except kind:
            return {}

    return around("apply", wrap)


def one_by_one(device: Any, apply: Any, settings: Any) -> Any:
    taken = {}
    for name, value in settings.items():
        taken |= apply({name: value})
    return taken


def nameless(device: Any, apply: Any, settings: Any) -> Any:
    try:
        return apply(settings)
    except OutOfRange as error:
        raise OutOfRange("", error.problem) from error
    except NotSupported as error:
        raise NotSupported(device.name, error.problem, command=error.command) from error


def sends_first(device: Any, apply: Any, settings: Any) -> Any:
    """Sets the limit, then complains."""
    have = device.settings()
    for name in settings:
        limits = have[name].limits if name in have else None
        if limits is not None:
            apply({name: limits.high if have[name].value != limits.high else limits.low})
    return apply(settings)


def ignores(name: str) -> Break:
    return around(name, lambda device, original, *a: None)


def no_numbers(device: Any, check: Any, settings: Any) -> Any:
    return check({k: float(v) if isinstance(v, bool) else v for k, v in settings.items()})


def slow(device: Any, safe: Any) -> None:
    safe()
    device._clock.sleep(1.1)


def forgets(device: Any, original: Any) -> None:
    original()
    for name, reading in device.settings().items():
        if reading.limits is not None:
            device.apply({name: 0.7 * reading.limits.low + 0.3 * reading.limits.high})
            return


def hides(device: Any) -> None:
    leave = type(device).__exit__
    device.__class__ = type(
        "Broken", (type(device),), {"__exit__": lambda *a: bool(leave(*a)) or True}
    )


def stays(device: Any) -> None:
    device.__class__ = type("Broken", (type(device),), {"__exit__": lambda *a: None})


def fails_twice(device: Any, close: Any) -> None:
    if getattr(device, "_is_closed", False):
        raise ContractViolation("closed already")
    device._is_closed = True


COMMON: dict[str, tuple[str, list[Break]]] = {
    "identity": (
        "laser",
        [
            prop("identity", lambda d: dataclasses.replace(_identity(d), serial="")),
            prop("identity", lambda d: dataclasses.replace(_identity(d), serial=_new())),
        ],
    ),
    "capabilities_frozen": (
        "laser",
        [
            lambda d: setattr(d, "capabilities", Thawed()),
            lambda d: setattr(d, "capabilities", (1, 2)),
            prop("capabilities", lambda d: roles.LaserCapabilities(math.nan, time.time_ns(), None)),
        ],
    ),
    "capabilities_match_settings": (
        "laser",
        [
            lambda d: setattr(
                d, "capabilities", dataclasses.replace(d.capabilities, power_w=Limits(0, 1e-6, "W"))
            ),
            around("settings", lambda d, get: {k: v for k, v in get().items() if k != "power_w"}),
            readings(limits=None),
        ],
    ),
    "settings_are_readings": (
        "laser",
        [
            readings(limits=None), readings(source="elsewhere"), readings(time_s=0.0),
            readings(unit="furlong"), readings(alarm=0),
            around("settings", lambda d, get: {k: v.value for k, v in get().items()}),
        ],
    ),
    "setters_return_what_was_taken": (
        "attenuator",
        [
            around("apply", lambda d, apply, s: {}),
            around("apply", lambda d, apply, s: apply({k: _half(v) for k, v in s.items()})),
            around(
                "apply",
                lambda d, apply, s: {
                    k: dataclasses.replace(r, value=_nudged(r.value)) for k, r in apply(s).items()
                },
            ),
        ],
    ),
    "limits_refused": (
        "laser",
        [swallow(OutOfRange), around("apply", nameless), around("apply", sends_first)],
    ),
    "wrong_kind_refused": (
        "attenuator", [around("apply", no_numbers), swallow(OutOfRange)],
    ),
    "refused_as_a_whole": ("laser", [around("apply", one_by_one)]),
    "unknown_setting_refused": ("laser", [swallow(NotSupported), around("apply", nameless)]),
    "health": (
        "laser",
        [
            around("health", lambda d, get: Health(Alarm.MAJOR)),
            around("health", lambda d, get: Health(Alarm.NONE, ("too hot",))),
        ],
    ),
    "safe_from_any_state": ("laser", [ignores("safe_state"), around("safe_state", slow)]),
    "safe_after_an_error": ("attenuator", [ignores("safe_state"), around("safe_state", slow)]),
    "reconnect_keeps_settings": ("attenuator", [around("reconnect", forgets)]),
    "close_twice": ("attenuator", [around("close", fails_twice), around("close", forgets)]),
    "context_manager_is_safe": ("attenuator", [hides, stays]),
    "documents_agree": (
        "attenuator",
        [
            around("read", lambda d, get: {}),
            around("read_configuration", lambda d, get: dict(list(get().items())[1:])),
            lambda d: setattr(d, "parent", d),
        ],
    ),
}  # fmt: skip


class Thawed:
    """Capabilities that anybody can change."""

    power_w = 1.0


def _new() -> str:
    return str(time.time_ns())


def _identity(device: Any) -> Any:
    return type(device).__mro__[1].identity.fget(device)


def _half(value: Any) -> Any:
    return value if isinstance(value, bool) else value / 2


def _nudged(value: Any) -> Any:
    return value if isinstance(value, bool) else value + 1e-3


def _unsorted(chunk: Any) -> Any:
    return dataclasses.replace(chunk, t=chunk.t[::-1].copy(), ch=chunk.ch[::-1].copy())


def _all_channels(device: Any, open_stream: Any, channels: Any = None) -> Any:
    return open_stream(None)


def _refuses_nothing(device: Any, open_stream: Any, channels: Any = None) -> Any:
    return open_stream([n for n in channels or (1, 2, 3, 4) if n < 5])


def _unclosed(device: Any, open_stream: Any, *arguments: Any) -> Any:
    stream = open_stream(*arguments)
    stream.close = lambda: None
    return stream


def _patient(device: Any, open_stream: Any, *arguments: Any) -> Any:
    stream = open_stream(*arguments)
    read = stream.read
    stream.read = lambda timeout_s=1.0: read(5.0)
    return stream


def _thinned(device: Any, open_stream: Any, *arguments: Any) -> Any:
    """Every stream drops tags of its own choice."""
    device._opened = getattr(device, "_opened", 0) + 1
    stream, part = open_stream(*arguments), device._opened % 2
    read = stream.read

    def half(timeout_s: float = 1.0) -> Any:
        chunk = read(timeout_s)
        return dataclasses.replace(chunk, t=chunk.t[part::2], ch=chunk.ch[part::2])

    stream.read = half
    return stream


def _keeps_enabled(device: Any, apply: Any, settings: Any) -> Any:
    return apply({k: v for k, v in settings.items() if not k.endswith("enabled")})


def _keeps_dead_time(device: Any, apply: Any, settings: Any) -> Any:
    taken = apply(settings)
    device._port.dead_time_ps[:] = [0.0] * 4
    return taken


def _gap(begin: int, end: int, missed: dict[int, int]) -> Break:
    return replaced(gaps=lambda c: (Gap(c.t_begin + begin, c.t_end + end, missed),))


def _shuffled(device: Any, record: Any, pulses: Any) -> Any:
    return np.roll(record(pulses), len(pulses) % 11)


def _rewrites(device: Any, record: Any, pulses: Any) -> Any:
    """The record of the past in the light of today's settings."""
    return record(pulses + 10**15)


def _lopsided(device: Any, record: Any, pulses: Any) -> Any:
    return np.where(pulses % 10 == 0, 0, record(pulses)).astype(np.uint8)


def _off_by(field: str, amount: float) -> Break:
    return around(field, lambda d, f, *a: dataclasses.replace(f(*a), value=f(*a).value + amount))


def _moved_edges(device: Any, load: Any, table: Any) -> Any:
    step = 2 * device.capabilities.resolution_s
    rows = [
        [dataclasses.replace(p, start_s=p.start_s + step, stop_s=p.stop_s + step) for p in row]
        for row in table.trials
    ]
    return load(TimingTable(table.period_s, tuple(map(tuple, rows))))


def _takes_what_fits(device: Any, load: Any, table: Any) -> Any:
    try:
        return load(table)
    except OutOfRange:
        return device.table()


def _clears_first(device: Any, load: Any, table: Any) -> Any:
    load(TimingTable(1e-5, ((),)))
    return load(table)


def _toggles(device: Any, start: Any) -> None:
    (device.stop if device.running() else start)()


def _stops_first(device: Any, load: Any, table: Any) -> Any:
    device.stop()
    return load(table)


def _stops_when_busy(device: Any, load: Any, table: Any) -> Any:
    try:
        return load(table)
    except Busy:
        device.stop()
        raise


def _unit(field: str) -> Break:
    return around(field, lambda d, f, *a: dataclasses.replace(f(*a), unit="furlong"))


def _opens(device: Any, original: Any, value: float) -> Any:
    device.apply({"shutter_closed": False})
    return original(value)


def _lights_up(device: Any, apply: Any, settings: Any) -> Any:
    device._port.emitting = True
    return apply(settings)


def _shifted(device: Any, move: Any, positions: Any) -> Any:
    return tuple(p + 1.0 for p in move(positions))


def _creeps(device: Any, positions: Any) -> Any:
    device._crept = getattr(device, "_crept", 0.0) + 1e-3
    return tuple(p + device._crept for p in positions())


def _clipped(device: Any, move: Any, positions: Any) -> Any:
    limits = device.capabilities.limits
    return move([min(max(p, b.low), b.high) for p, b in zip(positions, limits, strict=True)])


def _any_number(device: Any, move: Any, positions: Any) -> Any:
    n = device.capabilities.actuators
    return move((list(positions) + [0.0] * n)[:n])


def _hasty(device: Any, move: Any, positions: Any) -> Any:
    device.apply({f"position.{i}": p for i, p in enumerate(positions)})
    return device.positions()


def _clamped_attenuation(device: Any, original: Any, value: float) -> Any:
    return original(min(max(0.0, value), 110.0) if math.isfinite(value) else 0.0)


def _without_floor(device: Any, configure: Any, transmissions: Any, probabilities: Any) -> Any:
    configure(transmissions, probabilities)
    return tuple(transmissions), tuple(probabilities)


def _normalised(device: Any, configure: Any, transmissions: Any, probabilities: Any) -> Any:
    total = sum(probabilities)
    return configure(transmissions, [p / total for p in probabilities] if total > 0 else [1.0])


ROLE: dict[tuple[str, str], list[Break]] = {
    ("TimeTagger", "stream_is_contiguous"): [
        replaced(t_begin=lambda c: c.t_begin + 1), replaced(seq=lambda c: 2 * c.seq),
        replaced(clock_id=lambda c: str(c.seq)), replaced(t_end=lambda c: c.t_begin),
    ],
    ("TimeTagger", "tags_are_in_order"): [
        chunks(_unsorted), replaced(t_end=lambda c: int(c.t[-1])),
        replaced(t=lambda c: c.t.astype(np.float64)), replaced(ch=lambda c: c.ch[:-1]),
    ],
    ("TimeTagger", "gaps_are_accounted"): [
        _gap(0, 0, {}), _gap(-5, -10**9, {}), _gap(0, 5, {}),
        replaced(gaps=lambda c: (Gap(c.t_begin, int(c.t[0]), {9: 1}),)),
        replaced(gaps=lambda c: (Gap(c.t_begin, int(c.t[0])),) * 10**4),
    ],
    ("TimeTagger", "stream_of_some_channels"): [
        around("open_stream", _all_channels), replaced(ch=lambda c: c.ch % 2 + 1),
    ],
    ("TimeTagger", "unknown_channel_refused"): [around("open_stream", _refuses_nothing)],
    ("TimeTagger", "disabled_channel_is_silent"): [around("apply", _keeps_enabled)],
    ("TimeTagger", "closing_stops"): [around("open_stream", _unclosed)],
    ("TimeTagger", "read_times_out"): [around("open_stream", _patient)],
    ("TimeTagger", "streams_share_the_tags"): [around("open_stream", _thinned)],
    ("TimeTagger", "counts_agree_with_the_stream"): [
        around("counts", lambda d, f, s: {n: 2 * c for n, c in f(s).items()}),
        around("counts", lambda d, f, s: {1: 0}),
    ],
    ("TimeTagger", "dead_time_holds"): [around("apply", _keeps_dead_time)],
    ("SinglePhotonDetector", "detector_enables"): [ignores("enable"), ignores("disable")],
    ("SinglePhotonDetector", "detector_counts_when_enabled"): [
        ignores("disable"), _off_by("count_rate", 1.0), _unit("count_rate"),
        around("count_rate", lambda d, f, s: f(s).value),
        lambda d: setattr(
            d, "capabilities", dataclasses.replace(d.capabilities, max_count_rate_hz=1.0)
        ),
    ],
    ("SinglePhotonDetector", "detector_takes_its_time"): [
        around("count_rate", lambda d, f, s: f(s / 2)), around("count_rate", lambda d, f, s: f(2)),
    ],
    ("SinglePhotonDetector", "detector_reset_is_harmless"): [
        around("reset", lambda d, f: d.disable()),
        around("latched", lambda d, f: True),
        around("reset", lambda d, f: setattr(d._port, "latched", True)),
    ],
    ("SinglePhotonDetector", "detector_recovers_from_latching"): [
        ignores("reset"), around("latched", lambda d, f: False),
        around("health", lambda d, f: Health(Alarm.NONE)),
        _off_by("count_rate", 5.0),
    ],
    ("PolarizationController", "move_returns_what_was_taken"): [
        around("move", _shifted),
        around("move", lambda d, f, p: f([q / 2 for q in p])),
        around("positions", _creeps),
    ],
    ("PolarizationController", "move_needs_all_positions"): [around("move", _any_number)],
    ("PolarizationController", "move_stays_within_limits"): [around("move", _clipped)],
    ("PolarizationController", "move_settles"): [
        around("move", _hasty), around("positions", _creeps),
    ],
    ("LaserSource", "laser_emits_when_enabled"): [
        ignores("enable"), ignores("disable"), _unit("power"), _off_by("power", -1.0),
        around("emission", lambda d, f: Emission.ON), _off_by("power", 1.0),
    ],
    ("LaserSource", "laser_stays_off"): [around("apply", _lights_up)],
    ("LaserSource", "laser_obeys_the_interlock"): [
        ignores("enable"), around("health", lambda d, f: Health(Alarm.NONE)),
        around("emission", lambda d, f: Emission.ON), _off_by("power", 1e-3),
    ],
    ("IntensityModulator", "intensity_is_configured"): [
        around("configure", _without_floor),
        around("configure", lambda d, f, t, p: f([x / 2 for x in t], p)),
    ],
    ("IntensityModulator", "intensity_refuses_bad_levels"): [
        around("configure", _normalised), swallow(OutOfRange),
    ],
    ("IntensityModulator", "intensity_record"): [
        around("record", _shuffled), around("record", _lopsided),
        around("record", lambda d, f, p: f(p).astype(np.int64)),
        around("record", lambda d, f, p: f(p) * 2),
    ],
    ("IntensityModulator", "intensity_record_is_kept"): [around("record", _rewrites)],
    ("StateModulator", "state_record"): [
        around("record", _shuffled), around("record", _lopsided),
        around("record", lambda d, f, p: f(p) + np.uint8(1)),
    ],
    ("StateModulator", "state_record_is_kept"): [around("record", _rewrites)],
    ("Attenuator", "attenuation_is_taken"): [
        around("set_attenuation", lambda d, f, v: f(v / 2)), _unit("attenuation"),
        _off_by("attenuation", 0.5),
        around("set_attenuation", lambda d, f, v: (f(v), v)[1]),
    ],
    ("Attenuator", "attenuation_stays_within_limits"): [
        around("set_attenuation", _clamped_attenuation),
    ],
    ("Attenuator", "shutter_stays_closed"): [around("set_attenuation", _opens)],
    ("PulseGenerator", "table_is_taken"): [
        around("load", lambda d, f, t: dataclasses.replace(f(t), period_s=1.0)),
        around("load", _moved_edges), around("load", lambda d, f, t: (f(t), t)[1]),
    ],
    ("PulseGenerator", "unfit_table_refused"): [
        around("load", _takes_what_fits), around("load", _clears_first),
    ],
    ("PulseGenerator", "runs_until_stopped"): [
        ignores("start"), around("running", lambda d, f: False), around("start", _toggles),
    ],
    ("PulseGenerator", "busy_while_running"): [
        around("load", _stops_first), around("load", _stops_when_busy),
    ],
    ("PowerMeter", "power_is_read"): [
        _unit("power"), _off_by("power", -1.0), _off_by("power", math.nan),
        around("power", lambda d, f: dataclasses.replace(f(), time_s=0.0)),
        around("power", lambda d, f: dataclasses.replace(f(), source="elsewhere")),
        around("power", lambda d, f: f().value),
    ],
    ("PowerMeter", "power_takes_its_time"): [
        around("power", lambda d, f: d._reading(1e-3, "W", "power")),
    ],
}  # fmt: skip


def _checks(role: str) -> dict[str, Check]:
    return {check.name: check for check in contract.checks_of(getattr(roles, role))}


def _cases() -> list[Any]:
    cases = [
        (name, check, device, breaks)
        for name, (device, breaks) in COMMON.items()
        for check in [_checks("LaserSource")[name]]
    ] + [
        (name, _checks(role)[name], INSTRUMENTS[role], breaks)
        for (role, name), breaks in ROLE.items()
    ]
    return [
        pytest.param(device, check, one, id=f"{name}-{i}")
        for name, check, device, breaks in cases
        for i, one in enumerate(breaks)
    ]


@pytest.mark.parametrize(("device", "check", "broken"), _cases())
def test_a_broken_instrument_is_caught(lit, device, check, broken) -> None:
    instrument, context = lit("memory-eit" if device == "generator" else "bb84-25km", device)
    broken(instrument)
    with pytest.raises(ContractViolation):
        check(instrument, context)
    for name in [name for name in vars(instrument) if name in METHODS]:
        delattr(instrument, name)


METHODS = {"safe_state", "close", "settings", "apply"}


def test_every_check_has_an_instrument_that_breaks_it() -> None:
    have = {
        check.name for role in INSTRUMENTS for check in contract.checks_of(getattr(roles, role))
    }
    assert have == set(COMMON) | {name for _, name in ROLE}


def test_every_check_has_a_statement_of_its_own() -> None:
    for role in INSTRUMENTS:
        checks = contract.checks_of(getattr(roles, role))
        assert len({check.statement for check in checks}) == len(checks)


def test_examine_reports_each_outcome(lit) -> None:
    laser, context = lit("bb84-25km", "laser")
    laser.health = lambda: Health(Alarm.MAJOR)
    ends = {
        outcome.check.name: outcome
        for outcome in examine(laser, dataclasses.replace(context, faults={}))
    }
    assert ends["identity"].result == "passed"
    assert ends["laser_obeys_the_interlock"].result == "not applicable"
    assert ends["laser_obeys_the_interlock"].detail == "there is no way here to open interlock"
    assert ends["health"].result == "violated"
    assert ends["health"].detail.startswith("laser: alarm")


def test_a_check_without_light_says_what_it_needs(lit) -> None:
    tagger, context = lit("bb84-25km", "tagger")
    tagger.apply({f"ch{n}.enabled": False for n in (1, 2, 3, 4)})
    with pytest.raises(NotApplicable, match="connect a source"):
        _checks("TimeTagger")["stream_of_some_channels"](tagger, context)
