"""What all analysers have in common."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from qnlab.errors import QnlabError
from qnlab.tags import kernels
from qnlab.tags.chunk import TagChunk

Times = npt.NDArray[np.int64]
Channels = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Result = TypeVar("Result", covariant=True)


class TooFewTags(QnlabError):
    """There are too few tags to estimate a figure from."""


class Analyser(Protocol[Result]):
    """Takes a stream chunk by chunk."""

    def feed(self, chunk: TagChunk) -> object:
        """Take in the next chunk of the stream."""
        ...

    def result(self) -> Result:
        """The result of all that was fed so far."""
        ...


def times_of(t: Times, ch: Channels, channel: int) -> Times:
    """Times of one channel's tags."""
    out = np.empty(len(t) + 1, np.int64)
    return out[: kernels.pick(t, ch, channel, out)]


def check_channels(*channels: int) -> None:
    """Raise ValueError unless all are numbers of 0 to 255."""
    for channel in channels:
        if not 0 <= channel <= 255:
            raise ValueError(f"channels are numbered from 0 to 255, got {channel}")


def check_bins(bin_ps: int, bins: int) -> None:
    """Raise ValueError unless there is a bin, and it has a width."""
    if bin_ps < 1 or bins < 1:
        raise ValueError(f"bin width and bins must be at least 1, got {bin_ps} ps and {bins}")
