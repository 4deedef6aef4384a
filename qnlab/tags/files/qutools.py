"""Binary time-stamp files of qutools' quTAG (quTAU and quPSI write the same).

After 40 bytes of header a record is 10 bytes: the time as 8 bytes and the channel as 2, lower byte
first (quTAU/quPSI manual V4.0, section 10.2, and the header's first bytes as the open-source reader
ETA knows them). Times are in the device's base unit, 1 ps on a quTAG. The device writes channel by
channel, so that times go back by what it buffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qnlab.errors import FormatError
from qnlab.tags.files.block import LATEST_PS, Block

MAGIC = b"\x87\xb3\x91\xfa"
HEADER_BYTES = 40

_RECORD = np.dtype([("t", "<u8"), ("ch", "<u2")])
_BLOCK = 131_072
_LATEST_BACK_PS = 1_000_000_000_000


class QutoolsFile:
    """A quTAG file in the format of 10 bytes a record; times in ps as the quTAG writes them.

    Parameters
    ----------
    path : Path
        The file; its size is checked at once.

    Raises
    ------
    FormatError
        Truncated.
    """

    format = "qutools 10-byte"
    resolution_ps = 1.0

    def __init__(self, path: Path) -> None:
        self.path = path
        size = path.stat().st_size
        if size < HEADER_BYTES:
            raise FormatError(path, size, f"truncated: the header has {HEADER_BYTES} bytes")
        over = (size - HEADER_BYTES) % _RECORD.itemsize
        if over:
            problem = f"truncated: {over} bytes of a record of {_RECORD.itemsize}"
            raise FormatError(path, size - over, problem)

    def blocks(self) -> Iterator[Block]:
        """Decode the file; the furthest that a time goes back is found in a pass before.

        Raises
        ------
        FormatError
            A channel above 255, a time from 2^62 ps on, or one that goes back by more than 1 s.
        """
        back = self._furthest_back()
        newest = 0
        for t, ch, _ in self._records():
            newest = max(newest, int(t.max()))
            yield Block(t, ch, watermark=max(newest - back, 0), records=len(t))

    def _furthest_back(self) -> int:
        newest = furthest = 0
        for t, _, offset in self._records():
            before = np.maximum(np.maximum.accumulate(t), newest)
            back = before - t
            worst = int(back.argmax())
            if back[worst] > _LATEST_BACK_PS:
                problem = f"time goes back by {int(back[worst])} ps, more than 1 s"
                raise FormatError(self.path, offset + worst * _RECORD.itemsize, problem)
            furthest = max(furthest, int(back[worst]))
            newest = int(before[-1])
        return furthest

    def _records(self) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], int]]:
        with self.path.open("rb") as file:
            offset = file.seek(HEADER_BYTES)
            while raw := file.read(_BLOCK * _RECORD.itemsize):
                records = np.frombuffer(raw[: len(raw) - len(raw) % _RECORD.itemsize], _RECORD)
                wrong = (records["t"] >= LATEST_PS) | (records["ch"] > 255)
                if wrong.any():
                    bad = int(wrong.argmax())
                    t, ch = int(records["t"][bad]), int(records["ch"][bad])
                    problem = f"no record of a tag: time {t} ps, channel {ch}"
                    raise FormatError(self.path, offset + bad * _RECORD.itemsize, problem)
                yield records["t"].astype(np.int64), records["ch"].astype(np.uint8), offset
                offset += len(raw)
