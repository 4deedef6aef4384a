"""``qnlab conformance``, and the contract of a recording that is played back."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.clock import VirtualClock
from qnlab.errors import BenchError
from qnlab.instruments.command import conformance
from qnlab.instruments.contract import Context, examine
from qnlab.sim_backends.devices.replay import ReplayTagger, connect
from qnlab.sim_backends.devices.sources import SimulatedPowerMeter
from qnlab.tags import TagChunk
from qnlab.tags.files.write import convert_tags
from qnlab.values import Reading

CHUNK_PS = 20_000_000_000


class Recording:
    """4 s with 10 000 tags a second, at random on channels 1 and 2."""

    def chunks(self):
        rng = np.random.default_rng(1)
        for k in range(200):
            begin, end = k * CHUNK_PS, (k + 1) * CHUNK_PS
            t = np.sort(rng.integers(begin, end, 200))
            ch = rng.integers(1, 3, 200).astype(np.uint8)
            yield TagChunk(t, ch, begin, end, k, "lab")


@pytest.fixture
def replay(tmp_path) -> tuple[ReplayTagger, Context]:
    path = tmp_path / "recording.parquet"
    convert_tags(Recording(), path, "parquet", lambda fraction, message: None)
    clock = VirtualClock()
    spec = InstrumentSpec("tagger", "lab", "TimeTagger", "replay", str(path))
    return connect(spec, BenchContext(clock, 0, None, {})), Context(clock)


def test_a_recording_keeps_the_contract_of_a_tagger(replay) -> None:
    ends = {outcome.check.name: outcome for outcome in examine(*replay)}
    assert {name for name, end in ends.items() if end.result != "passed"} == {
        "limits_refused",
        "dead_time_holds",
    }
    assert ends["limits_refused"].detail == "no setting is a number"
    assert ends["dead_time_holds"].detail == "the dead time is not adjustable"


def test_a_simulated_bench_keeps_its_contracts() -> None:
    said = CliRunner().invoke(conformance, ["bb84-25km", "--instrument", "attenuator", "--json"])
    assert said.exit_code == 0
    report = json.loads(said.output)
    assert report["kept"] is True
    assert {row["instrument"] for row in report["instruments"]} == {"attenuator"}
    assert {row["result"] for row in report["instruments"]} == {"passed"}
    assert {row["role"] for row in report["instruments"]} == {"Instrument", "Attenuator"}


def test_a_broken_promise_is_named_and_fails_the_command(monkeypatch) -> None:
    dark = Reading(-1.0, "W", 0.0, "power_meter.power")
    monkeypatch.setattr(SimulatedPowerMeter, "power", lambda self: dark)
    said = CliRunner().invoke(conformance, ["bb84-25km", "--instrument", "power_meter"])
    assert said.exit_code == 1
    assert "violated        power_is_read" in said.output
    assert "power is negative: -1.0" in said.output


def test_an_instrument_that_is_not_there_is_named() -> None:
    said = CliRunner().invoke(conformance, ["bb84-25km", "--instrument", "lazer"])
    assert isinstance(said.exception, BenchError)
    assert "no instrument 'lazer'; it has laser, " in str(said.exception)
