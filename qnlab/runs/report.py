"""A run's report: one HTML file that stands alone, and one picture.

What is drawn follows from the documents: the panels that the procedure declared for its streams,
else every number of every stream against its time.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qnlab.runs.documents import read_documents, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE, PICTURE, PDF = "report.html", "report.png", "report.pdf"

_TIME = "time_s"
_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D")
_MOST_PANELS = 8
_MOST_MARKERS = 80


@dataclass
class _Stream:
    """Columns of one stream, and what is to be drawn of it."""

    name: str
    panels: list[Mapping[str, Any]]
    columns: dict[str, list[Any]]
    times: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> list[float]:
        """Time of each event since the begin of the run."""
        return self.columns.get(_TIME, self.times)


@dataclass(frozen=True, slots=True)
class _Panel:
    stream: _Stream
    title: str
    fields: tuple[str, ...]
    percent: bool


def write_report(folder: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.png`` into a run's folder.

    Returns
    -------
    tuple of Path
        The HTML file and the picture.

    Raises
    ------
    StoreError
        The folder holds no run.
    """
    documents = read_documents(folder)
    start = documents[0][1]
    stop = documents[-1][1] if documents[-1][0] == "stop" else None
    streams = _streams(documents)
    picture, page = folder / PICTURE, folder / PAGE
    drawn = _rendered(_figure(streams, start), "png")
    picture.write_bytes(drawn)
    page.write_text(_page(start, stop, streams, drawn), encoding="utf-8")
    return page, picture


def write_pdf(folder: Path) -> Path:
    """Write the figures of a run as ``report.pdf`` into its folder, scalable for print.

    Raises
    ------
    StoreError
        The folder holds no run.
    """
    documents = read_documents(folder)
    path = folder / PDF
    path.write_bytes(_rendered(_figure(_streams(documents), documents[0][1]), "pdf"))
    return path


_SAID = {"qber": "QBER", "ec": "EC"}


def words(key: str) -> str:
    """A field's name as people read it, without its unit: ``link_loss_db`` is ``link loss``.

    A name that is nothing but a unit is that unit: ``db`` is ``dB``.
    """
    if len(key) > 1 and "_" not in key and unit_of(f"_{key}"):
        return unit_of(f"_{key}")
    stem = key.rpartition("_")[0] if unit_of(key) else key
    return " ".join(_SAID.get(word, word) for word in stem.split("_"))


def _streams(documents: list[tuple[str, dict[str, Any]]]) -> list[_Stream]:
    begin = documents[0][1]["time"]
    streams: dict[str, _Stream] = {}
    for kind, document in documents:
        if kind == "descriptor":
            columns: dict[str, list[Any]] = {key: [] for key in document["data_keys"]}
            declared = document.get("panels", [])
            streams[document["uid"]] = _Stream(document["name"], declared, columns)
        elif kind == "event":
            stream = streams[document["descriptor"]]
            stream.times.append(document["time"] - begin)
            for key, value in document["data"].items():
                stream.columns[key].append(value)
    return [stream for stream in streams.values() if stream.times]


def _panels(streams: list[_Stream]) -> list[_Panel]:
    declared = [
        _Panel(stream, panel["title"], tuple(panel["fields"]), panel["percent"])
        for stream in streams
        for panel in stream.panels
    ]
    return declared or [panel for stream in streams for panel in _all_of(stream)][:_MOST_PANELS]


def _all_of(stream: _Stream) -> list[_Panel]:
    """Numbers of one unit whose names begin alike, together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for key, values in stream.columns.items():
        if key != _TIME and all(_is_number(value) for value in values):
            groups.setdefault((key.partition("_")[0], unit_of(key)), []).append(key)
    return [
        _Panel(stream, f"{words(stream.name)}: {_shared(fields) or first}", tuple(fields), False)
        for (first, _), fields in groups.items()
    ]


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _shared(fields: list[str] | tuple[str, ...]) -> str:
    """The words that all names begin with."""
    shared = []
    for column in zip(*(words(name).split() for name in fields), strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return " ".join(shared)


def _figure(streams: list[_Stream], start: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    panels = _panels(streams)
    rows = max((len(panels) + 1) // 2, 1)
    height = 0.6 + 3.0 * rows
    figure = Figure(figsize=(10, height))
    figure.subplots_adjust(
        left=0.07, right=0.985, bottom=0.55 / height, top=1 - 0.85 / height, hspace=0.4, wspace=0.2
    )
    simulated = " (simulated)" if start["simulated"] else ""
    figure.suptitle(f"{start['procedure']} on {start['bench']}{simulated}")
    if not panels:
        figure.text(0.5, 0.4, "the run recorded no numbers against time", ha="center")
    for number, panel in enumerate(panels):
        columns = 1 if len(panels) == 1 else 2
        _draw(figure.add_subplot(rows, columns, number + 1), panel)
    return figure


def _draw(axes: Axes, panel: _Panel) -> None:
    times, scale = panel.stream.seconds, 100.0 if panel.percent else 1.0
    shared = _shared(panel.fields)
    lowest = highest = 0.0
    for i, name in enumerate(panel.fields):
        values = [math.nan if v is None else scale * v for v in panel.stream.columns[name]]
        finite = [value for value in values if math.isfinite(value)]
        lowest, highest = min([lowest, *finite]), max([highest, *finite])
        axes.plot(
            times,
            values,
            linestyle=_LINES[i % 4],
            marker=_MARKERS[i % 4] if len(times) <= _MOST_MARKERS else "",
            markersize=3.5,
            label=words(name).removeprefix(shared).strip() or words(name),
        )
    if len(panel.fields) > 1:
        axes.legend(fontsize="small")
    unit = "%" if panel.percent else unit_of(panel.fields[0])
    axes.set_title(panel.title, fontsize="medium")
    axes.set_xlabel("time (s)")
    axes.set_ylabel(f"{shared} ({unit})" if shared and unit else shared or unit)
    axes.set_xlim(0, 1.05 * max(times) or 1)
    room = 0.1 * (highest - lowest) or 1
    axes.set_ylim(lowest - (room if lowest < 0 else 0), highest + room)
    axes.grid(alpha=0.3)


def _rendered(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=120, format=kind)
    return buffer.getvalue()


def _page(
    start: Mapping[str, Any],
    stop: Mapping[str, Any] | None,
    streams: list[_Stream],
    picture: bytes,
) -> str:
    from importlib.resources import files

    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"figure": _text, "words": words, "unit": unit_of}
    template = environment.from_string(
        files("qnlab.runs").joinpath("report.html").read_text(encoding="utf-8")
    )
    return template.render(
        start=start,
        stop=stop,
        result=(stop or {}).get("result", {}),
        streams=[{"name": stream.name, "events": len(stream.times)} for stream in streams],
        picture=base64.b64encode(picture).decode(),
    )


def _text(value: object) -> str:
    """A value as people read it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not measured"}[value]
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return (
            ", ".join(f"{words(str(key))} {_text(item)}" for key, item in value.items()) or "none"
        )
    return f"{value:.5g}" if isinstance(value, float) else str(value)
