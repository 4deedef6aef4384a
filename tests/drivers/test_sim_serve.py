"""``qnlab sim serve``: other software talks to the simulated bench."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from qnlab.cli.sim import sim
from qnlab.errors import BenchError

SERVE = [sys.executable, "-c", "from qnlab.cli import main; main()", "sim", "serve"]


def test_another_program_talks_to_the_attenuator() -> None:
    with subprocess.Popen(
        [*SERVE, "bb84-25km-wire", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())
        served = {item["instrument"]: item for item in told["instruments"]}
        detectors = {"det_h", "det_v", "det_d", "det_a"}
        assert set(served) == {"attenuator", "epc", "power_meter"} | detectors
        kind, host, port = served["attenuator"]["address"].split(":")
        assert kind == "tcp"
        with socket.create_connection((host, int(port)), 5) as connection:
            connection.sendall(b"*IDN?;:inp1:att 50dB;att?\n")
            reply = connection.makefile("rb").readline()
        assert reply == (b"Keysight Technologies,N7761A,DE00000001,1.0;+5.00000000E+01\n")
        line = Path(served["epc"]["address"].removeprefix("serial:"))
        assert line.exists()
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0
    assert not line.parent.exists()


def test_a_bench_without_wires_has_nothing_to_serve() -> None:
    result = CliRunner().invoke(sim, ["serve", "bb84-25km"])
    assert isinstance(result.exception, BenchError)
    assert "no instrument to serve" in str(result.exception)
