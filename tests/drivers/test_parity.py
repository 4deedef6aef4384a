"""The same procedure on simulated roles and on real drivers over wires gives the same physics."""

import json

import pytest
from click.testing import CliRunner

from qnlab.cli.run import run


def result(bench: str, home) -> dict[str, object]:
    called = CliRunner().invoke(
        run,
        ["bb84", "--bench", bench, "--duration", "4", "--seed", "7", "--home", str(home), "--json"],
    )
    assert called.exit_code == 0, called.output
    return json.loads(called.stdout.splitlines()[-1])


@pytest.mark.slow
def test_bb84_over_wires_is_bb84(tmp_path) -> None:
    roles, wires = (result(name, tmp_path / name) for name in ("bb84-25km", "bb84-25km-wire"))
    assert wires["link_loss_db"] == pytest.approx(roles["link_loss_db"], abs=0.1)
    assert wires["sifted_key_rate_bps"] == pytest.approx(roles["sifted_key_rate_bps"], rel=0.03)
    for found in (roles, wires):
        assert found["qber"]["key"] < 0.02
        assert found["secret_bits"] > 100_000
