"""What every wire simulator is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.errors import BenchError
from qnlab.sim_backends.wire.faults import Faults
from qnlab.sim_backends.world import World

P = TypeVar("P")


class Device(Protocol):
    """The firmware: cuts messages out of what arrives, and answers each."""

    def cut(self, received: bytearray) -> list[bytes]:
        """Take all complete messages out of `received`; leave the beginning of the next one."""

    def answer(self, message: bytes) -> bytes:
        """Do what `message` says; the reply, or nothing. Never called by two threads at once."""

    def power_cycle(self) -> None:
        """Forget all that is not kept without power."""


@runtime_checkable
class Talker(Device, Protocol):
    """A device that also sends what nobody asked for."""

    def speak(self, push: Callable[[bytes], None]) -> Callable[[], None]:
        """Send by `push` from now on; returns what ends it."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A simulated instrument that listens.

    Parameters
    ----------
    address : str
        Where, as a bench file gives it.
    port : object
        The world's port behind it.
    device : Device
    faults : Faults
        What goes wrong with the next replies.
    close : callable
        Stop listening. Idempotent.
    """

    address: str
    port: Any
    device: Device
    faults: Faults
    close: Callable[[], None]


def port_of(spec: InstrumentSpec, context: BenchContext, kind: type[P]) -> P:
    """The world's port that an address ``sim`` or ``sim:PORT`` means.

    Without a name it is the port named as the instrument.

    Raises
    ------
    BenchError
        No world, no such port, or one of another kind.
    """
    where = f"instruments.{spec.name}.address"
    if not isinstance(context.world, World):
        raise BenchError(f"{where}: {spec.address!r} needs a [world] table in the bench")
    name = spec.address.partition(":")[2] or spec.name
    port = context.world.ports.get(name)
    if not isinstance(port, kind):
        fit = ", ".join(sorted(k for k, p in context.world.ports.items() if isinstance(p, kind)))
        raise BenchError(
            f"{where}: no port {name!r} of the world for driver {spec.driver}; "
            f"give 'sim:PORT' with a port of {fit}"
        )
    return port
