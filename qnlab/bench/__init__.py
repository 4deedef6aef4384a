"""The bench: its file, and the instruments that it opens."""

from qnlab.bench.bench import Bench, BenchContext, InstrumentSpec, open_bench
from qnlab.bench.file import BenchFile, load_bench, packaged_benches

__all__ = [
    "Bench",
    "BenchContext",
    "BenchFile",
    "InstrumentSpec",
    "load_bench",
    "open_bench",
    "packaged_benches",
]
