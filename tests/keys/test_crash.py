"""kill -9 at random moments: nothing acknowledged is lost, nothing secret is handed out twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qnlab.keys import KeyUnavailable, open_site_store
from qnlab.keys.audit import LOG, verify
from qnlab.keys.figures import reading
from qnlab.keys.sealing import audit_key, unseal_store

WORKER = Path(__file__).with_name("crash_worker.py")
POOL = random.Random(1).randbytes(1 << 16)


def work_until_killed(folder: Path, generation: int, seconds: float) -> list[list[str]]:
    """Acknowledged lines of a worker that was killed `seconds` after its first one."""
    command = [sys.executable, str(WORKER), str(folder), str(generation)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        first = worker.stdout.readline()
        time.sleep(seconds)
        worker.kill()
        rest = worker.stdout.read()
    return [line.split() for line in (first + rest).decode().splitlines()]


def test_kill_at_random_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QNLAB_KEYSTORE_PASSPHRASE", raising=False)
    moments = random.Random(2)
    delivered: set[str] = set()
    with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
        folder = store.folder
        store.provision_authentication(POOL)
    position = 0
    for generation in range(8):
        lines = work_until_killed(tmp_path, generation, moments.uniform(0.0, 0.15))
        assert lines
        for verb, *words in lines:
            if verb == "take":
                secret = bytes.fromhex(words[0])
                assert POOL[position : position + len(secret)] == secret
                position += len(secret)
            elif verb == "deliver":
                assert words[0] not in delivered
                delivered.add(words[0])
        with open_site_store(tmp_path, "alice", "quantum", simulated=False) as store:
            for verb, *words in lines:
                if verb in {"deposit", "confirm"}:
                    assert store.digest(words[0], b"n")
                elif verb == "reserve":
                    for one in words:
                        with pytest.raises(KeyUnavailable, match="reserved for another"):
                            store.get_key_with_id(one, "c/d")
            for one in delivered:
                with pytest.raises(KeyUnavailable, match="is delivered"):
                    store.get_key_with_id(one, "a/b")
            confirmed = sum(verb == "confirm" for verb, *_ in lines)
            assert store.statistics().blocks["confirmed"] >= confirmed
            assert store.authentication_position >= position
            position = store.authentication_position
        with reading(folder) as reader:
            key = audit_key(unseal_store(folder, reader.meta))
            verify(folder / LOG, key, int(reader.meta["audit_sequence"]))
    assert len(delivered) > 8
