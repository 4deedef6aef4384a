"""What travels: messages of topics, and calls of services, as JSON."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

import qnlab.errors
from qnlab.errors import QnlabError


class Message(msgspec.Struct, frozen=True):
    """A value of a topic.

    Parameters
    ----------
    topic : str
        Words joined by ``/``.
    sequence : int
        Counts up by one a topic.
    time_s : float
        When it was published, seconds since the epoch on the publisher's wall clock.
    body : dict
        JSON values.
    """

    topic: str
    sequence: int
    time_s: float
    body: dict[str, Any]

    @property
    def age_s(self) -> float:
        """How long ago it was published, s."""
        return time.time() - self.time_s


class Call(msgspec.Struct, frozen=True):
    """A command: it is refused, never executed, after its deadline or with a lease that is over."""

    service: str
    arguments: dict[str, Any]
    deadline_s: float
    lease: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What came of a call: a value, or an error of the tree by its name, text and attributes."""

    value: Any = None
    error: str = ""
    text: str = ""
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic fits a pattern: ``*`` stands for one word, a last ``**`` for any number."""
    wanted, words = pattern.split("/"), topic.split("/")
    if wanted[-1] == "**":
        wanted, words = wanted[:-1], words[: len(wanted) - 1]
    return len(wanted) == len(words) and all(
        w in ("*", word) for w, word in zip(wanted, words, strict=True)
    )


def failure(error: QnlabError) -> Answer:
    """An error as an answer."""
    kept = {
        name: value
        for name, value in vars(error).items()
        if isinstance(value, str | int | float | bool | None)
    }
    return Answer(error=type(error).__name__, text=str(error), attributes=kept)


def value_of(answer: Answer) -> Any:
    """The value of an answer; raises the error it holds as one of the tree."""
    if not answer.error:
        return answer.value
    kind = getattr(qnlab.errors, answer.error, QnlabError)
    error = kind.__new__(kind, answer.text)
    Exception.__init__(error, answer.text)
    vars(error).update(answer.attributes)
    raise error


def encoded(item: Message | Call | Answer) -> bytes:
    """As JSON bytes."""
    return msgspec.json.encode(item)


def arguments_of(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy of a call's arguments."""
    return dict(arguments or {})
