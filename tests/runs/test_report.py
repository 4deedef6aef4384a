"""The report shows what the documents hold, and stands alone."""

import base64
import html
import re

import pytest

from qnlab.errors import Aborted
from qnlab.runs import read_documents
from qnlab.runs.report import _panels, _streams, words, write_pdf, write_report
from qnlab.values import Reading
from tests.runs.made import a_run, assert_valid

RESULT = {
    "secret_key_rate_bps": 1234.5,
    "qber": {"key": 0.011},
    "sifted_bits": 1000000,
    "measured": None,
    "channels": [1, 2],
    "loss_budget": [{"item": "fibre <25 km>", "loss_db": 4.98}],
    "key_ledger": [{"item": "deposited", "bits": 256}],
}


@pytest.fixture
def run(tmp_path):
    settings = {"laser.power_w": Reading(1e-3, "W", time_s=0.0, source="laser")}
    with a_run(tmp_path, settings) as run:
        run.panel("block", "Error rate", "qber_key", "qber_test", percent=True)
        run.remark("Keys end here.")
        for k in range(3):
            error = None if k == 1 else 0.01
            run.record("block", time_s=0.5 * k, qber_key=error, qber_test=0.02, status="kept", n=k)
        run.result(RESULT)
    return run


def page_of(run):
    page, _ = write_report(run.folder)
    return page.read_text(encoding="utf-8")


def rows_of(page):
    cells = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [
        [html.unescape(re.sub(r"\s+", " ", cell)).strip() for cell in re.findall(r">([^<]*)</t", c)]
        for c in cells
    ]


def test_results_stand_with_their_units(run):
    rows = rows_of(page_of(run))
    assert ["secret key rate", "1234.5", "bit/s"] in rows
    assert ["QBER, key", "0.011", ""] in rows
    assert ["sifted", "1 000 000", "bit"] in rows
    assert ["measured", "not measured", ""] in rows
    assert ["1, 2"] in rows
    assert ["item", "loss (dB)"] in rows
    assert ["fibre <25 km>", "4.98"] in rows
    assert ["deposited", "256"] in rows
    assert ["block", "3"] in rows
    laser = next(row for row in rows if row[0] == "laser.power_w")
    assert (laser[1], laser[2], laser[4]) == ("0.001", "W", "none")


def test_the_page_stands_alone_and_holds_the_picture(run):
    page = page_of(run)
    (encoded,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert base64.b64decode(encoded) == (run.folder / "report.png").read_bytes()
    assert not re.search(r"<script|<link|http", page)
    assert "Keys end here." in page
    assert "no key of this run is secret" in page
    assert_valid(run.folder)


def test_declared_panels_are_drawn_and_no_others(run):
    panels = _panels(_streams(read_documents(run.folder)))
    assert [(p.title, p.fields, p.percent) for p in panels] == [
        ("Error rate", ("qber_key", "qber_test"), True)
    ]
    assert panels[0].stream.seconds == [0.0, 0.5, 1.0]


def test_without_panels_numbers_of_one_unit_and_name_are_drawn_together(tmp_path):
    with a_run(tmp_path) as run:
        run.record("scan", rate_a_hz=1.0, rate_b_hz=2.0, rate_db=3.0, word="x", on=True, row=[1])
    panels = _panels(_streams(read_documents(run.folder)))
    assert [p.fields for p in panels] == [("rate_a_hz", "rate_b_hz"), ("rate_db",)]
    assert [p.title for p in panels] == ["scan: rate", "scan: rate"]


def test_a_panel_must_name_fields_of_its_stream_in_time(tmp_path):
    with a_run(tmp_path) as run:
        run.panel("block", "Error rate", "qber")
        with pytest.raises(ValueError, match="panel 'Error rate' draws qber; the fields are n"):
            run.record("block", n=1)
        run.record("other", n=1)
        with pytest.raises(ValueError, match="declare its panels first"):
            run.panel("other", "Late", "n")


def test_a_run_that_was_aborted_before_it_measured_names_cause_and_clean_up(tmp_path):
    with pytest.raises(Aborted), a_run(tmp_path) as run:  # noqa: PT012
        run.cleanup(lambda: 1 / 0)
        run.abort("qber_abort", "12 %")
        run.checkpoint()
    page = page_of(run)
    assert "qber abort (Aborted: qber_abort: 12 %)" in page
    assert "Clean-up failed: ZeroDivisionError" in page


def test_a_run_without_end_says_so(run):
    (run.folder / "stop.json").unlink()
    assert "The run has no end" in page_of(run)


def test_the_pdf_is_one(run):
    assert write_pdf(run.folder).read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("link_loss_db", "link loss"),
        ("f_ec", "f EC"),
        ("qber", "QBER"),
        ("dark_rate_hz", "dark rate"),
    ],
)
def test_names_are_read_without_their_units(key, said):
    assert words(key) == said
