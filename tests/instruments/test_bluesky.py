"""Instruments have bluesky's shapes: its RunEngine drives them, its schema accepts them."""

from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from event_model import DocumentNames, schema_validators

from qnlab.bench import load_bench, open_bench
from qnlab.errors import Busy, NotSupported, OutOfRange, QnlabError
from qnlab.instruments.status import Status
from qnlab.runs import read_tags
from qnlab.runs.verification import verify

protocols = pytest.importorskip("bluesky.protocols")
plans = pytest.importorskip("bluesky.plans")
preprocessors = pytest.importorskip("bluesky.preprocessors")
run_engine = pytest.importorskip("bluesky.run_engine")
stubs = pytest.importorskip("bluesky.plan_stubs")


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


def test_a_tagger_flies_while_the_plan_turns_a_knob(bench, engine, tmp_path: Path) -> None:
    run_plan, documents = engine
    tagger, attenuator = bench.instruments["tagger"], bench.instruments["attenuator"]
    bench.instruments["laser"].enable()
    bench.instruments["det_h"].enable()
    attenuator.apply({"shutter_closed": False, "attenuation_db": 70.0})
    with bench.run("fly") as run:
        flyer = tagger.flyer(run, 0.3)
        for shape in ("Flyable", "Collectable", "WritesStreamAssets", "Stoppable"):
            assert isinstance(flyer, getattr(protocols, shape)), shape

        @preprocessors.run_decorator()
        def plan():
            yield from stubs.declare_stream(flyer, name="tags", collect=True)
            yield from stubs.kickoff(flyer, wait=True)
            yield from stubs.mv(attenuator.axis("attenuation_db"), 75.0)
            yield from stubs.complete(flyer, wait=True)
            yield from stubs.collect(flyer, name="tags")

        run_plan(plan())
    for name, document in documents:
        schema_validators[DocumentNames[name]].validate(document)
    resources = [d for name, d in documents if name == "stream_resource"]
    data = [d for name, d in documents if name == "stream_datum"]
    assert len(resources) == len(data) == 1
    assert Path(unquote(urlparse(resources[0]["uri"]).path)).is_file()
    chunks = list(read_tags(run.folder, "tagger"))
    assert data[0]["indices"] == {"start": 0, "stop": len(chunks)}
    assert chunks[-1].t_end - chunks[0].t_begin == 300_000_000_000
    assert sum(len(chunk) for chunk in chunks) == resources[0]["parameters"]["rows"] > 0
    assert verify(run.folder).state == "whole"


def test_a_flight_that_cannot_begin_says_why(bench, monkeypatch) -> None:
    tagger = bench.instruments["tagger"]

    def occupied() -> None:
        raise Busy("tagger", "another client streams")

    with bench.run("fly") as run:
        flyer = tagger.flyer(run, 1.0)
        with pytest.raises(QnlabError, match="before kickoff"):
            flyer.complete()
        monkeypatch.setattr(tagger, "open_stream", occupied)
        with pytest.raises(Busy, match="another client streams"):
            flyer.kickoff().wait(5)


def test_a_stopped_flight_keeps_what_it_has(bench) -> None:
    with bench.run("fly") as run:
        flyer = bench.instruments["tagger"].flyer(run, 1e6)
        flyer.kickoff().wait(5)
        flyer.stop()
        figures = flyer.complete().wait(30)
        assert figures["duration_s"] * 1e12 == sum(
            chunk.t_end - chunk.t_begin for chunk in read_tags(run.folder, "tagger")
        )


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
