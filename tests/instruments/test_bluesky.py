"""Instruments have bluesky's shapes: its RunEngine drives them, its schema accepts them."""

from pathlib import Path

import pytest
from event_model import DocumentNames, schema_validators

from qnlab.bench import load_bench, open_bench
from qnlab.errors import NotSupported, OutOfRange
from qnlab.instruments.status import Status

protocols = pytest.importorskip("bluesky.protocols")
plans = pytest.importorskip("bluesky.plans")
run_engine = pytest.importorskip("bluesky.run_engine")


@pytest.fixture
def bench(tmp_path: Path):
    with open_bench(load_bench("bb84-25km"), home=tmp_path) as opened:
        yield opened


@pytest.fixture
def engine():
    made = run_engine.RunEngine({}, context_managers=[])
    documents = []
    made.subscribe(lambda name, document: documents.append((name, document)))
    yield made, documents
    made.loop.call_soon_threadsafe(made.loop.stop)
    made._th.join(5)
    made.loop.close()


def test_every_instrument_has_the_shapes(bench) -> None:
    for instrument in bench.instruments.values():
        for shape in (
            "Readable",
            "Configurable",
            "Triggerable",
            "Movable",
            "Stageable",
            "Stoppable",
        ):
            assert isinstance(instrument, getattr(protocols, shape)), (instrument.name, shape)
    axis = bench.instruments["attenuator"].axis("attenuation_db")
    assert isinstance(axis, protocols.Movable)
    assert isinstance(axis, protocols.Readable)
    assert isinstance(axis.set(3.0), protocols.Status)


def test_descriptors_pass_the_schema(bench) -> None:
    for instrument in bench.instruments.values():
        configuration = instrument.read_configuration()
        descriptor = {
            "uid": "1", "run_start": "2", "time": 0.0, "data_keys": instrument.describe(),
            "configuration": {
                instrument.name: {
                    "data": {key: value["value"] for key, value in configuration.items()},
                    "timestamps": {key: value["timestamp"] for key, value in configuration.items()},
                    "data_keys": instrument.describe_configuration(),
                }
            },
        }  # fmt: skip
        schema_validators[DocumentNames.descriptor].validate(descriptor)
        assert set(instrument.read()) == set(descriptor["data_keys"])


def test_count_reads_every_instrument(bench, engine) -> None:
    run, documents = engine
    bench.instruments["laser"].enable()
    run(plans.count(list(bench.instruments.values()), num=2))
    events = [document["data"] for name, document in documents if name == "event"]
    assert len(events) == 2
    assert events[0]["laser-power"] == 1e-3
    assert events[0]["power_meter-power"] == 1e-3
    assert documents[-1][1]["exit_status"] == "success"


def test_a_scan_of_the_attenuation_shows_in_the_counts(bench, engine) -> None:
    run, documents = engine
    attenuator, detector = bench.instruments["attenuator"], bench.instruments["det_h"]
    bench.instruments["laser"].enable()
    attenuator.apply({"shutter_closed": False})
    detector.enable()
    run(plans.scan([detector], attenuator.axis("attenuation_db"), 60.0, 80.0, 3))
    events = [document["data"] for name, document in documents if name == "event"]
    assert [event["attenuator-attenuation_db"] for event in events] == [60.0, 70.0, 80.0]
    rates = [event["det_h-count_rate"] for event in events]
    assert rates[1] / rates[2] == pytest.approx(10, rel=0.25)
    assert rates[0] > rates[1]


def test_a_refused_value_fails_the_run_with_our_error(bench, engine) -> None:
    run, documents = engine
    axis = bench.instruments["attenuator"].axis("attenuation_db")
    with pytest.raises(run_engine.FailedStatus) as caught:
        run(plans.scan([], axis, 100.0, 200.0, 2))
    assert isinstance(caught.value.__cause__, OutOfRange)
    assert axis.position == 100.0
    assert documents[-1][1]["exit_status"] == "fail"


def test_a_triggered_measurement_is_read_once(bench) -> None:
    meter = bench.instruments["power_meter"]
    meter.trigger().wait(5)
    first = meter.read()
    time_s = bench.clock.now()
    meter.describe()
    assert bench.clock.now() == time_s
    assert meter.read()["power_meter-power"]["timestamp"] > first["power_meter-power"]["timestamp"]


def test_an_axis_is_a_numeric_setting(bench) -> None:
    with pytest.raises(NotSupported, match="attenuation_db"):
        bench.instruments["attenuator"].axis("shutter_closed")


def test_status_tells_how_an_action_ended() -> None:
    heard = []
    good, bad = Status.of(lambda: 3), Status.of(lambda: 1 / 0)
    assert good.wait(5) == 3
    assert isinstance(bad.exception(5), ZeroDivisionError)
    good.add_callback(heard.append)
    assert heard == [good]
    assert (good.done, good.success) == (True, True)
    assert (bad.done, bad.success) == (True, False)
