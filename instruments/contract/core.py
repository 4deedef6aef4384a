"""What a check is, what it is given and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qnlab.clock import Clock
from qnlab.errors import QnlabError


class ContractViolation(QnlabError):
    """An implementation does not keep what its role promises."""


class NotApplicable(QnlabError):
    """A check cannot be made here: says what it would need."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a check needs besides the instrument.

    Parameters
    ----------
    clock : Clock
        The bench's.
    faults : mapping of str to callable, optional
        Ways to bring the device where its role cannot: ``latch`` a detector, ``open_interlock``
        and ``close_interlock`` of a laser. A check that needs one not given is not applicable.
    """

    clock: Clock
    faults: Mapping[str, Callable[[], None]] = field(default_factory=dict)

    def fault(self, name: str) -> None:
        """Bring the fault about."""
        if name not in self.faults:
            raise NotApplicable(f"there is no way here to {name.replace('_', ' ')}")
        self.faults[name]()


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of a role.

    Raises
    ------
    ContractViolation
        When called on an instrument that does not keep it.
    NotApplicable
        When it cannot be tried on this one.
    """

    role: str
    name: str
    statement: str
    run: Callable[[Any, Context], None]

    def __call__(self, instrument: Any, context: Context) -> None:
        self.run(instrument, context)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check ended; `detail` is empty for one that passed."""

    check: Check
    result: Literal["passed", "violated", "not applicable", "failed"]
    detail: str = ""


class Contract:
    """The checks of one role, collected by the decorator `promises`."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.checks: list[Check] = []

    def promises(
        self, statement: str
    ) -> Callable[[Callable[[Any, Context], None]], Callable[[Any, Context], None]]:
        """Add a function as the check of `statement`."""

        def add(run: Callable[[Any, Context], None]) -> Callable[[Any, Context], None]:
            self.checks.append(Check(self.role, run.__name__, statement, run))
            return run

        return add


def require(instrument: Any, kept: bool, problem: str) -> None:
    """Raise `ContractViolation` with the instrument's name and `problem` unless `kept`."""
    if not kept:
        raise ContractViolation(f"{instrument.name}: {problem}")


def values(instrument: Any) -> dict[str, Any]:
    """All settings, numbers and words without the rest of the reading."""
    return {name: reading.value for name, reading in instrument.settings().items()}


def refused(instrument: Any, kind: type[Exception], what: str, action: Callable[[], object]) -> Any:
    """The error with which `action` is refused; it must be of `kind` and change no setting."""
    before = values(instrument)
    try:
        action()
    except kind as error:
        changed = {k: v for k, v in values(instrument).items() if v != before.get(k)}
        require(instrument, not changed, f"{what} was refused but changed {changed}")
        return error
    except (QnlabError, TypeError, ValueError, LookupError) as error:
        raise ContractViolation(
            f"{instrument.name}: {what} raised {type(error).__name__}, not {kind.__name__}: {error}"
        ) from error
    raise ContractViolation(f"{instrument.name}: {what} was not refused")
