"""All checks of an instrument, and how they end."""

from __future__ import annotations

from typing import Any

from qnlab.errors import QnlabError
from qnlab.instruments.contract import common, optics, pulses, taggers
from qnlab.instruments.contract.core import (
    Check,
    Context,
    Contract,
    ContractViolation,
    NotApplicable,
    Outcome,
)

_ROLES: dict[str, Contract] = {
    contract.role: contract
    for contract in (
        taggers.contract,
        optics.detectors,
        optics.polarization,
        optics.lasers,
        optics.intensity,
        optics.states,
        optics.attenuators,
        optics.meters,
        pulses.contract,
    )
}


def checks_of(instrument: Any) -> tuple[Check, ...]:
    """What an instrument promises: as an instrument, then as one of its role.

    Parameters
    ----------
    instrument : Instrument or type of one
    """
    return (*common.contract.checks, *_ROLES[instrument.role].checks)


def examine(instrument: Any, context: Context) -> list[Outcome]:
    """Run all checks of an instrument, also when one fails; it is made safe after each."""
    return [_outcome(check, instrument, context) for check in checks_of(instrument)]


def _outcome(check: Check, instrument: Any, context: Context) -> Outcome:
    try:
        try:
            check(instrument, context)
        finally:
            instrument.safe_state()
    except NotApplicable as reason:
        return Outcome(check, "not applicable", str(reason))
    except ContractViolation as violation:
        return Outcome(check, "violated", str(violation))
    except QnlabError as error:
        return Outcome(check, "failed", f"{type(error).__name__}: {error}")
    return Outcome(check, "passed")
