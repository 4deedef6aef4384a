"""The time-tag engine against its goals: ``python -m benchmarks.timetags [--json]``.

Everything is compared in one process, in turn, by CPU time, as the median of five calls after one
to warm up. The stream has four channels of 1 MHz; a quarter of each channel's tags belong to
events that all four see, with 100 ps of jitter; coincidence windows are 500 ps.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.runner import Result, absent, at_least, at_most, command, in_turn, peer
from benchmarks.streams import Stream, four_channels, two_sites
from qnlab.tags import TagChunk, kernels
from qnlab.tags.analysers import Coincidences, Correlation
from qnlab.tags.chunk import MAX_TAGS
from qnlab.tags.files import open_tags
from qnlab.tags.normalise import Input, Normaliser
from qnlab.tags.two_clocks import acquire

WINDOW_PS = 500
SIX = list(itertools.combinations(range(1, 5), 2))
ETA = "ETA (etabackend) needs NumPy 1, which cannot share a process with NumPy 2"


@cache
def stream(tags: int, rate_hz: float) -> Stream:
    """The stream, made once."""
    return four_channels(tags, rate_hz)


def rate(name: str, tags: int, seconds: float) -> Result:
    """A plain figure of millions of tags a second."""
    return Result(name, tags / seconds / 1e6, "Mtags/s")


def two_fold(options: argparse.Namespace) -> Iterator[Result]:
    """Pairs of two channels."""
    a, b, *_ = stream(options.tags, 1e6).apart
    tomtag = peer("tomtag")

    def searched() -> int:
        newest = np.searchsorted(b, a + WINDOW_PS, side="right")
        return int((newest - np.searchsorted(b, a - WINDOW_PS)).sum())

    runs: dict[str, Callable[[], object]] = {
        "qnlab": lambda: kernels.match_pairs(a, b, WINDOW_PS)[0],
        "searchsorted": searched,
    }
    if tomtag is not None:
        runs["tomtag"] = lambda: tomtag.count_twofolds(a, b, len(a), len(b), WINDOW_PS)
        assert runs["tomtag"]() == runs["qnlab"]()
    seconds = in_turn(runs)
    yield rate("2-fold", len(a) + len(b), seconds["qnlab"])
    yield at_least("2-fold / searchsorted", seconds["searchsorted"] / seconds["qnlab"], "x", 6)
    if tomtag is None:
        yield absent("2-fold / tomtag", "x", ">= 1", "tomtag is not installed")
    else:
        yield at_least("2-fold / tomtag", seconds["tomtag"] / seconds["qnlab"], "x", 1)


def four_fold(options: argparse.Namespace) -> Iterator[Result]:
    """Groups of four channels, with the tags of each."""
    apart = stream(options.tags, 1e6).apart
    sizes = [len(own) for own in apart]
    end = np.cumsum(sizes)
    t = np.concatenate(apart)
    groups = np.empty((min(sizes), 4), np.int64)

    def ours() -> int:
        return int(kernels.match_groups(t, end - sizes, end, WINDOW_PS, groups))

    runs: dict[str, Callable[[], object]] = {"qnlab": ours}
    tomtag = peer("tomtag")
    if tomtag is not None:
        runs["tomtag"] = lambda: tomtag.get_fourfold_tags(*apart, *sizes, WINDOW_PS)
    seconds = in_turn(runs)
    yield rate("4-fold", len(t), seconds["qnlab"])
    if tomtag is None:
        yield absent("4-fold / tomtag", "x", ">= 4", "tomtag is not installed")
        return
    theirs = len(tomtag.get_fourfold_tags(*apart, *sizes, WINDOW_PS)[0])
    note = f"{ours()} groups here, {theirs} there"
    yield at_least("4-fold / tomtag", seconds["tomtag"] / seconds["qnlab"], "x", 4, note)


def patterns(options: argparse.Namespace) -> Iterator[Result]:
    """Six patterns against one, in chunks."""
    chunks = stream(options.tags, 1e6).chunks()

    def counting(wanted: list[tuple[int, ...]]) -> Callable[[], object]:
        def run() -> object:
            counter = Coincidences(wanted, WINDOW_PS)
            for chunk in chunks:
                counter.feed(chunk)
            return counter.result()

        return run

    seconds = in_turn({"six": counting(list(SIX)), "one": counting([SIX[0]])})
    yield rate("six patterns", options.tags, seconds["six"])
    yield at_most("six patterns / one", seconds["six"] / seconds["one"], "x", 1.3)


def stream_step(options: argparse.Namespace) -> Iterator[Result]:
    """Delay, re-sort and six patterns at 80 M tags/s; memory from 20 M to 200 M tags."""
    chunks = stream(options.tags, 20e6).chunks()

    def step() -> object:
        stage, counter = _step()
        for chunk in chunks:
            counter.feed(stage.feed(chunk))
        return counter.result()

    seconds = in_turn({"step": step})
    speed = options.tags / seconds["step"] / 1e6
    yield at_least("stream step at 80 M tags/s", speed, "Mtags/s", 100)
    peak = [_peak_of(times * options.tags) for times in (1, 10)]
    note = f"{peak[0]:.1f} and {peak[1]:.1f} MB for 1 and 10 times {options.tags} tags"
    yield at_most("stream step: memory growth", (peak[1] / peak[0] - 1) * 100, "%", 5, note)


def _step() -> tuple[Normaliser, Coincidences]:
    stage = Normaliser([Input(c, c, delay_ps=700 * (c - 1)) for c in range(1, 5)])
    return stage, Coincidences(list(SIX), WINDOW_PS)


def _peak_of(tags: int) -> float:
    """Peak memory of a process that streams as many tags, MB."""
    code = f"from benchmarks.timetags import stream_tags; stream_tags({tags})"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(said.stdout)


def stream_tags(tags: int) -> None:
    """Stream tags that are made on the way; print the peak memory of this process, MB."""
    kernels.warm_up()
    pattern = four_channels(MAX_TAGS, 20e6)
    stage, counter = _step()
    for seq in range(max(tags // MAX_TAGS, 1)):
        begin = seq * pattern.end_ps
        t = pattern.t + begin
        chunk = TagChunk(t, pattern.ch, begin, begin + pattern.end_ps, seq, "bench")
        counter.feed(stage.feed(chunk))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)


def histogram(options: argparse.Namespace) -> Iterator[Result]:
    """1000 bins of 100 ps around 0."""
    a, b, *_ = stream(options.tags, 1e6).apart
    counts = np.zeros(1000, np.int64)
    runs: dict[str, Callable[[], object]] = {
        "qnlab": lambda: kernels.add_delays(counts, a, b, -50_000, 100)
    }
    pytimetag = peer("pytimetag.analysers.HistogramAnalyser")
    if pytimetag is not None:
        theirs = pytimetag.analysisOneListJIT
        runs["pytimetag"] = lambda: theirs(a, b, -50_000.0, 50_000.0, 1000, 1)
    seconds = in_turn(runs)
    yield rate("histogram 1000 x 100 ps", len(a) + len(b), seconds["qnlab"])
    name = "histogram / pytimetag"
    if pytimetag is None:
        yield absent(name, "x", ">= 1", "pytimetag is not installed")
    else:
        yield at_least(name, seconds["pytimetag"] / seconds["qnlab"], "x", 1)
    yield _against_pycorrelate(a[: len(a) // 20], b[: len(b) // 20])


def _against_pycorrelate(a: np.ndarray, b: np.ndarray) -> Result:
    name = "histogram / pycorrelate"
    pycorrelate = peer("pycorrelate")
    if pycorrelate is None:
        return absent(name, "x", ">= 100", "pycorrelate is not installed")
    edges = np.arange(-50_000, 50_001, 100)
    counts = np.zeros(1000, np.int64)
    seconds = in_turn(
        {
            "qnlab": lambda: kernels.add_delays(counts, a, b, -50_000, 100),
            "pycorrelate": lambda: pycorrelate.pcorrelate(a, b, edges),
        }
    )
    ratio = seconds["pycorrelate"] / seconds["qnlab"]
    return at_least(name, ratio, "x", 100, "on a twentieth of the tags")


def ptu(options: argparse.Namespace) -> Iterator[Result]:
    """A HydraHarp T2 file: decoding it, and its g2."""
    from qnlab.tags.files.ptu_write import HYDRAHARP_2_T2, write_ptu

    whole = stream(options.tags, 1e6)
    two = (whole.ch == 1) | (whole.ch == 2)
    t, ch = whole.t[two], whole.ch[two] - np.uint8(1)
    pair = Stream([], t, ch, whole.end_ps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.ptu"
        with path.open("wb") as file:
            write_ptu(file, iter(pair.chunks()), HYDRAHARP_2_T2)
        yield from _decode(path, len(t))
        yield from _file_to_g2(path, len(t))


def _decode(path: Path, tags: int) -> Iterator[Result]:
    ptufile = peer("ptufile")
    if ptufile is None:
        yield absent("PTU T2 decode / ptufile", "x", ">= 3", "ptufile is not installed")
        return
    with ptufile.PtuFile(path) as file:
        records = np.ascontiguousarray(file.read_records())

        def ours() -> tuple[np.ndarray, ...]:
            return kernels.decode_hydra(records, 0, 0, 33_554_432, True, False)

        seconds = in_turn({"qnlab": ours, "ptufile": lambda: file.decode_records(records)})
        theirs = file.decode_records(records)
    ticks, _, ch, *_ = ours()
    photons = theirs["channel"] >= 0
    same = np.array_equal(theirs["time"][photons], ticks)
    same &= np.array_equal(theirs["channel"][photons], ch)
    yield rate("PTU T2 decode", tags, seconds["qnlab"])
    yield at_least(
        "PTU T2 decode / ptufile",
        seconds["ptufile"] / seconds["qnlab"],
        "x",
        3,
        "identical records" if same else "records differ",
    )


def _file_to_g2(path: Path, tags: int) -> Iterator[Result]:
    channels = sorted(int(channel) for channel in open_tags(path).info().channels)

    def correlated() -> np.ndarray:
        g2 = Correlation(channels[0], channels[1], 100, 500)
        for chunk in open_tags(path).chunks():
            g2.feed(chunk)
        return g2.result().counts

    trattoria = peer("trattoria")
    runs: dict[str, Callable[[], object]] = {"qnlab": correlated}
    if trattoria is not None:
        parameters = trattoria.core.G2Parameters(
            channel_1=channels[0] + 1,
            channel_2=channels[1] + 1,
            correlation_window=50e-9,
            resolution=100e-12,
            record_ranges=None,
        )
        runs["trattoria"] = lambda: trattoria.PTUFile(path).g2(parameters)
    seconds = in_turn(runs)
    yield rate("PTU T2 file to g2", tags, seconds["qnlab"])
    if trattoria is None:
        yield absent("PTU T2 file to g2 / trattoria", "x", ">= 1.2", "trattoria is not installed")
    else:
        theirs = int(np.sum(trattoria.PTUFile(path).g2(parameters).g2))
        note = f"{int(correlated().sum())} pairs here, {theirs} there"
        ratio = seconds["trattoria"] / seconds["qnlab"]
        yield at_least("PTU T2 file to g2 / trattoria", ratio, "x", 1.2, note)
    yield absent("PTU T2 file to g2 / ETA", "x", ">= 5", ETA)


def merge(options: argparse.Namespace) -> Iterator[Result]:
    """Four sorted channels to one sorted stream of times and channels."""
    apart = stream(options.tags, 1e6).apart
    ends = np.cumsum([len(own) for own in apart])
    t = np.concatenate(apart)
    ch = np.repeat(np.arange(1, 5).astype(np.uint8), [len(own) for own in apart])
    work, spare = (t.copy(), ch.copy()), (np.empty_like(t), np.empty_like(ch))

    def ours() -> object:
        work[0][:], work[1][:] = t, ch
        return kernels.merge_runs(*work, ends, *spare)

    def sorting() -> object:
        order = np.argsort(t, kind="stable")
        return t[order], ch[order]

    seconds = in_turn({"qnlab": ours, "argsort": sorting})
    yield rate("merge of 4 channels", len(t), seconds["qnlab"])
    ratio = seconds["argsort"] / seconds["qnlab"]
    yield at_least("merge / argsort(stable)", ratio, "x", 5, "both with the times and channels")


def recording(options: argparse.Namespace) -> Iterator[Result]:
    """The recorder, before sync."""
    from qnlab.clock import VirtualClock
    from qnlab.runs import start_run

    chunks = stream(options.tags, 1e6).chunks()
    rates, sizes = [], []
    for _ in range(5):
        with (
            tempfile.TemporaryDirectory() as folder,
            start_run(
                Path(folder),
                procedure="record",
                parameters={},
                bench="bench",
                seed=1,
                simulated=True,
                clock=VirtualClock(),
                settings={},
            ) as run,
        ):
            recorder = run.recorder("tags")
            begin = time.process_time()
            for chunk in chunks:
                recorder.write(chunk)
            rates.append(options.tags / (time.process_time() - begin) / 1e6)
            live = run.folder.glob("tags-*.arrows")
            sizes.append(sum(path.stat().st_size for path in live) / options.tags)
    yield at_least("recording before sync", float(np.median(rates)), "Mtags/s", 80)
    yield at_most("recording: size", float(np.median(sizes)), "B/tag", 4)


def clock(options: argparse.Namespace) -> Iterator[Result]:
    """Acquisition of a clock 312 ms and 7.3 ppm off."""
    del options
    offset_ps, drift = 312e9, 7.3e-6
    for pairs, first, second in ((20e3, 200e3, 150e3), (2e3, 100e3, 100e3)):
        a, b = two_sites(pairs, first, second, offset_ps, drift)
        seconds = in_turn({"qnlab": lambda a=a, b=b: acquire(a, b)})["qnlab"]
        model = acquire(a, b)
        name = f"clock at {pairs / 1e3:g} k pairs/s"
        yield at_most(f"{name}: drift error", abs(model.drift - drift) * 1e9, "ppb", 1)
        middle = model.epoch_ps
        error = model.offset_at(middle) - offset_ps - drift * middle
        yield at_most(f"{name}: offset error", abs(error), "ps", 10)
        if pairs == 20e3:
            yield at_most(f"{name}: time", seconds, "CPU s", 0.5)
        else:
            yield Result(f"{name}: time", seconds, "CPU s")


def simulator(options: argparse.Namespace) -> Iterator[Result]:
    """The detector stage of the simulated world: avalanches, then tags."""
    from qnlab.sim_backends.world import kernels as world
    from qnlab.sim_backends.world.gaussian import gaussian

    state = np.array([3], np.uint64)
    rng = np.random.default_rng(3)
    tags = options.tags // 4
    gaps = rng.exponential(250_000.0, tags)
    events = np.cumsum(gaps).astype(np.int64) * 4 + rng.integers(0, 4, tags)
    end = float(events[-1] >> 2) + 1e6

    def run(afterpulse: float) -> int:
        out = np.empty(2 * tags + 1000, np.int64)
        number = world.avalanche(
            events,
            np.ones(4, np.uint8),
            np.full(4, 30_000.0),
            np.zeros(4),
            np.full(4, afterpulse),
            np.full(4, 100_000.0),
            np.full(4, -1e18),
            np.full((4, world.PENDING), np.inf),
            end,
            rng,
            out,
        )
        spread = np.empty(number)
        gaussian(state, spread)
        packed = np.empty(number, np.int64)
        nothing = np.empty(0, np.int64)
        world.tag(
            out[:number], 0, 1.0, 0.0, np.zeros(4), np.full(4, 50.0), spread, 0.0, 1.0,
            nothing, packed,
        )  # fmt: skip
        return int(number)

    seconds = in_turn({"plain": lambda: run(0.0), "afterpulses": lambda: run(0.03)})
    note = "detector stage alone, its events are given"
    for name, goal, probability in (("plain", 40, 0.0), ("afterpulses", 20, 0.03)):
        what = "jitter and dead time" if name == "plain" else "afterpulses too"
        speed = run(probability) / seconds[name] / 1e6
        yield at_least(f"simulator with {what}", speed, "Mtags/s", goal, note)


def start(options: argparse.Namespace) -> Iterator[Result]:
    """Import of qnlab, wall time."""
    del options
    code = "import time; t = time.perf_counter(); import qnlab; print(time.perf_counter() - t)"
    seconds = []
    for _ in range(5):
        said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        seconds.append(float(said.stdout))
    yield at_most("import qnlab", float(np.median(seconds)), "s", 0.3)


SECTIONS = {
    "2-fold": two_fold,
    "4-fold": four_fold,
    "patterns": patterns,
    "stream": stream_step,
    "histogram": histogram,
    "ptu": ptu,
    "merge": merge,
    "recording": recording,
    "clock": clock,
    "simulator": simulator,
    "import": start,
}
PEERS = ["numpy", "numba", "tomtag", "pytimetag", "pycorrelate", "ptufile", "trattoria"]


def main() -> int:
    """Run the benchmark."""
    return command(
        "The time-tag engine against its goals.",
        SECTIONS,
        [*PEERS, "etabackend"],
        lambda parser: parser.add_argument(
            "--tags", type=int, default=20_000_000, help="tags of the stream (20 million)"
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
