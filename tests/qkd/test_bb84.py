"""The procedure ``bb84`` on its packaged bench: keys, theory, reasons, hygiene."""

import json
import math

import pytest

from qnlab.bench import load_bench, open_bench
from qnlab.errors import Aborted
from qnlab.plugins import load
from qnlab.procedures.qkd.bb84 import Bb84
from qnlab.runs import read_documents


def link(home, *, seed=9, duration=4.0, **world):
    """One session; returns outcome, run folder and the error that ended it."""
    file = load_bench("bb84-25km", {f"world.{key}": value for key, value in world.items()})
    parameters = Bb84.Parameters(**{**file.procedures["bb84"], "duration_s": duration})
    error = None
    with open_bench(file, seed=seed, home=home) as bench:
        assert Bb84().check(bench, parameters) == []
        try:
            with bench.run("bb84", **parameters.model_dump()) as run:
                run.result(Bb84().run(bench, run, parameters))
        except Aborted as aborted:
            error = aborted
    return run.outcome, run.folder, error


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return home, *link(home)


def test_an_undisturbed_link_makes_keys(good):
    _, outcome, _, error = good
    assert error is None
    assert outcome["exit_status"] == "success"
    assert outcome["keys_deposited"] * 256 == outcome["secret_bits"] > 0
    assert outcome["qber"]["key"] < 0.015
    assert 1.0 < outcome["f_ec"] < 1.08
    assert outcome["link_loss_db"] == pytest.approx(25 * 0.2, abs=0.05)
    assert outcome["lost_tags"] == 0


def test_both_sites_hold_the_same_keys_under_the_same_ids(good):
    home, outcome, _, _ = good
    open_store = load("keystores", "sqlite")
    held = {}
    for site in ("alice", "bob"):
        folder = home / "keys" / "bb84-25km"
        with open_store(folder, site, "quantum", simulated=True) as store:
            direction = 0
            assert store.available() == outcome["keys_deposited"]
            ids = store.reserve("test", direction, 3)
            held[site] = {i: bytes(store.get_key_with_id(i, "test").key) for i in ids}
    assert held["alice"] == held["bob"]


def test_no_document_holds_a_long_binary_string(good):
    _, _, folder, _ = good
    text = "".join((folder / n).read_text() for n in ("start.json", "events.jsonl", "stop.json"))
    longest = max(len(part) for part in text.replace('"', " ").replace(",", " ").split())
    assert longest < 120


def test_the_documents_tell_the_story_in_order(good):
    _, outcome, folder, _ = good
    documents = read_documents(folder)
    assert documents[0][0] == "start"
    assert documents[-1][0] == "stop"
    assert documents[-1][1]["result"]["secret_bits"] == outcome["secret_bits"]
    names = [d["name"] for kind, d in documents if kind == "descriptor"]
    assert names == ["synchronisation", "alignment", "block"]


def test_same_seed_same_run_another_seed_another(good, tmp_path):
    _, outcome, _, _ = good

    def figures(result):
        keys = ("qber", "sifted_bits", "leak_ec_bits", "secret_bits", "link_loss_db")
        return json.dumps({key: result[key] for key in keys})

    again, _, _ = link(tmp_path / "a")
    other, _, _ = link(tmp_path / "b", seed=8)
    assert figures(again) == figures(outcome)
    assert figures(other) != figures(outcome)


def test_more_fibre_more_loss_less_key(good, tmp_path):
    _, outcome, _, _ = good
    longer, _, _ = link(tmp_path, fibre_km=35.0)
    assert longer["link_loss_db"] == pytest.approx(35 * 0.2, abs=0.05)
    ratio = longer["sifted_bits"] / outcome["sifted_bits"]
    assert ratio == pytest.approx(10**-0.2, rel=0.06)
    assert longer["secret_bits"] < outcome["secret_bits"]


def test_dark_counts_in_the_gate_are_wrong_half_of_the_time(good, tmp_path):
    _, outcome, folder, _ = good
    dark_hz = 100_000.0
    dark, _, _ = link(tmp_path, dark_rate_hz=dark_hz)
    p = Bb84.Parameters(**read_documents(folder)[0][1]["parameters"])
    transmittance = 10 ** (-(25 * 0.2 + p.receiver_loss_db) / 10) * 0.3
    signal = p.signal_probability * -math.expm1(-p.mu_signal * transmittance)
    decoy = (1 - p.signal_probability) * -math.expm1(-p.mu_decoy * transmittance)
    in_gate = 4 * dark_hz * p.gate_ps * 1e-12
    share = in_gate / (in_gate + signal + decoy)
    assert dark["qber"]["key"] - outcome["qber"]["key"] == pytest.approx(share / 2, abs=0.003)
    assert dark["secret_bits"] < outcome["secret_bits"]


def test_intercept_resend_raises_the_qber_by_a_quarter_of_its_share(good, tmp_path):
    _, outcome, _, _ = good
    tapped, _, _ = link(tmp_path, intercept_fraction=0.08)
    assert tapped["qber"]["key"] - outcome["qber"]["key"] == pytest.approx(0.02, abs=0.006)
    assert tapped["secret_bits"] < outcome["secret_bits"]


def test_full_intercept_resend_leaves_no_key_and_names_why(tmp_path):
    outcome, folder, error = link(tmp_path, intercept_fraction=1.0)
    assert error is not None
    assert error.reason == "qber_abort"
    assert outcome["keys_deposited"] == outcome["secret_bits"] == 0
    stop = read_documents(folder)[-1][1]
    assert stop["exit_status"] == "abort"
    assert "qber_abort" in stop["reason"]


def test_a_session_cut_between_deposit_and_confirm_is_settled_by_the_next(tmp_path):
    open_store = load("keystores", "sqlite")
    folder = tmp_path / "keys" / "bb84-25km"
    held = {"both": ("alice", "bob"), "alice confirmed": ("alice", "bob"), "alice": ("alice",),
            "bob": ("bob",)}  # fmt: skip
    for site in ("alice", "bob"):
        with open_store(folder, site, "quantum", simulated=True) as store:
            store.provision_authentication(bytes(4096))
            store.take_authentication(16 if site == "alice" else 48)
            for block, sites in held.items():
                if site in sites:
                    store.deposit(block, block.encode().ljust(64), epsilon=1e-10, simulated=True)
            if site == "alice":
                store.confirm("alice confirmed")
    outcome, _, _ = link(tmp_path, duration=0.5)
    counts = []
    for site in ("alice", "bob"):
        with open_store(folder, site, "quantum", simulated=True) as store:
            assert store.pending() == []
            assert store.holds("both")
            assert store.holds("alice confirmed")
            assert not store.holds("alice")
            assert not store.holds("bob")
            counts.append((store.available(), store.authentication_position))
    assert counts[0] == counts[1]
    assert counts[0][0] == 4 + outcome["keys_deposited"]
