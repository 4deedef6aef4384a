"""Planted keys appear in no file, log, message or representation."""

from __future__ import annotations

import ast
import base64
import logging
import secrets
import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner

import qnlab.keys
from qnlab.errors import StoreError
from qnlab.keys import open_site_store
from qnlab.keys.command import keys


def disguises(secret: bytes) -> list[bytes]:
    """How `secret` could look in a file; base64 at its three alignments."""
    found = [secret, secret.hex().encode(), secret.hex().upper().encode(), repr(secret).encode()]
    found.append(", ".join(map(str, secret)).encode())
    for skip in range(3):
        found.append(base64.b64encode(secret[skip : skip + 12]))
        found.append(base64.urlsafe_b64encode(secret[skip : skip + 12]))
    return found


def test_planted_keys_leave_no_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QNLAB_KEYSTORE_PASSPHRASE", raising=False)
    caplog.set_level(logging.DEBUG)
    block, provisioned = secrets.token_bytes(4 * 32), secrets.token_bytes(64)
    said: list[str] = []
    files: dict[Path, bytes] = {}

    def look() -> None:
        for path in tmp_path.rglob("*"):
            if path.is_file():
                files[path] = files.get(path, b"") + path.read_bytes()

    with open_site_store(tmp_path / "keys", "alice", "quantum", simulated=False) as store:
        store.provision_authentication(provisioned)
        store.deposit("r/1", block, epsilon=1e-10, simulated=False)
        look()
        store.confirm("r/1")
        store.digest("r/1", b"nonce")
        delivered = store.get_key("a/b", 0)
        taken = store.take_authentication(40)
        store.replenish_authentication("r/1", 256)
        look()
        said += [repr(store), str(store.__dict__), repr(delivered), str(store.statistics())]
        attempts = (
            lambda: store.deposit("r/1", block[::-1], epsilon=0, simulated=False),
            lambda: store.deposit("r/2", block, epsilon=2, simulated=False),
            lambda: store.get_key_with_id(delivered.key_id, "a/b"),
            lambda: store.take_authentication(1000),
        )
        for attempt in attempts:
            with pytest.raises(StoreError) as caught:
                attempt()
            said += traceback.format_exception(caught.value)
        for command in (["list"], ["show", "quantum/alice"], ["audit", "verify"]):
            for form in ([], ["--json"]):
                result = CliRunner().invoke(keys, [*command, *form, "--home", str(tmp_path)])
                assert result.exit_code == 0, result.output
                said.append(result.output)
    look()
    assert {path.name for path in files} >= {"store.sqlite", "store.sqlite-wal", "audit.jsonl"}
    assert bytes(delivered.key) == block[:32]
    assert taken == provisioned[:40]
    everything = [*files.values(), "\n".join(said).encode(), caplog.text.encode()]
    planted = [block[start : start + 16] for start in range(0, 128, 16)]
    planted += [provisioned[start : start + 16] for start in range(0, 64, 16)]
    for secret in planted:
        for form in disguises(secret):
            assert not any(form in text for text in everything)
    delivered.wipe()
    assert delivered.key == bytes(32)


def test_no_module_of_the_keys_uses_another_source_of_randomness_than_secrets() -> None:
    modules = list(Path(qnlab.keys.__file__).parent.glob("*.py"))
    assert len(modules) > 5
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & {"random", "numpy"}, module
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in {"random", "numpy"}, module


def test_the_search_would_find_a_key() -> None:
    secret = secrets.token_bytes(16)
    for carrier in (secret, secret.hex().encode(), base64.b64encode(b"x" + secret + b"y")):
        assert any(form in carrier for form in disguises(secret))
