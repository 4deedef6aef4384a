"""The bench on simulated wires, with the laser on one as well."""

from importlib.resources import files

import pytest

from qnlab.bench import load_bench, open_bench

PULSED = 'driver = "sim"\naddress = "laser"\nsettings = { power_w = 1e-3, repetition_hz = 80e6 }'
CONTINUOUS = 'driver = "santec-tsl"\naddress = "sim"\nsettings = { power_w = 1e-3 }'


@pytest.fixture
def bench(tmp_path):
    text = files("qnlab.sim_backends.benches").joinpath("bb84-25km-wire.toml").read_text("utf-8")
    assert PULSED in text
    path = tmp_path / "bench.toml"
    path.write_text(text.replace(PULSED, CONTINUOUS), encoding="utf-8")
    with open_bench(load_bench(path), home=tmp_path) as opened:
        yield opened
