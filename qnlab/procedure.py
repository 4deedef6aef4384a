"""What the core asks of a procedure: a name, parameters, a dry check and a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from pydantic import BaseModel

    from qnlab.bench import Bench
    from qnlab.runs import Run


class Procedure(Protocol):
    """A measurement or job that runs on a bench; registered in the group ``qnlab.procedures``.

    `Parameters` is a frozen pydantic model (extra keys forbidden): every field has a default and a
    description, and a unit in its name. The bench file's table ``[procedures.<name>]`` sets them.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Parameters: ClassVar[type[BaseModel]]

    def check(self, bench: Bench, parameters: Any) -> list[str]:
        """Problems that would stop a run, one line each, found without touching a device."""

    def run(self, bench: Bench, run: Run, parameters: Any) -> Mapping[str, object]:
        """Do it. Returns the run's result: JSON values, kept in the stop document."""
