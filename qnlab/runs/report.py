"""A run's report: one HTML file that stands alone, and one picture."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qnlab.runs.documents import read_documents

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHARED_AXES = ("qber", "secret", "sifted", "link_loss", "clock")
_LABELS = {
    "qber": "QBER (%)",
    "secret": "secret bits a block",
    "sifted": "sifted bits a block",
    "link_loss": "link loss (dB)",
    "cost": "1 - mean visibility",
}
_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D")


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
    picture = folder / "report.png"
    picture.write_bytes(_picture(_streams(documents), start))
    page = folder / "report.html"
    page.write_text(_page(start, stop, picture), encoding="utf-8")
    return page, picture


def _streams(documents: list[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, list[Any]]]:
    """Columns of each stream."""
    names: dict[str, str] = {}
    columns: dict[str, dict[str, list[Any]]] = {}
    for kind, document in documents:
        if kind == "descriptor":
            names[document["uid"]] = document["name"]
            columns[document["name"]] = {key: [] for key in document["data_keys"]}
        elif kind == "event":
            stream = columns[names[document["descriptor"]]]
            for key, value in document["data"].items():
                stream[key].append(value)
    return columns


def _panels(columns: dict[str, dict[str, list[Any]]]) -> list[tuple[str, str, list[str]]]:
    """What is drawn together: stream, title, fields."""
    wanted = (
        ("alignment", "qber", "Polarization alignment"),
        ("block", "qber", "Error rate of each block"),
        ("block", "secret", "Secret key of each block"),
        ("block", "link_loss", "Loss of the link"),
    )
    panels = []
    for stream, prefix, title in wanted:
        fields = [key for key in columns.get(stream, {}) if key.startswith(prefix)]
        if fields and columns[stream][fields[0]]:
            panels.append((stream, title, fields))
    return panels


def _picture(columns: dict[str, dict[str, list[Any]]], start: dict[str, Any]) -> bytes:
    from matplotlib.figure import Figure

    panels = _panels(columns)
    rows = max((len(panels) + 1) // 2, 1)
    figure = Figure(figsize=(10, 0.6 + 3.0 * rows), layout="constrained")
    figure.suptitle(
        f"{start['procedure']} on {start['bench']}" + (" (simulated)" if start["simulated"] else "")
    )
    if not panels:
        figure.text(0.5, 0.4, "the run ended before its first measurement", ha="center")
    for number, (stream, title, fields) in enumerate(panels):
        axes = figure.add_subplot(rows, 2, number + 1)
        _draw(axes, columns[stream], fields)
        axes.set_title(title, fontsize="medium")
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=120, format="png")
    return buffer.getvalue()


def _draw(axes: Axes, stream: dict[str, list[Any]], fields: list[str]) -> None:
    prefix = next(p for p in _SHARED_AXES if fields[0].startswith(p))
    percent = 100.0 if prefix == "qber" else 1.0
    for i, field in enumerate(fields):
        axes.plot(
            stream["time_s"],
            [percent * value for value in stream[field]],
            linestyle=_LINES[i % 4],
            marker=_MARKERS[i % 4],
            markersize=3.5,
            label=field.removeprefix(prefix).strip("_") or field,
        )
    if len(fields) > 1:
        axes.legend(fontsize="small")
    axes.set_xlabel("time (s)")
    axes.set_ylabel(_LABELS.get(prefix, prefix))
    axes.grid(alpha=0.3)
    top = max(percent * max(stream[field]) for field in fields)
    axes.set_ylim(0, 1.15 * top if top > 0 else 1)


def _page(start: dict[str, Any], stop: dict[str, Any] | None, picture: Path) -> str:
    from importlib.resources import files

    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["figure"] = _figure
    template = environment.from_string(files("qnlab.runs").joinpath("report.html").read_text())
    return template.render(
        start=start,
        stop=stop,
        result=(stop or {}).get("result", {}),
        picture=base64.b64encode(picture.read_bytes()).decode(),
    )


def _figure(value: object) -> str:
    """A value as people read it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not measured"}[value]
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    return f"{value:.5g}" if isinstance(value, float) else str(value)
