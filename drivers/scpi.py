"""SCPI over a link: ask, tell and read the error queue, all in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from qnlab.drivers.transports import Channel, Link
from qnlab.errors import CommandRejected, ProtocolError
from qnlab.instruments.base import Setting
from qnlab.instruments.settings import Entry
from qnlab.values import Limits

T = TypeVar("T")

MOST_ERRORS = 50


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one instrument wants SCPI.

    Parameters
    ----------
    end, reply_end : bytes
        After a command, and after a reply.
    errors : str
        Query of the oldest error in the queue.
    quiet_s : float
        Silence on a new connection after which no late reply comes any more; 0 where a new
        connection cannot carry one (TCP).
    """

    end: bytes = b"\n"
    reply_end: bytes = b"\n"
    errors: str = ":SYST:ERR?"
    quiet_s: float = 0.0


class Scpi:
    """The conversation with one instrument.

    Parameters
    ----------
    link : Link
    dialect : Dialect
    """

    def __init__(self, link: Link, dialect: Dialect) -> None:
        self._link = link
        self._dialect = dialect

    def ask(self, command: str, parse: Callable[[str], T], *, timeout_s: float = 2.0) -> T:
        """The parsed reply to a query.

        Raises
        ------
        ProtocolError
            `parse` could make nothing of it (it raised `ValueError`).
        """

        def transaction(channel: Channel) -> T:
            reply = self._exchange(channel, command)
            try:
                return parse(reply)
            except ValueError as error:
                raise ProtocolError(
                    self._link.device, "the reply makes no sense", command=command, last=reply
                ) from error

        return self._link.run(transaction, command=command, timeout_s=timeout_s)

    def tell(self, *commands: str, urgent: bool = False, timeout_s: float = 2.0) -> None:
        """Send commands without a reply, then read the error queue until it is empty.

        Raises
        ------
        CommandRejected
            With the first error of the queue.
        """

        def transaction(channel: Channel) -> None:
            for command in commands:
                channel.write(command.encode("ascii") + self._dialect.end)
            self._raise_errors(channel, "; ".join(commands))

        self._link.run(transaction, command="; ".join(commands), timeout_s=timeout_s, urgent=urgent)

    def greet(self, channel: Channel) -> str:
        """Wait for silence, empty the error queue, return the answer to ``*IDN?``."""
        if self._dialect.quiet_s:
            channel.drain(self._dialect.quiet_s)
        channel.write(b"*CLS" + self._dialect.end)
        return self._exchange(channel, "*IDN?")

    def _exchange(self, channel: Channel, command: str) -> str:
        channel.write(command.encode("ascii") + self._dialect.end)
        reply = channel.read_until(self._dialect.reply_end)
        return reply.decode("latin-1").strip()

    def _raise_errors(self, channel: Channel, command: str) -> None:
        errors: list[tuple[int, str]] = []
        while len(errors) < MOST_ERRORS:
            reply = self._exchange(channel, self._dialect.errors)
            code, _, text = reply.partition(",")
            if not code.lstrip("+-").isdecimal():
                raise ProtocolError(
                    self._link.device, "no error report", command=self._dialect.errors,
                    expected='code,"text"', last=reply,
                )  # fmt: skip
            if int(code) == 0:
                break
            errors.append((int(code), text.strip().strip('"')))
        if errors:
            raise CommandRejected(self._link.device, *errors[0], command=command)

    # --- rows of a table of settings ------------------------------------------------------------

    def number(self, query: str, command: str, limits: Limits, *, per_unit: float = 1.0) -> Entry:
        """A numeric setting.

        Parameters
        ----------
        query, command : str
            ``command`` holds a format for the number, ``":POW {:.3f}"``.
        limits : Limits
            In qnlab's unit.
        per_unit : float
            How many of the device's units make one of qnlab's: 1e9 for nm and m.
        """

        def get() -> float:
            return self.ask(query, float) / per_unit

        def send(value: Setting) -> None:
            self.tell(command.format(float(value) * per_unit))

        return Entry(limits.unit, get, send, limits)

    def flag(self, query: str, command: str, *, inverted: bool = False) -> Entry:
        """A boolean setting that the device answers with 0 or 1; `inverted`: 0 is true."""

        def send(value: Setting) -> None:
            self.tell(command.format(int(bool(value) != inverted)))

        return Entry("", partial(self._ask_flag, query, inverted), send)

    def _ask_flag(self, query: str, inverted: bool) -> bool:
        return self.ask(query, one_bit) != inverted


def one_bit(reply: str) -> bool:
    """True for ``1``, False for ``0``; `ValueError` for anything else."""
    number = int(reply)
    if number not in (0, 1):
        raise ValueError(reply)
    return bool(number)
