"""What a procedure may ask of a device: one small interface a role, and its contract suite."""

if __name__ != "qnlab.instruments":
    raise ImportError("import this package as qnlab.instruments, not as " + __name__)

from qnlab.instruments.axis import Axis
from qnlab.instruments.base import Health, Identity, Instrument, Setting
from qnlab.instruments.pulse_generator import (
    Pulse,
    PulseGenerator,
    PulseGeneratorCapabilities,
    TimingTable,
)
from qnlab.instruments.roles import (
    ActuatorKind,
    Attenuator,
    AttenuatorCapabilities,
    DetectorCapabilities,
    Emission,
    IntensityModulator,
    IntensityModulatorCapabilities,
    LaserCapabilities,
    LaserSource,
    PolarizationCapabilities,
    PolarizationController,
    PowerMeter,
    PowerMeterCapabilities,
    SinglePhotonDetector,
    StateModulator,
    StateModulatorCapabilities,
    TagStream,
    TimeTagger,
    TimeTaggerCapabilities,
    role_names,
)
from qnlab.instruments.settings import Entry, SettingTable
from qnlab.instruments.status import Status

__all__ = [
    "ActuatorKind",
    "Attenuator",
    "AttenuatorCapabilities",
    "Axis",
    "DetectorCapabilities",
    "Emission",
    "Entry",
    "Health",
    "Identity",
    "Instrument",
    "IntensityModulator",
    "IntensityModulatorCapabilities",
    "LaserCapabilities",
    "LaserSource",
    "PolarizationCapabilities",
    "PolarizationController",
    "PowerMeter",
    "PowerMeterCapabilities",
    "Pulse",
    "PulseGenerator",
    "PulseGeneratorCapabilities",
    "Setting",
    "SettingTable",
    "SinglePhotonDetector",
    "StateModulator",
    "StateModulatorCapabilities",
    "Status",
    "TagStream",
    "TimeTagger",
    "TimeTaggerCapabilities",
    "TimingTable",
    "role_names",
]
