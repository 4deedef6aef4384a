"""What a pulse generator promises."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from qnlab.errors import Busy, OutOfRange
from qnlab.instruments.contract.core import Context, Contract, refused, require
from qnlab.instruments.pulse_generator import Pulse, TimingTable

contract = Contract("PulseGenerator")


def _plain(instrument: Any, trials: int = 2) -> TimingTable:
    """A table that every generator can play: one pulse a trial, on its first output."""
    c = instrument.capabilities
    period = min(max(1e-5, c.period_s.low), c.period_s.high)
    return TimingTable(period, ((Pulse(c.outputs[0], 0.0, period / 4),),) * trials)


@contract.promises("load() takes a table with its edges on the grid, and table() shows it")
def table_is_taken(instrument: Any, context: Context) -> None:
    step = instrument.capabilities.resolution_s
    instrument.stop()
    plain = _plain(instrument)
    edge = plain.period_s / 3 + 0.37 * step
    wanted = TimingTable(
        plain.period_s,
        tuple((Pulse(output, edge, 2 * edge),) for output in instrument.capabilities.outputs),
    )
    taken = instrument.load(wanted)
    require(instrument, instrument.table() == taken, "table() differs from what load() returned")
    require(instrument, instrument.load(taken) == taken, "a table taken is not taken again")
    require(instrument, len(taken.trials) == len(wanted.trials), "trials are missing")
    for (pulse,), (asked,) in zip(taken.trials, wanted.trials, strict=True):
        require(instrument, pulse.output == asked.output, f"{pulse.output} for {asked.output}")
        for got, want in ((pulse.start_s, asked.start_s), (pulse.stop_s, asked.stop_s)):
            near = abs(got - want) <= 0.5001 * step
            require(instrument, near, f"an edge at {got} s for {want} s")


@contract.promises("a table that does not fit is refused, and the old one stays")
def unfit_table_refused(instrument: Any, context: Context) -> None:
    c = instrument.capabilities
    instrument.stop()
    kept = instrument.load(_plain(instrument))
    p, output = kept.period_s, c.outputs[0]
    bad = {
        "an unknown output": TimingTable(p, ((Pulse("no such output", 0.0, p / 2),),)),
        "a pulse beyond its trial": TimingTable(p, ((Pulse(output, p / 2, 1.5 * p),),)),
        "a pulse before its trial": TimingTable(p, ((Pulse(output, -p / 2, p / 2),),)),
        "a pulse of no length": TimingTable(p, ((Pulse(output, p / 2, p / 2),),)),
        "overlapping pulses": TimingTable(
            p, ((Pulse(output, 0.0, p / 2), Pulse(output, p / 4, p)),)
        ),
        "no trial": TimingTable(p, ()),
        "too many trials": TimingTable(p, ((),) * (c.most_trials + 1)),
        "a period of 0": TimingTable(0.0, ((),)),
        "a period of NaN": TimingTable(math.nan, ((),)),
    }
    for what, table in bad.items():
        refused(instrument, OutOfRange, what, partial(instrument.load, table))
        require(instrument, instrument.table() == kept, f"{what} was refused but changed the table")


@contract.promises("start() and stop() do what running() says; both may come twice")
def runs_until_stopped(instrument: Any, context: Context) -> None:
    instrument.stop()
    instrument.load(_plain(instrument))
    try:
        for action, expected in (
            (instrument.start, True),
            (instrument.start, True),
            (instrument.stop, False),
            (instrument.stop, False),
        ):
            action()
            found = instrument.running()
            require(instrument, found is expected, f"running is {found} after {action.__name__}()")
    finally:
        instrument.stop()


@contract.promises("no table is taken while one is played")
def busy_while_running(instrument: Any, context: Context) -> None:
    instrument.stop()
    kept = instrument.load(_plain(instrument))
    instrument.start()
    try:
        other = _plain(instrument, trials=1)
        refused(instrument, Busy, "loading while running", partial(instrument.load, other))
        require(instrument, instrument.running() is True, "a refused table stopped the generator")
        require(instrument, instrument.table() == kept, "a refused table was taken")
    finally:
        instrument.stop()
