"""Calibrate a bench and say how old each calibration is: python calibrate.py [BENCH]."""

import sys

from qnlab.bench import load_bench, open_bench
from qnlab.plugins import load
from qnlab.procedures.calibration import find

NAMES = ("dark", "detectors", "timing", "attenuator", "efficiency")

bench_file = load_bench(sys.argv[1] if len(sys.argv) > 1 else "bb84-25km")
with open_bench(bench_file) as bench:
    for name in (f"calibrate-{short}" for short in NAMES):
        procedure = load("procedures", name)()
        parameters = procedure.Parameters()
        if problems := procedure.check(bench, parameters):
            sys.stdout.write(f"{name}: {problems}\n")
            continue
        with bench.run(name) as run:
            run.result(procedure.run(bench, run, parameters))
        sys.stdout.write(f"{name} {find(bench, name).citation()}\n")
