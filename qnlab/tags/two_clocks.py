"""Offset and drift between the clocks of two free-running taggers that see pairs of photons.

`acquire` finds both from nothing. Tags of the two are folded into bins and correlated by FFT, once
for each drift of a grid: over a slice of time T, a drift that is wrong by d smears the peak over
``d T``, so bins of width ``d T`` lose nothing to it, and the peak stands
``pairs / sqrt(first second d)`` standard deviations (all per second) above the accidental pairs,
whatever T is. The grid is refined until it is seen. Then offset and slope are searched together,
on the differences of near tags, in ever finer steps; a straight line through what is left is the
result.

`TwoClocks` acquires and then follows interval by interval: the centroid of the differences in a
window drives a loop with proportional and integral gain. It acquires anew when it has lost the
pairs. All intervals are fixed in time: the result does not depend on the size of chunks.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from qnlab.errors import QnlabError
from qnlab.tags import kernels
from qnlab.tags.chunk import Gap, TagChunk

Times = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_PS_PER_S = 10**12
_GRIDS = (8, 32)
_SEEN_SIGMA = 6.0
_LEVEL_BINS = 257
_ZOOM_BINS, _ZOOM_SLOPES = 24, 17
_WINDOW_JITTERS = 4.0
_FITS = 3
_FEWEST_PAIRS = 20


class NoCorrelation(QnlabError):
    """No pairs stand out of the accidental ones."""


@dataclass(frozen=True, slots=True)
class ClockModel:
    """Second clock minus first: ``offset_ps + drift (t - epoch_ps)``, t and epoch on the first."""

    epoch_ps: int
    offset_ps: float
    drift: float

    def offset_at(self, first_ps: int) -> float:
        """Second clock minus first when the first shows `first_ps`, ps."""
        return self.offset_ps + self.drift * (first_ps - self.epoch_ps)

    def to_second(self, t: Times) -> Times:
        """Times of the first clock as the second shows them, rounded to ps."""
        since = (t - self.epoch_ps).astype(np.float64)
        whole = round(self.offset_ps)
        rest = np.rint(self.offset_ps - whole + self.drift * since).astype(np.int64)
        moved: Times = t + whole + rest
        return moved

    def to_first(self, t: Times) -> Times:
        """Times of the second clock as the first shows them, rounded to ps."""
        whole = round(self.offset_ps)
        since = (t - whole - self.epoch_ps).astype(np.float64) - (self.offset_ps - whole)
        late = np.rint(since * self.drift / (1 + self.drift) + self.offset_ps - whole)
        moved: Times = t - whole - late.astype(np.int64)
        return moved

    def moved_to(self, epoch_ps: int) -> ClockModel:
        """The same clock with another epoch."""
        return replace(self, epoch_ps=epoch_ps, offset_ps=self.offset_at(epoch_ps))


def acquire(
    first: Times,
    second: Times,
    *,
    about_ps: int = 0,
    reach_ps: int = _PS_PER_S,
    max_drift: float = 50e-6,
    jitter_ps: float = 500.0,
) -> ClockModel:
    """Offset and drift of the second clock against the first.

    Parameters
    ----------
    first, second : ndarray of int64, shape (n,) and (m,)
        Tags, ps, sorted: about a second of the first, and of the second as much around it as
        the offset may move it.
    about_ps, reach_ps : int
        The offset is looked for within `reach_ps` of `about_ps`.
    max_drift : float
        Largest drift, ps a ps.
    jitter_ps : float
        Standard deviation of a pair's time difference, or more.

    Raises
    ------
    NoCorrelation
        No peak of 6 standard deviations, or none that holds when looked at closely.
    """
    if len(first) < _FEWEST_PAIRS or len(second) < _FEWEST_PAIRS:
        raise NoCorrelation(
            f"{len(first)} and {len(second)} tags, at least {_FEWEST_PAIRS} of each needed"
        )
    epoch = int(first[0] + first[-1]) // 2
    best = 0.0
    for grid in _GRIDS:
        model, step, best = _coarse(first, second, epoch, about_ps, reach_ps, max_drift, grid)
        if best >= _SEEN_SIGMA:
            model = _fine(first, second, model, step, jitter_ps)
            window = _WINDOW_JITTERS * jitter_ps
            _, residual = _residuals(first, second, model, 3 * window)
            if not np.isnan(_centroid(residual, window)[0]):
                return model
    raise NoCorrelation(
        f"no offset within {reach_ps} ps of {about_ps} ps and drift within {max_drift:.1e} stands "
        f"out of {len(first)} and {len(second)} tags: best {best:.1f} sigma, {_SEEN_SIGMA} needed"
    )


def _coarse(
    first: Times,
    second: Times,
    epoch: int,
    about_ps: int,
    reach_ps: int,
    max_drift: float,
    grid: int,
) -> tuple[ClockModel, float, float]:
    """Highest peak on a grid of drifts, the grid's step, and the peak's standard deviations."""
    length = int(first[-1] - first[0]) + 1
    step = 2 * max_drift / grid
    bin_ps = step * length
    low = int(first[0]) - epoch - reach_ps
    bins = scipy.fft.next_fast_len(int((length + 2 * reach_ps) / bin_ps) + 2, real=True)
    near = second - (epoch + about_ps)
    near = near[(near >= low) & (near < low + length + 2 * reach_ps)] - low
    spectrum = scipy.fft.rfft(_folded(near.astype(np.float64), bin_ps, bins))
    since = (first - epoch).astype(np.float64)
    lags = np.arange(-int(reach_ps / bin_ps), int(reach_ps / bin_ps) + 1)
    best = (0.0, 0.0, 0.0)
    for k in range(grid):
        drift = (k + 0.5) * step - max_drift
        folded = _folded(since * (1 + drift) - low, bin_ps, bins)
        product = np.conj(scipy.fft.rfft(folded)) * spectrum
        pairs = scipy.fft.irfft(product, bins)[lags]
        level = scipy.ndimage.uniform_filter1d(pairs, _LEVEL_BINS, mode="nearest")
        excess, noise = pairs - level, np.sqrt(np.maximum(level, 1.0))
        for width, sigma in (
            (1, excess / noise),
            (2, (excess[:-1] + excess[1:]) / (noise[:-1] * np.sqrt(2))),
        ):
            peak = int(np.argmax(sigma))
            best = max(best, (float(sigma[peak]), lags[peak] + (width - 1) / 2, drift))
    sigmas, lag, drift = best
    return ClockModel(epoch, about_ps + lag * bin_ps, drift), step, sigmas


def _folded(t: Floats, bin_ps: float, bins: int) -> npt.NDArray[np.float32]:
    """How many tags are in each bin, counted around a circle of `bins`."""
    at = (t * (1 / bin_ps)).astype(np.int64) % bins
    return np.bincount(at, minlength=bins).astype(np.float32)


def _fine(
    first: Times, second: Times, model: ClockModel, step: float, jitter_ps: float
) -> ClockModel:
    """Zoom in on offset and drift together, then put a line through the differences."""
    length = float(first[-1] - first[0])
    half = 1.5 * step * length
    while True:
        bin_ps = 2 * half / _ZOOM_BINS
        if bin_ps < jitter_ps:
            break
        at, residual = _residuals(first, second, model, half + step * length / 2)
        counts = np.zeros((_ZOOM_SLOPES, _ZOOM_BINS), np.int64)
        finer = 2 * step / (_ZOOM_SLOPES - 1)
        kernels.add_lines(counts, at, residual, -step, finer, half)
        slope, peak = np.unravel_index(int(np.argmax(counts)), counts.shape)
        model = replace(
            model,
            offset_ps=model.offset_ps + (float(peak) + 0.5) * bin_ps - half,
            drift=model.drift + float(slope) * finer - step,
        )
        half, step = 1.5 * bin_ps, 1.5 * finer
    window = max(_WINDOW_JITTERS * jitter_ps, half)
    for _ in range(_FITS):
        at, residual = _residuals(first, second, model, window)
        if len(at) < _FEWEST_PAIRS:
            return model
        slope_, offset = np.polyfit(at, residual, 1)
        model = replace(
            model, offset_ps=model.offset_ps + float(offset), drift=model.drift + float(slope_)
        )
        window = _WINDOW_JITTERS * jitter_ps
    return model


def _residuals(
    first: Times, second: Times, model: ClockModel, half_ps: float
) -> tuple[Floats, Floats]:
    """Time from the epoch, and difference to the model, of all pairs within `half_ps`."""
    room = len(first)
    while True:
        at, residual = np.empty(room), np.empty(room)
        clock = (model.epoch_ps, model.offset_ps, model.drift)
        found = int(kernels.near_pairs(first, second, *clock, half_ps, at, residual))
        if found <= room:
            return at[:found], residual[:found]
        room = found


class LockState(enum.Enum):
    """Whether the clock is known."""

    SEARCHING = "searching"
    LOCKED = "locked"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Fix:
    """What one interval told.

    `time_ps` is the middle of the interval on the first clock, `innovation_ps` the mean
    difference of its pairs to what was expected, `sigma_ps` the standard error of that. With no
    pairs seen, both are not a number.
    """

    time_ps: int
    model: ClockModel
    innovation_ps: float
    sigma_ps: float
    pairs: float
    state: LockState


@dataclass(frozen=True, slots=True)
class Lock:
    """An acquisition: from the start of the search to the newest tag needed, on the first clock."""

    began_ps: int
    locked_ps: int
    attempts: int

    @property
    def took_ps(self) -> int:
        """Time to lock, or to recovery."""
        return self.locked_ps - self.began_ps


class TwoClocks:
    """Acquires and follows the clock of a second tagger against that of a first.

    Memory is constant: it holds the tags of a slice and twice the reach.

    Parameters
    ----------
    about_ps, reach_ps : int
        The offset is looked for within `reach_ps` of `about_ps`; after a loss, of where it was.
    max_drift : float
        Largest drift, ps a ps.
    jitter_ps : float
        Standard deviation of a pair's time difference, or more. Pairs count within four of it.
    slice_ps : int
        Length of the first tagger's stream that an acquisition looks at.
    interval_ps : int
        Time between two updates when locked.
    lost_after : int
        Intervals in a row without pairs after which the lock is lost; those in which one of the
        two streams has a gap do not count.
    """

    _PROPORTIONAL, _INTEGRAL = 0.7, 0.25

    def __init__(
        self,
        *,
        about_ps: int = 0,
        reach_ps: int = _PS_PER_S,
        max_drift: float = 50e-6,
        jitter_ps: float = 500.0,
        slice_ps: int = _PS_PER_S,
        interval_ps: int = _PS_PER_S // 10,
        lost_after: int = 5,
    ) -> None:
        self.state = LockState.SEARCHING
        self.model: ClockModel | None = None
        self.locks: list[Lock] = []
        self._about = about_ps
        self._reach = reach_ps
        self._jitter = jitter_ps
        self._slice = slice_ps
        self._interval = interval_ps
        self._lost_after = lost_after
        self._max_drift = max_drift
        self._first, self._second = _Buffer(), _Buffer()
        self._next: int | None = None
        self._began = 0
        self._attempts = 0
        self._missed = 0

    def feed_first(self, chunk: TagChunk) -> list[Fix]:
        """Take in the first tagger's next chunk; what the intervals now complete told."""
        if self._next is None:
            self._next = self._began = chunk.t_begin
        self._first.add(chunk)
        return self._advance()

    def feed_second(self, chunk: TagChunk) -> list[Fix]:
        """Take in the second tagger's next chunk; what the intervals now complete told."""
        self._second.add(chunk)
        return self._advance()

    def _advance(self) -> list[Fix]:
        fixes: list[Fix] = []
        while self._next is not None:
            if self.state is LockState.LOCKED and self.model is not None:
                if not self._track(self._next, self.model, fixes):
                    break
            elif not self._search(self._next):
                break
        return fixes

    def _search(self, begin: int) -> bool:
        end = begin + self._slice
        low, high = begin + self._about - self._reach, end + self._about + self._reach
        if self._first.end_ps < end or self._second.end_ps < high:
            return False
        self._attempts += 1
        self._next = end
        try:
            model = acquire(
                self._first.between(begin, end),
                self._second.between(low, high),
                about_ps=self._about,
                reach_ps=self._reach,
                max_drift=self._max_drift,
                jitter_ps=self._jitter,
            )
        except NoCorrelation:
            self._first.drop(end)
            self._second.drop(low + self._slice)
            return True
        self.model = model.moved_to(end)
        self.state = LockState.LOCKED
        locked = max(end, high - self._about)
        self.locks.append(Lock(self._began, locked, self._attempts))
        self._attempts = self._missed = 0
        return True

    def _track(self, begin: int, model: ClockModel, fixes: list[Fix]) -> bool:
        end, middle = begin + self._interval, begin + self._interval // 2
        window = _WINDOW_JITTERS * self._jitter
        low = begin + int(model.offset_at(begin) - 4 * window)
        high = end + int(model.offset_at(end) + 4 * window) + 1
        if self._first.end_ps < end or self._second.end_ps < high:
            return False
        expected = model.moved_to(middle)
        _, residual = _residuals(
            self._first.between(begin, end), self._second.between(low, high), expected, 3 * window
        )
        innovation, sigma, pairs = _centroid(residual, window)
        if np.isnan(innovation):
            gap = self._first.has_gap(begin, end) or self._second.has_gap(low, high)
            self._missed += not gap
            self.model = expected
            if self._missed >= self._lost_after:
                self._lose(begin - (self._lost_after - 1) * self._interval, expected)
        else:
            self._missed = 0
            self.model = ClockModel(
                middle,
                expected.offset_ps + self._PROPORTIONAL * innovation,
                expected.drift + self._INTEGRAL * innovation / self._interval,
            )
        fixes.append(Fix(middle, self.model, innovation, sigma, pairs, self.state))
        self._next = end
        keep = self._reach if self.state is LockState.LOST else 0
        self._first.drop(end)
        self._second.drop(high - 9 * int(window) - keep)
        return True

    def _lose(self, since_ps: int, model: ClockModel) -> None:
        self.state = LockState.LOST
        self._began = since_ps
        self._about = round(model.offset_ps)


def _centroid(residual: Floats, window: float) -> tuple[float, float, float]:
    """Mean of the pairs in the window less the accidental ones, its error, and their number.

    The accidental ones are those between one and three windows. Not a number if the pairs do not
    stand out by five standard deviations, or are fewer than 20.
    """
    inside = residual[np.abs(residual) <= window]
    accidental = (len(residual) - len(inside)) / 2
    pairs = len(inside) - accidental
    noise = float(np.sqrt(len(inside) + accidental / 2))
    if pairs < max(_FEWEST_PAIRS, 5 * noise):
        return float("nan"), float("nan"), pairs
    sigma = float(np.sqrt(np.sum(inside**2))) / pairs
    return float(np.sum(inside)) / pairs, sigma, pairs


class _Buffer:
    """The newest tags of one stream."""

    def __init__(self) -> None:
        self._t = np.empty(0, np.int64)
        self._gaps: list[Gap] = []
        self._parts: list[Times] = []
        self._end: int | None = None

    @property
    def end_ps(self) -> int:
        """Watermark; long ago before the first chunk."""
        return kernels.NEVER if self._end is None else self._end

    def add(self, chunk: TagChunk) -> None:
        """Append a chunk; ValueError if it begins before the end of the one before."""
        if self._end is not None and chunk.t_begin < self._end:
            raise ValueError(
                f"chunk {chunk.seq} begins at {chunk.t_begin} ps, the one before ended at "
                f"{self._end} ps; chunks must follow each other"
            )
        if self._end is not None and chunk.t_begin > self._end:
            self._gaps.append(Gap(self._end, chunk.t_begin))
        self._gaps += chunk.gaps
        self._parts.append(chunk.t)
        self._end = chunk.t_end

    def between(self, begin: int, end: int) -> Times:
        """Tags of ``begin <= t < end``."""
        if self._parts:
            self._t = np.concatenate((self._t, *self._parts))
            self._parts = []
        low, high = np.searchsorted(self._t, [begin, end])
        return self._t[low:high]

    def has_gap(self, begin: int, end: int) -> bool:
        """Whether a gap overlaps ``begin <= t < end``."""
        return any(gap.begin_ps < end and gap.end_ps > begin for gap in self._gaps)

    def drop(self, before: int) -> None:
        """Forget what is older."""
        self._t = self.between(before, self.end_ps)
        self._gaps = [gap for gap in self._gaps if gap.end_ps > before]
