"""Instruments of packaged benches, with light on the detectors, and ways to break things."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from qnlab.bench import Bench, load_bench, open_bench
from qnlab.instruments.contract import Context
from qnlab.instruments.pulse_generator import Pulse, TimingTable

SAME_DEVICES = {"memory-afc", "memory-ladder"}
"""Benches with no other devices than memory-eit."""


def packaged() -> list[tuple[str, str]]:
    """Bench and instrument of every packaged bench."""
    names = sorted(
        item.name.removesuffix(".toml")
        for item in files("qnlab.sim_backends.benches").iterdir()
        if item.name.endswith(".toml")
    )
    return [
        (name, item)
        for name in names
        if name not in SAME_DEVICES
        for item in load_bench(name).instruments
    ]


@pytest.fixture
def lit(tmp_path) -> Callable[[str], Any]:
    """Open a bench with weak light on enabled detectors; close it after the test."""
    benches: list[Bench] = []

    def make(bench_name: str, instrument: str) -> tuple[Any, Context]:
        bench = open_bench(load_bench(bench_name), home=tmp_path)
        benches.append(bench)
        device = bench.instruments[instrument]
        turn_on(bench)
        return device, Context(bench.clock, faults_of(bench, device))

    yield make
    for bench in benches:
        bench.close()


def turn_on(bench: Bench) -> None:
    """Light through the whole link, as a procedure would make it."""
    for item in bench.instruments.values():
        if item.role in ("LaserSource", "SinglePhotonDetector"):
            item.enable()
        if item.role == "Attenuator":
            item.apply({"shutter_closed": False, "attenuation_db": 75.0})
        if item.role == "PulseGenerator":
            item.load(
                TimingTable(
                    5e-6,
                    (
                        (
                            Pulse("sync", 0.0, 1e-8),
                            Pulse("bypass", 0.0, 1e-6),
                            Pulse("write", 0.0, 1e-7),
                            Pulse("signal", 0.0, 1e-7),
                        ),
                    ),
                )
            )
            item.start()


def faults_of(bench: Bench, device: Any) -> dict[str, Callable[[], None]]:
    """What only the simulation can bring about."""
    wire = bench.wires.get(device.name)
    port = wire.port if wire else getattr(device, "_port", None)
    if device.role == "SinglePhotonDetector" and wire is None:  # those on a wire are photodiodes
        return {"latch": lambda: setattr(port, "latched", True)}
    if device.role == "LaserSource":
        return {
            "open_interlock": lambda: setattr(port, "interlock_open", True),
            "close_interlock": lambda: setattr(port, "interlock_open", False),
        }
    return {}
