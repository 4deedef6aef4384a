"""Leave a bench as it was: whatever a procedure changes is set back when its run ends."""

from __future__ import annotations

from collections.abc import Iterable

from qnlab.instruments.base import Instrument, Setting
from qnlab.instruments.pulse_generator import PulseGenerator
from qnlab.instruments.roles import Emission, IntensityModulator, LaserSource
from qnlab.runs import Run


def restore_after(run: Run, instruments: Iterable[Instrument]) -> None:
    """Remember settings, emission and timing table of each; the run's end brings them back.

    Called before the first change and before other clean-ups, which come first: a run's last acts
    are to switch on again what was on.
    """
    for instrument in instruments:
        before = {name: reading.value for name, reading in instrument.settings().items()}
        if isinstance(instrument, IntensityModulator):
            levels = range(sum(name.startswith("transmission.") for name in before))
            transmissions = [float(before[f"transmission.{k}"]) for k in levels]
            probabilities = [float(before[f"probability.{k}"]) for k in levels]
            run.cleanup(instrument.configure, transmissions, probabilities)
        else:
            run.cleanup(_set_back, instrument, before)
        if isinstance(instrument, LaserSource):
            on = instrument.emission() is Emission.ON
            run.cleanup(instrument.enable if on else instrument.disable)
        if isinstance(instrument, PulseGenerator):
            if instrument.running():
                run.cleanup(instrument.start)
            run.cleanup(instrument.load, instrument.table())
            run.cleanup(instrument.stop)


def _set_back(instrument: Instrument, before: dict[str, Setting]) -> None:
    now = instrument.settings()
    changed = {name: value for name, value in before.items() if now[name].value != value}
    if changed:
        instrument.apply(changed)
