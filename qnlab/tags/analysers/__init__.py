"""Analysers: each takes one chunk after another, in constant memory, and tells its result so far.

An analyser has ``feed(chunk)`` and ``result()``. It expects normalised chunks and applies no
delays. It pairs nothing across a gap, and counts no gap as live time. A result does not depend on
the size of the chunks. Bins are half-open; times are integers of ps; of equal times, the lower
channel comes first.
"""

from qnlab.tags.analysers.analyser import Analyser, TooFewTags
from qnlab.tags.analysers.coincidences import CoincidenceCounts, Coincidences
from qnlab.tags.analysers.correlation import G2, Correlation
from qnlab.tags.analysers.delays import DelayHistogram, Delays, StartStop, StartStopCounts
from qnlab.tags.analysers.detector import (
    AfterpulseEstimate,
    Afterpulsing,
    DeadTime,
    DeadTimeEstimate,
)
from qnlab.tags.analysers.heralded import HeraldedG2, HeraldedG2Result
from qnlab.tags.analysers.rates import Rates, RatesResult
from qnlab.tags.analysers.sync import (
    SortedTags,
    SyncHistogram,
    SyncHistogramResult,
    TimeBinCounts,
    TimeBins,
)

__all__ = [
    "G2",
    "AfterpulseEstimate",
    "Afterpulsing",
    "Analyser",
    "CoincidenceCounts",
    "Coincidences",
    "Correlation",
    "DeadTime",
    "DeadTimeEstimate",
    "DelayHistogram",
    "Delays",
    "HeraldedG2",
    "HeraldedG2Result",
    "Rates",
    "RatesResult",
    "SortedTags",
    "StartStop",
    "StartStopCounts",
    "SyncHistogram",
    "SyncHistogramResult",
    "TimeBinCounts",
    "TimeBins",
    "TooFewTags",
]
