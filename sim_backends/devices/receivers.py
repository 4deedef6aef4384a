"""Bob's simulated instruments: polarization controller, detectors, time tagger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from qnlab.clock import Clock
from qnlab.errors import DataLoss, Disconnected, OutOfRange, Timeout
from qnlab.instruments.base import Health, Setting
from qnlab.instruments.roles import (
    ActuatorKind,
    DetectorCapabilities,
    PolarizationCapabilities,
    PolarizationController,
    SinglePhotonDetector,
    TagStream,
    TimeTagger,
    TimeTaggerCapabilities,
)
from qnlab.instruments.settings import Entry, SettingTable, on_grid
from qnlab.sim_backends.devices.common import SimulatedInstrument
from qnlab.sim_backends.world.ports import DetectorPort, RetarderPort, TaggerPort, TagQueue
from qnlab.tags import TagChunk
from qnlab.values import Alarm, Limits, Reading

Tighter = Mapping[str, tuple[float, float]]
CHUNK_PS = 20_000_000_000


class SimulatedPolarizationController(SimulatedInstrument, PolarizationController):
    """Squeezers or paddles on the world's port; they settle in a set time."""

    model = "simulated polarization controller"

    def __init__(self, name: str, clock: Clock, port: RetarderPort, tighter: Tighter) -> None:
        super().__init__(name, clock, port.world)
        self._port = port
        n = len(port.commands)
        step = 140.0 / 4096 if port.kind == "squeezers" else 0.12
        self.capabilities = PolarizationCapabilities(
            ActuatorKind(port.kind),
            (Limits(port.low, port.high, port.unit),) * n,
            (step,) * n,
            settle_s=0.001 if port.kind == "squeezers" else 0.5,
            needs_homing=False,
        )
        entries = {
            f"position.{i}": Entry(
                port.unit,
                partial(self._position, i),
                limits=self.capabilities.limits[i],
            )
            for i in range(n)
        }
        self._table = SettingTable(name, clock, entries, tighter, self._drive)

    def _position(self, i: int) -> float:
        return self._port.commands[i]

    def _drive(self, checked: Mapping[str, Setting]) -> None:
        commands = list(self._port.commands)
        for i, step in enumerate(self.capabilities.resolution):
            key = f"position.{i}"
            limits = self._table.limits(key)
            if key in checked and limits is not None:
                commands[i] = on_grid(float(checked[key]), step, limits)
        self._port.drive(tuple(commands))

    def positions(self) -> tuple[float, ...]:
        return self._port.commands

    def move(self, positions: Sequence[float]) -> tuple[float, ...]:
        if len(positions) != self.capabilities.actuators:
            raise OutOfRange(
                self.name, "wrong number of positions", command="move",
                expected=self.capabilities.actuators, last=len(positions),
            )  # fmt: skip
        self.apply({f"position.{i}": float(p) for i, p in enumerate(positions)})
        self._clock.sleep(self.capabilities.settle_s)
        self._world.sync()
        return self._port.commands

    def home(self) -> None:
        """No reference position is needed."""

    def stop(self, success: bool = True) -> None:
        """A move is over as soon as it is commanded."""

    def safe_state(self) -> None:
        self.stop()


class SimulatedDetector(SimulatedInstrument, SinglePhotonDetector):
    """One detector of the world's receiver."""

    model = "simulated single-photon detector"

    def __init__(self, name: str, clock: Clock, port: DetectorPort, tighter: Tighter) -> None:
        super().__init__(name, clock, port.world)
        self._port = port
        self.capabilities = DetectorCapabilities(
            technology="free-running",
            efficiency=port.efficiency,
            wavelength_m=Limits(1.2e-6, 1.6e-6, "m"),
            bias_unit="",
            bias=None,
            dead_time_s=Limits(10e-9, 100e-6, "s"),
            temperature_k=None,
            max_count_rate_hz=1 / max(port.dead_time_s, 1e-9),
        )
        entries = {
            "enabled": Entry("", lambda: port.enabled, partial(setattr, port, "enabled")),
            "dead_time_s": Entry(
                "s",
                lambda: port.dead_time_s,
                partial(setattr, port, "dead_time_s"),
                self.capabilities.dead_time_s,
            ),
        }
        self._table = SettingTable(name, clock, entries, tighter)

    def enable(self) -> None:
        self.apply({"enabled": True})

    def disable(self) -> None:
        self.apply({"enabled": False})

    def count_rate(self, duration_s: float) -> Reading:
        queue = self._port.tagger.subscribe(frozenset())
        try:
            before = self._port.avalanches
            self._clock.sleep(duration_s)
            self._world.sync()
        finally:
            self._port.tagger.unsubscribe(queue)
        return self._reading((self._port.avalanches - before) / duration_s, "Hz", "count_rate")

    def latched(self) -> bool:
        return self._port.latched

    def reset(self) -> None:
        with self._world.changing():
            self._port.latched = False

    def health(self) -> Health:
        if self._port.latched:
            return Health(Alarm.MAJOR, ("latched: reset the detector",))
        return Health(Alarm.NONE)

    def safe_state(self) -> None:
        self.disable()


class SimulatedStream:
    """A running acquisition; on a virtual clock, waiting for a chunk lets time pass."""

    def __init__(
        self, device: str, clock: Clock, port: TaggerPort, channels: frozenset[int]
    ) -> None:
        self._device = device
        self._clock = clock
        self._port = port
        self._queue: TagQueue | None = port.subscribe(channels)

    def read(self, timeout_s: float = 1.0) -> TagChunk:
        waited = 0.0
        while True:
            queue = self._queue
            if queue is None:
                raise Disconnected(self._device, "the stream is closed", command="read")
            if queue.chunks:
                return queue.chunks.popleft()
            if waited >= timeout_s:
                raise Timeout(self._device, f"no tags within {timeout_s:g} s", command="read")
            step = min((CHUNK_PS - self._clock.now_ps() % CHUNK_PS) * 1e-12, timeout_s - waited)
            self._clock.sleep(step)
            self._port.world.sync()
            waited += step

    @property
    def running(self) -> bool:
        """True until closed."""
        return self._queue is not None

    def close(self) -> None:
        if self._queue is not None:
            self._port.unsubscribe(self._queue)
            self._queue = None

    def __enter__(self) -> TagStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class SimulatedTimeTagger(SimulatedInstrument, TimeTagger):
    """The world's tagger: channels 1 to 4."""

    model = "simulated time tagger"

    def __init__(self, name: str, clock: Clock, port: TaggerPort, tighter: Tighter) -> None:
        super().__init__(name, clock, port.world)
        self._port = port
        self._streams: list[SimulatedStream] = []
        self.capabilities = TimeTaggerCapabilities(
            channels=(1, 2, 3, 4),
            resolution_ps=port.resolution_ps,
            jitter_rms_ps=port.jitter_rms_ps,
            dead_time_ps=Limits(0.0, 1e8, "ps"),
            delay_ps=Limits(-5e3, 5e3, "ps"),
            threshold_v=Limits(0.0, 2.5, "V"),
            max_rate_hz=port.max_rate_hz,
            streaming=True,
            external_reference=False,
        )
        entries = {}
        for i, n in enumerate(self.capabilities.channels):
            for key, many, limits in (
                ("enabled", port.enabled, None),
                ("rising", port.rising, None),
                ("threshold_v", port.threshold_v, self.capabilities.threshold_v),
                ("delay_ps", port.delay_ps, self.capabilities.delay_ps),
                ("dead_time_ps", port.dead_time_ps, self.capabilities.dead_time_ps),
            ):
                entries[f"ch{n}.{key}"] = Entry(
                    limits.unit if limits else "",
                    partial(many.__getitem__, i),
                    partial(many.__setitem__, i),
                    limits,
                )
        self._table = SettingTable(name, clock, entries, tighter)

    def _chosen(self, channels: Sequence[int] | None) -> frozenset[int]:
        known = self.capabilities.channels
        for channel in channels or ():
            if channel not in known:
                raise OutOfRange(
                    self.name,
                    "no such channel",
                    command="open_stream",
                    expected=known,
                    last=channel,
                )
        chosen = known if channels is None else channels
        return frozenset(n for n in chosen if self._port.enabled[n - 1])

    def counts(self, duration_s: float) -> dict[int, int]:
        chosen = self._chosen(None)
        totals = dict.fromkeys(sorted(chosen), 0)
        with self.open_stream() as stream:
            end: int | None = None
            while True:
                chunk = stream.read(duration_s + 1.0)
                end = chunk.t_begin + round(duration_s * 1e12) if end is None else end
                lost = next((gap for gap in chunk.gaps if gap.begin_ps < end), None)
                if lost is not None:
                    raise DataLoss(
                        self.name, "tags were lost while counting", (lost.begin_ps, lost.end_ps)
                    )
                inside = chunk.ch[chunk.t < end]
                for n in totals:
                    totals[n] += int((inside == n).sum())
                if chunk.t_end >= end:
                    return totals

    def open_stream(self, channels: Sequence[int] | None = None) -> TagStream:
        stream = SimulatedStream(self.name, self._clock, self._port, self._chosen(channels))
        self._streams = [*(s for s in self._streams if s.running), stream]
        return stream

    def safe_state(self) -> None:
        for stream in self._streams:
            stream.close()
        self._streams.clear()
