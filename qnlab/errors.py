"""The error tree: every failure of an instrument names device, command, expected and last value."""

from __future__ import annotations


class QnlabError(Exception):
    """Root of all errors that qnlab raises on purpose."""


class BenchError(QnlabError):
    """A bench file that cannot be used; each problem is one line with file and key."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class ProcedureError(QnlabError):
    """A procedure cannot start, or cannot go on, with this bench and these parameters."""


class Aborted(QnlabError):
    """Ended on purpose, with a named reason (``qber_abort``, ``operator``, ...)."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class StoreError(QnlabError):
    """A run, key store or catalogue on disk cannot be read or written."""


class FormatError(QnlabError):
    """A file is truncated, garbled or of an unknown kind; names the file and the byte offset."""

    def __init__(self, path: object, offset: int, problem: str) -> None:
        self.path = str(path)
        self.offset = offset
        self.problem = problem
        super().__init__(f"{self.path}: byte {offset}: {problem}")


class PortClosed(QnlabError):
    """The transport port was closed."""


class TooLate(QnlabError):
    """A command came after its deadline, or with a lease that is over; it was not executed."""


class InstrumentError(QnlabError):
    """A failure of one instrument.

    Parameters
    ----------
    device : str
        Name of the instrument in the bench.
    problem : str
        What happened, in words.
    command : str, optional
        The command or setting in question.
    expected, last : object, optional
        What would have been right, and the last value seen.
    """

    def __init__(
        self,
        device: str,
        problem: str,
        *,
        command: str | None = None,
        expected: object = None,
        last: object = None,
    ) -> None:
        self.device = device
        self.problem = problem
        self.command = command
        self.expected = expected
        self.last = last
        text = f"{device}: {problem}"
        if command is not None:
            text += f" [command {command!r}]"
        if expected is not None:
            text += f" [expected {expected}]"
        if last is not None:
            text += f" [last {last}]"
        super().__init__(text)


class TransportError(InstrumentError):
    """The link to the instrument failed."""


class Timeout(TransportError):
    """No complete reply before the command's deadline."""


class Disconnected(TransportError):
    """The instrument closed the link or is not there."""


class ProtocolError(TransportError):
    """The instrument answered what its protocol does not allow."""


class CommandRejected(InstrumentError):
    """The instrument understood and refused; carries its own code and text."""

    def __init__(self, device: str, code: int | str, text: str, *, command: str) -> None:
        self.code = code
        self.text = text
        super().__init__(device, f"refused with {code}: {text}", command=command)


class OutOfRange(InstrumentError):
    """A value outside the limits, refused before anything was sent."""


class Busy(InstrumentError):
    """The instrument is doing something else."""


class InterlockOpen(InstrumentError):
    """A safety interlock forbids the command."""


class NotHomed(InstrumentError):
    """A motor has no reference position yet."""


class DataLoss(InstrumentError):
    """Data were lost; ``gap`` says from when to when, in ps of the instrument's clock."""

    def __init__(self, device: str, problem: str, gap: tuple[int, int]) -> None:
        self.gap = gap
        super().__init__(device, problem, last=f"gap {gap[0]}..{gap[1]} ps")


class LicenseMissing(InstrumentError):
    """The function needs a licence that the instrument lacks."""


class NotSupported(InstrumentError):
    """The instrument has no such function."""
