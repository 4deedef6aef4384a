"""Photon-HDF5 files (photon-hdf5.org, version 0.5) with one excitation spot.

A tag's time is its timestamp times ``timestamps_unit``, and plus its nanotime times ``tcspc_unit``
where there are nanotimes, rounded to 1 ps; its channel is its detector, 0 in files without.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from qnlab.errors import FormatError, QnlabError
from qnlab.tags.files.block import LATEST_PS, Block

MAGIC = b"\x89HDF\r\n\x1a\n"

_BLOCK = 131_072
_PS_PER_S = 1e12
_GROUP = "photon_data"


class MissingPackage(QnlabError):
    """A format needs a package that is not installed."""


class PhotonHdf5File:
    """A Photon-HDF5 file.

    Parameters
    ----------
    path : Path
        The file; its structure is checked at once.

    Raises
    ------
    FormatError
        No Photon-HDF5 file, one with several spots, truncated or garbled; HDF5 does not tell the
        offset, it is given as 0.
    MissingPackage
        h5py is not installed.
    """

    format = "Photon-HDF5"

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as group:
            self._unit_ps = self._unit(group, "timestamps_specs/timestamps_unit")
            self._nano_ps = 0.0
            if "nanotimes" in group:
                self._nano_ps = self._unit(group, "nanotimes_specs/tcspc_unit")
            self.resolution_ps = self._nano_ps or self._unit_ps

    def blocks(self) -> Iterator[Block]:
        """Decode the file.

        Raises
        ------
        FormatError
            Garbled, or a timestamp that goes back, or a detector above 255.
        """
        with self._open() as group:
            names = [n for n in ("timestamps", "detectors", "nanotimes") if n in group]
            newest = 0.0
            for start in range(0, len(group["timestamps"]), _BLOCK):
                part = {name: group[name][start : start + _BLOCK] for name in names}
                stamps = part["timestamps"].astype(np.float64)
                steps = np.diff(np.concatenate(([newest], stamps)))
                if (steps < 0).any():
                    at = start + int((steps < 0).argmax())
                    raise FormatError(self.path, 0, f"timestamp {at} goes back")
                newest = float(stamps[-1])
                yield self._block(part, start)

    def _block(self, part: dict[str, Any], start: int) -> Block:
        stamps = part["timestamps"]
        detectors = part.get("detectors", np.zeros(len(stamps), np.uint8))
        nano = part.get("nanotimes", np.zeros(len(stamps), np.uint8))
        if (detectors < 0).any() or (detectors > 255).any() or (nano < 0).any():
            where = f"tags {start} to {start + len(stamps) - 1}"
            raise FormatError(self.path, 0, f"{where}: a detector not in 0..255 or a nanotime < 0")
        if (float(stamps[-1]) + 1) * self._unit_ps + float(nano.max()) * self._nano_ps >= LATEST_PS:
            raise FormatError(self.path, 0, "timestamps lead beyond 2^62 ps")
        whole = round(self._unit_ps)
        if abs(whole - self._unit_ps) < 1e-9 * self._unit_ps and not self._nano_ps:
            t, oldest = stamps.astype(np.int64) * whole, int(stamps[-1]) * whole
        else:
            time = stamps * self._unit_ps + nano * self._nano_ps
            t, oldest = np.rint(time).astype(np.int64), int(np.rint(stamps[-1] * self._unit_ps))
        return Block(t, detectors.astype(np.uint8), watermark=oldest, records=len(t))

    def _unit(self, group: Any, name: str) -> float:
        value = float(group[name][()]) * _PS_PER_S
        if not 1e-3 <= value <= _PS_PER_S:
            raise FormatError(self.path, 0, f"{name} is {value / _PS_PER_S!r} s, not 1 fs to 1 s")
        return value

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            import h5py
        except ImportError as error:
            raise MissingPackage(
                f"{self.path}: Photon-HDF5 needs h5py; install qnlab[hdf5]"
            ) from error
        try:
            with h5py.File(self.path, "r") as file:
                yield self._checked(file, h5py)
        except FormatError:
            raise
        except (OSError, RuntimeError, LookupError, TypeError, ValueError, OverflowError) as error:
            raise FormatError(self.path, 0, f"garbled or truncated HDF5: {error}") from error

    def _checked(self, file: Any, h5py: Any) -> Any:
        if f"{_GROUP}0" in file:
            raise FormatError(self.path, 0, "has several spots (photon_data0, ...); one is read")
        group = file.get(_GROUP)
        if not isinstance(group, h5py.Group):
            raise FormatError(self.path, 0, "an HDF5 file without the group /photon_data")
        stamps = group.get("timestamps")
        for name in ("timestamps", "detectors", "nanotimes"):
            data = group.get(name)
            if data is None and name != "timestamps":
                continue
            if not isinstance(data, h5py.Dataset) or data.ndim != 1 or data.dtype.kind not in "iu":
                raise FormatError(self.path, 0, f"/photon_data/{name} is not a list of integers")
            if len(data) != len(stamps):
                problem = f"{len(data)} {name} for {len(stamps)} timestamps"
                raise FormatError(self.path, 0, problem)
            if not _is_stored(data):
                raise FormatError(self.path, 0, f"/photon_data/{name} is not wholly in the file")
        return group


def _is_stored(data: Any) -> bool:
    if data.chunks is None:
        return bool(data.id.get_storage_size() == data.nbytes)
    return bool(data.id.get_num_chunks() == -(-len(data) // data.chunks[0]))
