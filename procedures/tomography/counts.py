"""Counts by analyser setting: what a tomography file holds, checked line by line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qnlab.errors import QnlabError

Matrices = npt.NDArray[np.complex128]

COLUMNS = ("setting", "counts")
LARGEST = 2**53
_S = 1 / math.sqrt(2)
KETS: dict[str, tuple[complex, complex]] = {
    "H": (1, 0),
    "V": (0, 1),
    "D": (_S, _S),
    "A": (_S, -_S),
    "R": (_S, -1j * _S),
    "L": (_S, 1j * _S),
}
_LABELS = "one letter of H V D A R L a qubit, for one qubit (D) or two (HV)"


class CountsError(QnlabError):
    """Counts that cannot be used: says where, what was found and what would be right."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        self.where = where
        self.found = found
        self.expected = expected
        super().__init__(f"{where}: {found}; expected {expected}")


@dataclass(frozen=True, slots=True)
class Counts:
    """Detections at each setting of the analysers, all taken for the same time.

    Parameters
    ----------
    settings : tuple of str, length K
        State that each analyser passes, one letter of H V D A R L a qubit; R = (H - iV)/sqrt 2,
        L = (H + iV)/sqrt 2, the sign of James et al., Phys. Rev. A 64, 052312 (2001).
    counts : tuple of int, length K
        Detections (coincidences for two qubits); each is a Poisson number.
    """

    settings: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def qubits(self) -> int:
        """1 or 2."""
        return len(self.settings[0])

    def kets(self) -> Matrices:
        """State that each setting passes, shape (K, 2**qubits), first letter leftmost."""
        return np.array([_ket(setting) for setting in self.settings])

    def projectors(self) -> Matrices:
        """Projector of each setting, shape (K, 2**qubits, 2**qubits)."""
        kets = self.kets()
        return kets[:, :, None] * kets[:, None, :].conj()


def read_counts(lines: Iterable[str], name: str) -> Counts:
    """Read a CSV table with the columns ``setting`` and ``counts``; empty lines are skipped.

    Parameters
    ----------
    lines : iterable of str
        Lines of the file, the header first.
    name : str
        Name of the file, for messages.

    Raises
    ------
    CountsError
        Names row (line of the file) and column of what is wrong, and what would be right; also for
        settings that leave some part of the state undetermined.
    """
    rows = _rows(lines, name)
    row, header = next(rows, (1, []))
    if tuple(cell.strip().lower() for cell in header) != COLUMNS:
        found = ",".join(header) or "nothing"
        raise CountsError(f"{name}: row {row}", f"header {found!r}", f"{','.join(COLUMNS)!r}")
    seen: dict[str, int] = {}
    counts: list[int] = []
    for row, cells in rows:
        where = f"{name}: row {row}"
        if len(cells) != len(COLUMNS):
            raise CountsError(where, f"{len(cells)} columns", "2: setting,counts")
        setting = _setting(cells[0], f"{where}, column setting", next(iter(seen), None))
        if setting in seen:
            found = f"{setting} was given in row {seen[setting]} already"
            raise CountsError(f"{where}, column setting", found, "each setting once")
        seen[setting] = row
        counts.append(_count(cells[1], f"{where}, column counts"))
    table = Counts(tuple(seen), tuple(counts))
    _require_complete(table, name)
    return table


def _rows(lines: Iterable[str], name: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise CountsError(f"{name}: row {reader.line_num}", str(error), "plain CSV") from error
    except UnicodeDecodeError as error:
        where = f"{name}: after row {reader.line_num}"
        raise CountsError(where, "bytes that are not text", "CSV in UTF-8") from error


def _setting(cell: str, where: str, first: str | None) -> str:
    setting = cell.strip().upper()
    if len(setting) not in (1, 2) or not set(setting) <= KETS.keys():
        raise CountsError(where, repr(cell), _LABELS)
    if first is not None and len(setting) != len(first):
        expected = f"as many letters as the first setting, {first}"
        raise CountsError(where, repr(cell), expected)
    return setting


def _count(cell: str, where: str) -> int:
    digits = cell.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 16 or int(digits) > LARGEST:
        raise CountsError(where, repr(cell), "a whole number of detections, 0 to 2^53")
    return int(digits)


def _require_complete(table: Counts, name: str) -> None:
    if not table.settings:
        raise CountsError(name, "no counts", "one row a setting below the header")
    if not any(table.counts):
        raise CountsError(name, "all counts are 0", "detections at some setting")
    projectors = table.projectors()
    needed = projectors.shape[1] ** 2
    rank = int(np.linalg.matrix_rank(projectors.reshape(len(projectors), -1)))
    if rank < needed:
        found = f"the settings determine {rank} of the {needed} parameters"
        least = "H V D R" if table.qubits == 1 else "all 16 pairs of H V D R"
        raise CountsError(name, found, f"a complete set, such as {least}")


def _ket(setting: str) -> Matrices:
    ket: Matrices = np.ones(1, dtype=np.complex128)
    for letter in setting:
        ket = np.kron(ket, np.array(KETS[letter])).astype(np.complex128)
    return ket
