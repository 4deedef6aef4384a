"""Every way to garble a bench file gives one clear line with file and key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qnlab.bench import BenchFile, load_bench, packaged_benches
from qnlab.errors import BenchError
from qnlab.plugins import available

Problems = Callable[..., tuple[str, ...]]
Loader = Callable[..., BenchFile]


def test_a_good_file_says_what_it_says(load_changed: Loader) -> None:
    file = load_changed()
    assert file.simulated
    assert file.label == "small.toml"
    assert list(file.instruments) == ["laser", "tagger"]
    assert file.instruments["tagger"].channels == {"H": 1}
    assert (file.links["quantum"].start, file.links["quantum"].end) == ("alice", "bob")
    assert file.limits == {"laser.power_w": (0.0, 2e-3)}


@pytest.mark.parametrize("name", packaged_benches())
def test_packaged_benches_are_good_and_named_as_their_file(name: str) -> None:
    assert load_bench(name).bench.name == name


ONE_LINE = {
    "unknown key": (
        ("clock =", "clok ="),
        "bench.clok: unknown key; did you mean clock?",
    ),
    "unknown table": (
        ("[procedures.bb84]", "[procedure.bb84]"),
        "procedure: unknown key; did you mean procedures?",
    ),
    "unknown key far from any": (
        ('role = "LaserSource"', 'role = "LaserSource"\nzzz = 1'),
        "instruments.laser.zzz: unknown key; known here: "
        "address, channels, driver, role, settings, site",
    ),
    "unknown key of a link": (
        ('to = "bob"', 'to = "bob"\nlos_db = 3'),
        "links.quantum.los_db: unknown key; known here: from, to",
    ),
    "missing role": (
        ('role = "LaserSource"\n', ""),
        "instruments.laser.role: is missing; name what the instrument is, such as TimeTagger",
    ),
    "unknown role": (
        ("LaserSource", "LaserSorce"),
        "instruments.laser.role: no role 'LaserSorce'; did you mean LaserSource?",
    ),
    "unknown driver": (
        ('driver = "sim"\naddress = "laser"', 'driver = "zaser9"\naddress = "laser"'),
        "instruments.laser.driver: no driver 'zaser9'; installed are: "
        + ", ".join(sorted(available("drivers"))),
    ),
    "missing site": (
        ('site = "alice"\n', ""),
        "instruments.laser.site: is missing; name one of the sites",
    ),
    "unknown site": (
        ('site = "alice"', 'site = "alise"'),
        "instruments.laser.site: no site 'alise'; did you mean alice?",
    ),
    "unknown site in a link": (
        ('to = "bob"', 'to = "eve"'),
        "links.quantum.to: no site 'eve'; sites are: alice, bob",
    ),
    "duplicate address": (
        ('address = "tagger"', 'address = "laser"'),
        "instruments.tagger.address: 'laser' is also the address of instruments.laser; "
        "every instrument needs its own",
    ),
    "wrong unit": (
        ("fibre_km = 25.0", 'fibre_km = "25 Hz"'),
        "world.fibre_km: wrong unit 'Hz'; give the value in km",
    ),
    "unknown unit": (
        ("fibre_km = 25.0", 'fibre_km = "25 furlongues"'),
        "world.fibre_km: unknown unit 'furlongues'; give the value in km",
    ),
    "text for a number": (
        ("fibre_km = 25.0", 'fibre_km = "far"'),
        "world.fibre_km: needs a number in km, or a text such as '1.5 km', got 'far'",
    ),
    "wrong unit of a setting": (
        ("power_w = 1e-3", 'power_w = "0 dBm"'),
        "instruments.laser.settings.power_w: wrong unit 'dBm'; give the value in W",
    ),
    "wrong kind": (
        ("channels = { H = 1 }", 'channels = { H = "one" }'),
        "instruments.tagger.channels.H: needs a whole number, got 'one'",
    ),
    "wrong word": (
        ('clock = "virtual"', 'clock = "virtul"'),
        "bench.clock: should be 'virtual' or 'wall', got 'virtul'",
    ),
    "limits of nothing": (
        ('"laser.power_w"', '"lasr.power_w"'),
        "limits.lasr.power_w: no instrument 'lasr'; did you mean laser?",
    ),
    "limits without setting": (
        ('"laser.power_w"', '"laser"'),
        'limits.laser: needs a key in quotes, "instrument.setting"',
    ),
    "limits upside down": (
        ("[0.0, 2e-3]", "[2e-3, 0.0]"),
        "limits.laser.power_w: [0.002, 0] is not ordered; give [low, high]",
    ),
    "half of the limits": (
        ("[0.0, 2e-3]", "[0.0]"),
        "limits.laser.power_w.1: is missing; the list is too short: [0.0]",
    ),
    "unknown procedure": (
        ("[procedures.bb84]", "[procedures.bb85]"),
        "procedures.bb85: no procedure 'bb85'; did you mean bb84?",
    ),
    "seed": (
        ("seed = 3", "seed = -3"),
        "world.seed: needs a whole number from 0 on, got -3",
    ),
    "virtual clock on real instruments": (
        ("[world]\nseed = 3\nfibre_km = 25.0\n", ""),
        "bench.clock: a virtual clock needs a [world]; real instruments follow 'wall'",
    ),
    "own key of the loader": (
        ("[bench]", "source = 1\n[bench]"),
        "source: unknown key; known here: "
        "bench, sites, instruments, links, limits, world, procedures",
    ),
    "TOML syntax, with its line": (
        ("[sites.bob]", "[sites.bob"),
        "not TOML: Expected ']' at the end of a table declaration (at line 6, column 11)",
    ),
}


@pytest.mark.parametrize("case", ONE_LINE)
def test_a_problem_is_exactly_one_line(case: str, problems: Problems) -> None:
    change, line = ONE_LINE[case]
    assert problems(change) == (f"small.toml: {line}",)


def test_all_problems_are_told_at_once(problems: Problems) -> None:
    lines = problems(
        ('name = "small"\n', ""),
        ('role = "TimeTagger"', 'rol = "TimeTagger"'),
        ("fibre_km = 25.0", 'fibre_km = "25 s"'),
        **{"wrld.x": 1},
    )
    assert {line.split(": ")[1] for line in lines} == {
        "bench.name",
        "instruments.tagger.role",
        "instruments.tagger.rol",
        "world.fibre_km",
        "wrld.x",
    }


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("wrld.fibre_km", 1, "no such key; did you mean world?"),
        ("instruments.lasr.address", "x", "no such key; did you mean laser?"),
        ("sites.carol.summary", "x", "no such key; sites are: alice, bob"),
        ("bench.name.first", "x", "no such key; name is a plain value, not a table"),
        ("world", 1, "no such key; give a key of a table, such as world.fibre_km"),
        ("world..x", 1, "no such key; give a key of a table, such as world.fibre_km"),
        ("bench.nam", "x", "unknown key; did you mean name?"),
        ("world.fibre_km", "3 kHz", "wrong unit 'kHz'; give the value in km"),
    ],
)
def test_an_override_of_what_is_not_there(
    key: str, value: object, problem: str, problems: Problems
) -> None:
    assert problems(**{key: value}) == (f"small.toml: {key}: {problem}",)


def test_a_real_bench_does_not_become_simulated_by_an_override(problems: Problems) -> None:
    real = ("[world]\nseed = 3\nfibre_km = 25.0\n", "")
    lines = problems(real, ('clock = "virtual"', 'clock = "wall"'), **{"world.fibre_km": 1.0})
    assert lines == (
        "small.toml: world.fibre_km: no such key; the bench has no [world], it is not simulated",
    )


def test_overrides_reach_every_kind_of_table(load_changed: Loader) -> None:
    file = load_changed(
        **{
            "world.fibre_km": "500 m",
            "world.dark_rate_hz": "1 kHz",
            "instruments.tagger.channels.H": 7,
            "instruments.tagger.settings.ch1.threshold_v": "50 mV",
            "limits.laser.power_w": [0, "1 mW"],
            "procedures.bb84.block_s": 0.5,
        }
    )
    assert file.world == {"seed": 3, "fibre_km": 0.5, "dark_rate_hz": 1000.0}
    assert file.instruments["tagger"].channels == {"H": 7}
    assert file.instruments["tagger"].settings == {"ch1.threshold_v": pytest.approx(0.05)}
    assert file.limits == {"laser.power_w": (0.0, pytest.approx(1e-3))}
    assert file.procedures["bb84"] == {"block_s": 0.5}


def test_the_packaged_file_is_not_changed_by_overrides() -> None:
    load_bench("bb84-25km", {"world.fibre_km": 99.0})
    assert load_bench("bb84-25km").world == {"seed": 1, "fibre_km": 25.0}


def test_no_such_bench_names_the_packaged_ones() -> None:
    with pytest.raises(BenchError, match=r"^no bench 'bb84-52km'; did you mean bb84-25km\? or"):
        load_bench("bb84-52km")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"gone\.toml: cannot be read: No such file"):
        load_bench(tmp_path / "gone.toml")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "noise.toml"
    path.write_bytes(b"[bench]\n\xff\xfe")
    with pytest.raises(BenchError, match=r"^noise\.toml: not UTF-8 text: byte 8$"):
        load_bench(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_garbled_files_give_a_clear_error_or_load(write: Callable[..., Path], data: object) -> None:
    assert isinstance(data, st.DataObject)
    path = write()
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "copy", "drop"])):
            case "flip":
                raw[at] = data.draw(st.integers(0, 255))
            case "cut":
                del raw[at + 1 :]
            case "copy":
                raw[at:at] = raw[: data.draw(st.integers(1, 80))]
            case "drop":
                del raw[at : at + data.draw(st.integers(1, 80))]
                raw = raw or bytearray(b"#")
    path.write_bytes(raw)
    _loads_or_is_refused_clearly(path, {})


_KEYS = [
    "bench.name",
    "bench.clock",
    "sites.bob",
    "instruments.laser",
    "instruments.laser.settings.power_w",
    "instruments.tagger.channels",
    "instruments.laser.address",
    "links.quantum.to",
    "limits.laser",
    "limits.laser.power_w",
    "world.seed",
    "world.fibre_km",
    "procedures.bb84",
    "procedures.bb84.block_s",
]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    key=st.sampled_from(_KEYS) | st.text(max_size=20),
    value=_VALUES,
)
def test_any_override_gives_a_clear_error_or_loads(
    write: Callable[..., Path], key: str, value: object
) -> None:
    _loads_or_is_refused_clearly(write(), {key: value})


def _loads_or_is_refused_clearly(path: Path, overrides: dict[str, object]) -> None:
    problems: tuple[str, ...] | None = None
    try:
        load_bench(path, overrides)
    except BenchError as error:
        problems = error.problems
    if problems is not None:
        assert problems
        assert all(line.startswith("small.toml: ") for line in problems)
        assert all(len(line.splitlines()) == 1 for line in problems)
