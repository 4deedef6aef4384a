"""`PulseGenerator`: plays a timing table, and what such a table is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from qnlab.errors import OutOfRange
from qnlab.instruments.base import Instrument
from qnlab.values import Limits


@dataclass(frozen=True, slots=True)
class Pulse:
    """One output is high from `start_s` to `stop_s` after the begin of its trial."""

    output: str
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class TimingTable:
    """Trials of equal length, played one after the other, over and over.

    Parameters
    ----------
    period_s : float
        Length of a trial.
    trials : tuple of tuple of Pulse
        One row a trial; a row may be empty.
    """

    period_s: float
    trials: tuple[tuple[Pulse, ...], ...]

    @property
    def frame_s(self) -> float:
        """Time until the table begins anew."""
        return self.period_s * len(self.trials)


@dataclass(frozen=True, slots=True)
class PulseGeneratorCapabilities:
    """Frozen ranges of a pulse generator; edges lie on the grid of `resolution_s`."""

    outputs: tuple[str, ...]
    resolution_s: float
    period_s: Limits
    most_trials: int


class PulseGenerator(Instrument):
    """Plays a timing table on its outputs. Settings: ``output.{name}.enabled`` for each output."""

    role = "PulseGenerator"

    capabilities: PulseGeneratorCapabilities

    @abstractmethod
    def load(self, table: TimingTable) -> TimingTable:
        """Take a table; returns it as the device plays it, on its grid.

        Raises
        ------
        OutOfRange
            The table does not fit the device; the old one stays.
        Busy
            The generator is running.
        """

    @abstractmethod
    def table(self) -> TimingTable:
        """The table that was loaded last."""

    @abstractmethod
    def start(self) -> None:
        """Play from the first row on; goes on until stopped."""

    @abstractmethod
    def stop(self, success: bool = True) -> None:
        """All outputs low, at once. Idempotent."""

    @abstractmethod
    def running(self) -> bool:
        """True while the table is played."""


def on_grid_of(
    table: TimingTable, capabilities: PulseGeneratorCapabilities, device: str
) -> TimingTable:
    """`table` with all its times on the device's grid.

    Raises
    ------
    OutOfRange
        It does not fit: says which row and why.
    """
    step = capabilities.resolution_s
    capabilities.period_s.check(table.period_s, device=device, setting="period_s")
    if not 1 <= len(table.trials) <= capabilities.most_trials:
        expected = f"1 to {capabilities.most_trials}"
        raise _unfit(device, "so many trials do not fit", expected, len(table.trials))
    period = _on(step, table.period_s)
    rows = []
    for number, row in enumerate(table.trials):
        taken = tuple(Pulse(p.output, _on(step, p.start_s), _on(step, p.stop_s)) for p in row)
        _check_row(taken, number, period, capabilities, device)
        rows.append(taken)
    return TimingTable(period, tuple(rows))


def _on(step: float, seconds: float) -> float:
    """The grid's time nearest to `seconds`, without the rounding of the product."""
    return float(f"{round(seconds / step) * step:.13g}")


def _check_row(
    row: Sequence[Pulse],
    number: int,
    period: float,
    capabilities: PulseGeneratorCapabilities,
    device: str,
) -> None:
    slack = capabilities.resolution_s / 2
    for pulse in row:
        where = f"trial {number}: pulse on {pulse.output!r}"
        if pulse.output not in capabilities.outputs:
            raise _unfit(device, f"{where}: no such output", capabilities.outputs, pulse.output)
        inside = -slack < pulse.start_s < pulse.stop_s - slack and pulse.stop_s < period + slack
        if not inside:
            expected = f"a start before its stop, within the trial of {period:g} s"
            found = f"{pulse.start_s:g} s to {pulse.stop_s:g} s"
            raise _unfit(device, f"{where} is not inside the trial", expected, found)
    for output in {pulse.output for pulse in row}:
        own = sorted((p.start_s, p.stop_s) for p in row if p.output == output)
        for (_, stop), (start, _) in pairwise(own):
            if start < stop - slack:
                raise _unfit(
                    device, f"trial {number}: pulses on {output!r} overlap", "one after the other",
                    f"{start:g} s before {stop:g} s",
                )  # fmt: skip


def _unfit(device: str, problem: str, expected: object, last: object) -> OutOfRange:
    return OutOfRange(device, problem, command="load", expected=expected, last=last)
