"""``qnlab keys`` on real stores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from qnlab.errors import StoreError
from qnlab.keys import key_id, open_site_store
from qnlab.keys.command import keys


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("QNLAB_KEYSTORE_PASSPHRASE", raising=False)
    for site in ("alice", "bob"):
        with open_site_store(tmp_path / "keys", site, "quantum", simulated=True) as store:
            store.provision_authentication(bytes(100))
            store.deposit("r/1", bytes(96), epsilon=1e-10, simulated=True)
            store.confirm("r/1")
            store.get_key("a/b", 0)
    return tmp_path


def run(*words: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(keys, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result.output


def test_list(home: Path) -> None:
    stores = json.loads(run("list", "--json", "--home", home))["stores"]
    assert [store["site"] for store in stores] == ["alice", "bob"]
    for store in stores:
        assert store["simulated"] is True
        assert store["keys"]["available"] == 2
        assert store["keys"]["delivered"] == 1
        assert store["authentication_remaining_bits"] == 800
        assert store["epsilon_total"] == pytest.approx(1e-10)
    text = run("list", "--home", home)
    assert "simulated/quantum/bob  (simulated: not secret)" in text
    assert "keys of 256 bits: 2 available, 1 delivered" in text


def test_list_of_an_empty_home(tmp_path: Path) -> None:
    assert run("list", "--home", tmp_path) == f"no key stores below {tmp_path / 'keys'}\n"
    assert json.loads(run("list", "--json", "--home", tmp_path)) == {"stores": []}


def test_show(home: Path) -> None:
    words = ("show", "simulated/quantum/alice", "--home", home)
    shown = json.loads(run(*words, "--limit", "2", "--json"))
    assert [one["key_id"] for one in shown["keys"]] == [
        key_id("quantum", "r/1", 2 - k) for k in (0, 1)
    ]
    assert shown["summary"]["keys"]["available"] == 2
    assert shown["blocks"][0] == {
        "block_id": "r/1",
        "state": "confirmed",
        "keys": 3,
        "dropped_bits": 0,
        "epsilon": 1e-10,
    }
    assert f"key {key_id('quantum', 'r/1', 0)}  delivered  a/b" in run(*words)


def test_show_of_a_store_that_is_not_there(home: Path) -> None:
    result = CliRunner().invoke(keys, ["show", "quantum/alice", "--home", str(home)])
    assert isinstance(result.exception, StoreError)
    assert "store.sqlite" in str(result.exception)


def test_works_beside_a_writer(home: Path) -> None:
    with open_site_store(home / "keys", "alice", "quantum", simulated=True) as store:
        store.get_key("a/b", 1)
        stores = json.loads(run("list", "--json", "--home", home))["stores"]
        assert stores[0]["keys"]["delivered"] == 2
        run("audit", "verify", "--home", home)


def test_audit_verify(home: Path) -> None:
    assert run("audit", "verify", "--home", home).count("4 lines, intact") == 2
    log = home / "keys" / "simulated" / "quantum" / "bob" / "audit.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"keys":3', b'"keys":4'))
    stores = json.loads(run("audit", "verify", "--json", "--home", home, code=1))["stores"]
    assert [store["ok"] for store in stores] == [True, False]
    assert "line 2 was changed" in stores[1]["problem"]
