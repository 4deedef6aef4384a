"""The instruments of a memory experiment, found on a bench and brought to work."""

from __future__ import annotations

from dataclasses import dataclass

from qnlab.bench import Bench
from qnlab.errors import ProcedureError
from qnlab.instruments.pulse_generator import PulseGenerator, TimingTable
from qnlab.instruments.roles import (
    ActuatorKind,
    Attenuator,
    LaserSource,
    PolarizationController,
    SinglePhotonDetector,
    TimeTagger,
)
from qnlab.procedures.memory.frames import SYNC, Frames, take_frames
from qnlab.procedures.memory.sequence import SequenceParameters, StorageSequence
from qnlab.procedures.memory.storage import GATES, Gate, Storage, storage
from qnlab.procedures.restoring import restore_after
from qnlab.runs import Run

OUTPUTS = ("first", "second")


def problems(bench: Bench, *, laser: bool = True, herald: bool = False) -> list[str]:
    """What a bench lacks for a memory experiment, one line each."""
    roles: list[type] = [PulseGenerator, TimeTagger, *((LaserSource, Attenuator) if laser else ())]
    found = [
        f"exactly one {role.__name__} is needed, the bench has {len(bench.all(role))}"
        for role in roles
        if len(bench.all(role)) != 1
    ]
    wanted = (*OUTPUTS, SYNC, *(("herald",) if herald else ()))
    for tagger in bench.all(TimeTagger):  # type: ignore[type-abstract]
        missing = [name for name in wanted if name not in bench.channel_map(tagger.name)]
        if missing:
            found.append(f"instruments.{tagger.name}.channels: name {', '.join(missing)}")
    return found


def plates_problems(bench: Bench, name: str) -> list[str]:
    """Why the bench's `name` is no pair of wave plates, if it is not."""
    plates = bench.instruments.get(name)
    if plates is None:
        return [f"an instrument {name!r} is needed: a half-wave and a quarter-wave plate"]
    c = plates.capabilities
    if plates.role != "PolarizationController" or c.kind is not ActuatorKind.WAVEPLATES:
        return [f"instruments.{name}: should be a PolarizationController made of wave plates"]
    return [] if c.actuators == 2 else [f"instruments.{name}: has {c.actuators} plates, not 2"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Gates of one storage time, and the figures from them."""

    gates: dict[str, Gate]
    figures: Storage
    arrival_s: float


class Rig:
    """Instruments at work for the length of a run; all are set back when it ends.

    Parameters
    ----------
    bench : Bench
        One without `problems`.
    run : Run
    """

    def __init__(self, bench: Bench, run: Run) -> None:
        self._run = run
        self.generator = bench.get(PulseGenerator)  # type: ignore[type-abstract]
        self.tagger = bench.get(TimeTagger)  # type: ignore[type-abstract]
        self.channels = bench.channel_map(self.tagger.name)
        detectors = bench.all(SinglePhotonDetector)  # type: ignore[type-abstract]
        restore_after(run, bench.instruments.values())
        run.cleanup(bench.safe_state)
        for laser in bench.all(LaserSource):  # type: ignore[type-abstract]
            laser.enable()
        for attenuator in bench.all(Attenuator):  # type: ignore[type-abstract]
            attenuator.apply({"shutter_closed": False})
        for detector in detectors:
            detector.enable()
        stated = {detector.capabilities.efficiency for detector in detectors}
        self.stated_efficiency = stated.pop() if len(stated) == 1 else None

    def detector_efficiency(self, given: float | None) -> float:
        """The one given, else what all detectors state.

        Raises
        ------
        ProcedureError
            None is given and the detectors differ.
        """
        found = self.stated_efficiency if given is None else given
        if found is None:
            raise ProcedureError("the detectors state different efficiencies: give one")
        return found

    def take(self, table: TimingTable, number: int) -> Frames:
        """Play a table and sort the tags of `number` frames."""
        return take_frames(self.generator, self.tagger, self.channels, table, number, self._run)

    def five_gates(self, parameters: SequenceParameters, storage_s: float) -> Measured:
        """Measure one storage time: gates lie where the reference pulse is found to arrive."""
        sequence = StorageSequence(parameters, storage_s)
        table = sequence.five_gates()
        frames = self.take(table, parameters.trials)
        arrival = frames.arrival_s(OUTPUTS, sequence.gate("ref"), table.period_s)
        margin = parameters.gate_margin_ns * 1e-9
        gates = {
            name: Gate(
                int(frames.clicked(OUTPUTS, sequence.gate(name).later(arrival, margin)).sum()),
                frames.number,
            )
            for name in GATES
        }
        figures = storage(
            ref=gates["ref"],
            leak=gates["leak"],
            out=gates["out"],
            noise=gates["noise"],
            dark=gates["dark"],
            detector_efficiency=self.detector_efficiency(parameters.detector_efficiency),
            setup_transmission=parameters.setup_transmission,
        )
        return Measured(gates, figures, arrival)


def wave_plates(bench: Bench, name: str) -> PolarizationController:
    """The bench's plates of that name."""
    return bench.get(PolarizationController, name=name)  # type: ignore[type-abstract]
