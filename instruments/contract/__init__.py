"""The contract of every role: checks that any implementation must pass, simulated or real.

``for check in checks_of(instrument): check(instrument, context)`` runs them one by one;
`examine` runs all and says how each ended.
"""

from qnlab.instruments.contract.core import (
    Check,
    Context,
    ContractViolation,
    NotApplicable,
    Outcome,
)
from qnlab.instruments.contract.suite import checks_of, examine

__all__ = [
    "Check",
    "Context",
    "ContractViolation",
    "NotApplicable",
    "Outcome",
    "checks_of",
    "examine",
]
