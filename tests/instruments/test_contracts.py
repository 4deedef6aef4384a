"""Every instrument of every packaged bench keeps the contract of its role."""

import pytest

from qnlab.bench import load_bench
from qnlab.instruments import contract, roles
from qnlab.instruments.contract import NotApplicable

from .conftest import packaged

CASES = [
    pytest.param(bench, name, check, id=f"{bench}-{name}-{check.name}")
    for bench, name in packaged()
    for check in contract.checks_of(getattr(roles, load_bench(bench).instruments[name].role))
]
ALWAYS_SAFE = {"PolarizationController", "IntensityModulator", "StateModulator", "PowerMeter"}


@pytest.mark.parametrize(("bench", "name", "check"), CASES)
def test_contract(lit, bench, name, check) -> None:
    instrument, context = lit(bench, name)
    has_averaging = "averaging_s" in instrument.settings()
    only_switches = all(r.limits is None for r in instrument.settings().values())
    if (
        (check.name == "context_manager_is_safe" and instrument.role in ALWAYS_SAFE)
        or (check.name == "power_takes_its_time" and not has_averaging)
        or (check.name == "limits_refused" and only_switches)
        or (check.name == "detector_recovers_from_latching" and "latch" not in context.faults)
    ):
        with pytest.raises(NotApplicable):
            check(instrument, context)
    else:
        check(instrument, context)
