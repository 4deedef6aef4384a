"""Finite-key lengths: pure functions from counts to the longest key a proof allows."""

from qnlab.procedures.qkd.bounds.bbm92 import Bbm92Length, tomamichel2012, tomamichel2017
from qnlab.procedures.qkd.bounds.checks import BoundInputError
from qnlab.procedures.qkd.bounds.counts import Basis, DecoyCounts, KeyLength
from qnlab.procedures.qkd.bounds.fixed_length import (
    FixedLengthRule,
    Thresholds,
    Verdict,
    plan_block,
)
from qnlab.procedures.qkd.bounds.one_decoy import OneDecoySource, rusca2018, wiesemann2024
from qnlab.procedures.qkd.bounds.two_decoy import TwoDecoySource, lim2014

__all__ = [
    "Basis",
    "Bbm92Length",
    "BoundInputError",
    "DecoyCounts",
    "FixedLengthRule",
    "KeyLength",
    "OneDecoySource",
    "Thresholds",
    "TwoDecoySource",
    "Verdict",
    "lim2014",
    "plan_block",
    "rusca2018",
    "tomamichel2012",
    "tomamichel2017",
    "wiesemann2024",
]
