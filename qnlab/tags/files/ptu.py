"""PicoQuant PTU files, T2 and T3, as a stream of chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qnlab.errors import FormatError
from qnlab.tags.chunk import Marker
from qnlab.tags.files.block import LATEST_PS, Block
from qnlab.tags.files.ptu_header import MAGIC, PtuHeader, read_header

__all__ = ["MAGIC", "PtuFile"]

_BLOCK = 131_072
_PS_PER_S = 1e12


@dataclass(frozen=True, slots=True)
class _Layout:
    name: str
    wrap: int
    hydra: bool = True
    counted: bool = True
    t3: bool = False


_LAYOUTS = {
    0x00010203: _Layout("PicoHarp T2", 210_698_240, hydra=False, counted=False),
    0x00010303: _Layout("PicoHarp T3", 65_536, hydra=False, counted=False, t3=True),
    0x00010204: _Layout("HydraHarp 1 T2", 33_552_000, counted=False),
    0x00010304: _Layout("HydraHarp 1 T3", 1_024, counted=False, t3=True),
    0x01010204: _Layout("HydraHarp 2 T2", 33_554_432),
    0x01010304: _Layout("HydraHarp 2 T3", 1_024, t3=True),
    0x00010205: _Layout("TimeHarp 260N T2", 33_554_432),
    0x00010305: _Layout("TimeHarp 260N T3", 1_024, t3=True),
    0x00010206: _Layout("TimeHarp 260P T2", 33_554_432),
    0x00010306: _Layout("TimeHarp 260P T3", 1_024, t3=True),
    0x00010207: _Layout("MultiHarp or PicoHarp 330 T2", 33_554_432),
    0x00010307: _Layout("MultiHarp or PicoHarp 330 T3", 1_024, t3=True),
}


class PtuFile:
    """A PTU file. Channels are numbered as in its records; 64 is the sync input of T2 mode.

    In T3 mode a tag's time is its sync count times the sync period plus the start-stop time,
    rounded to 1 ps.

    Parameters
    ----------
    path : Path
        The file; its header is read at once.

    Raises
    ------
    FormatError
        Truncated, garbled, of an unknown record type, or longer than its header says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = path.stat().st_size
        with path.open("rb") as file:
            header = read_header(path, file, self._size)
        kind = header.integer("TTResultFormat_TTTRRecType")
        if kind not in _LAYOUTS:
            at = header.offset("TTResultFormat_TTTRRecType")
            raise FormatError(path, at, f"unknown record type 0x{kind:08X}")
        self._layout = _LAYOUTS[kind]
        self.format = f"PTU {self._layout.name}"
        self._tick_ps = header.seconds("MeasDesc_GlobalResolution") * _PS_PER_S
        self._step_ps = self._tick_ps
        if self._layout.t3:
            self._step_ps = header.seconds("MeasDesc_Resolution") * _PS_PER_S
        self.resolution_ps = self._step_ps
        self._start = header.data_offset
        self._records = self._count(header)

    def _count(self, header: PtuHeader) -> int:
        records = header.integer("TTResult_NumberOfRecords")
        there = self._size - self._start
        if there < 4 * records:
            problem = f"truncated: the header tells of {records} records, {there // 4} are there"
            raise FormatError(self.path, self._size, problem)
        if there > 4 * records:
            problem = f"{there - 4 * records} bytes follow the {records} records of the header"
            raise FormatError(self.path, self._start + 4 * records, problem)
        return records

    def blocks(self) -> Iterator[Block]:
        """Decode the file; raises FormatError at the first record that cannot be."""
        from qnlab.tags import kernels

        layout = self._layout
        decode = kernels.decode_hydra if layout.hydra else kernels.decode_pico
        base = last = done = 0
        with self.path.open("rb") as file:
            file.seek(self._start)
            while done < self._records:
                wanted = min(_BLOCK, self._records - done)
                raw = file.read(4 * wanted)
                if len(raw) < 4 * wanted:
                    problem = "truncated while it was read"
                    raise FormatError(self.path, self._start + 4 * done + len(raw), problem)
                records = np.frombuffer(raw, dtype="<u4")
                ticks, dtime, ch, marks, bits, overflows, base, last, bad, reason = decode(
                    records, base, last, layout.wrap, layout.counted, layout.t3
                )
                if bad >= 0:
                    backwards = reason == kernels.TIME_GOES_BACK
                    problem = "time goes back" if backwards else "unknown record"
                    text = f"{problem} (record {done + bad}, 0x{int(records[bad]):08X})"
                    raise FormatError(self.path, self._start + 4 * (done + bad), text)
                done += wanted
                if (base + layout.wrap) * self._tick_ps >= LATEST_PS:
                    problem = "the roll-over count leads beyond 2^62 ps"
                    raise FormatError(self.path, self._start + 4 * (done - wanted), problem)
                yield Block(
                    t=self._ps(ticks, dtime),
                    ch=ch,
                    markers=tuple(
                        Marker(int(at), "marker", str(int(code)))
                        for at, code in zip(self._ps(marks), bits, strict=True)
                    ),
                    records=wanted,
                    overflows=int(overflows),
                    watermark=int(self._ps(np.array([last]))[0]),
                )

    def _ps(
        self, ticks: npt.NDArray[np.int64], dtime: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.int64]:
        whole = round(self._tick_ps)
        if abs(whole - self._tick_ps) < 1e-6 * self._tick_ps and not self._layout.t3:
            return ticks if whole == 1 else ticks * whole
        times = ticks * self._tick_ps
        if dtime is not None and self._layout.t3:
            times += dtime * self._step_ps
        rounded: npt.NDArray[np.int64] = np.rint(times).astype(np.int64)
        return rounded
