"""SCPI as an instrument understands it: headers, the common commands, the error queue."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping

from qnlab.sim_backends.wire.lines import cut_lines

QUEUE_LENGTH = 20
TEXTS = {
    -102: "Syntax error",
    -109: "Missing parameter",
    -113: "Undefined header",
    -120: "Numeric data error",
    -131: "Invalid suffix",
    -200: "Execution error",
    -222: "Data out of range",
    -224: "Illegal parameter value",
    -350: "Queue overflow",
}

Handler = Callable[[str], object]
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([a-zA-Z]*)")


class ScpiError(Exception):
    """What goes into the error queue; `code` is one of `TEXTS`."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(TEXTS[code])


def number(text: str, low: float, high: float, units: Mapping[str, float] | None = None) -> float:
    """A number with an optional unit, or MIN or MAX.

    Parameters
    ----------
    units : mapping of str to float, optional
        Factor of each unit, in capitals.

    Raises
    ------
    ScpiError
        -109, -120, -131 or -222.
    """
    word = text.strip().upper()
    if not word:
        raise ScpiError(-109)
    if word in ("MIN", "MINIMUM"):
        return low
    if word in ("MAX", "MAXIMUM"):
        return high
    match = _NUMBER.fullmatch(word)
    if match is None:
        raise ScpiError(-120)
    factor = 1.0 if not match[2] else (units or {}).get(match[2])
    if factor is None:
        raise ScpiError(-131)
    value = float(match[1]) * factor
    if not low <= value <= high:
        raise ScpiError(-222)
    return value


def switch(text: str) -> bool:
    """``0``, ``1``, ``OFF`` or ``ON``."""
    words = {"0": False, "OFF": False, "1": True, "ON": True}
    if (word := text.strip().upper()) not in words:
        raise ScpiError(-224 if word else -109)
    return words[word]


class ScpiDevice:
    """An instrument that speaks SCPI.

    Parameters
    ----------
    idn : str
        Answer to ``*IDN?``.
    commands : mapping of str to callable
        Canonical header, short form in capitals, optional nodes in brackets
        (``":INPut[1]:ATTenuation?"``), to what it does; called with the text of the parameters,
        returns the reply to a query. May raise `ScpiError`.
    reply_end : bytes
    no_error : str
        Reply to ``:SYST:ERR?`` when the queue is empty.
    """

    def __init__(
        self,
        idn: str,
        commands: Mapping[str, Handler],
        *,
        reply_end: bytes = b"\n",
        no_error: str = '+0,"No error"',
    ) -> None:
        common: dict[str, Handler] = {
            "*IDN?": lambda _: idn,
            "*CLS": lambda _: self._errors.clear(),
            "*OPC?": lambda _: "1",
            ":SYSTem:ERRor[:NEXT]?": lambda _: self._oldest_error(),
        }
        self._commands = [(_pattern(key), do) for key, do in {**common, **commands}.items()]
        self._reply_end = reply_end
        self._no_error = no_error
        self._errors: deque[int] = deque()

    def cut(self, received: bytearray) -> list[bytes]:
        return cut_lines(received)

    def answer(self, message: bytes) -> bytes:
        replies = []
        branch = ":"
        for part in message.decode("latin-1").split(";"):
            header, _, parameters = part.strip().partition(" ")
            if not header.startswith(("*", ":")):
                header = branch + header
            if not header.startswith("*"):
                branch = header[: header.rindex(":") + 1]
            try:
                reply = self._do(header, parameters.strip())
            except ScpiError as error:
                self._queue_error(error.code)
                break
            if header.endswith("?"):
                replies.append(str(reply))
        return ";".join(replies).encode("latin-1") + self._reply_end if replies else b""

    def _do(self, header: str, parameters: str) -> object:
        for pattern, do in self._commands:
            if pattern.fullmatch(header):
                return do(parameters)
        raise ScpiError(-113)

    def _queue_error(self, code: int) -> None:
        if len(self._errors) < QUEUE_LENGTH:
            self._errors.append(code)
        else:
            self._errors[-1] = -350

    def _oldest_error(self) -> str:
        if not self._errors:
            return self._no_error
        code = self._errors.popleft()
        return f'{code},"{TEXTS[code]}"'

    def power_cycle(self) -> None:
        self._errors.clear()


def _pattern(header: str) -> re.Pattern[str]:
    """Of all ways to write a canonical header: ``:SENSe:POWer`` is also ``:sens:power``."""
    parts = re.findall(r"[A-Z]+[a-z]*|.", header)
    written = "".join(_node(part) for part in parts)
    return re.compile(written, re.IGNORECASE)


def _node(part: str) -> str:
    short = part.rstrip("abcdefghijklmnopqrstuvwxyz")
    if short and short != part:
        return f"{short}(?:{part[len(short) :]})?"
    return {"[": "(?:", "]": ")?"}.get(part, re.escape(part))
