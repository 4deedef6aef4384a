"""Pictures are kept with the run, verified like its other files, and drawn without colour."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from qnlab.bench import load_bench, open_bench
from qnlab.plugins import load
from qnlab.procedures.pictures import Curve, picture


def test_a_picture_holds_no_colour() -> None:
    drawn = picture(
        "t", "x", "y", [1.0, 2.0], [0.5, 0.4], [0.1, 0.1], Curve("fit", [1.0, 2.0], [0.5, 0.4]),
        limit=("limit", 0.3),
    )  # fmt: skip
    pixels = imread(io.BytesIO(drawn))[..., :3]
    assert pixels.shape[0] > 300
    assert np.ptp(pixels, axis=2).max() < 0.01
    assert pixels.min() < 0.1


def test_the_lifetime_scan_keeps_its_picture(tmp_path: Path) -> None:
    procedure = load("procedures", "memory-lifetime")()
    file = load_bench("memory-ladder")
    parameters = procedure.Parameters(**{**file.procedures[procedure.name], "trials": 20_000})
    with open_bench(file, home=tmp_path) as bench, bench.run(procedure.name) as run:
        procedure.run(bench, run, parameters)
        with pytest.raises(ValueError, match="is there already"):
            run.attach("lifetime.png", b"")
    assert (run.folder / "lifetime.png").read_bytes().startswith(b"\x89PNG")
    assert '"lifetime.png"' in (run.folder / "manifest.json").read_text()
