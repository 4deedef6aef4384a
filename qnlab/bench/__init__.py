"""The bench: its file, and the instruments that it opens."""

from qnlab.bench.bench import (
    Bench,
    BenchContext,
    InstrumentSpec,
    bench_context,
    is_wired,
    open_bench,
    start_wire,
)
from qnlab.bench.check import InstrumentCheck, check_bench
from qnlab.bench.file import BenchFile, load_bench, packaged_benches
from qnlab.bench.parameters import procedure_parameters

__all__ = [
    "Bench",
    "BenchContext",
    "BenchFile",
    "InstrumentCheck",
    "InstrumentSpec",
    "bench_context",
    "check_bench",
    "is_wired",
    "load_bench",
    "open_bench",
    "packaged_benches",
    "procedure_parameters",
    "start_wire",
]
