"""Named settings of a bench, kept as TOML beside its runs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qnlab.bench import Bench
from qnlab.errors import QnlabError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,60}")


class Presets:
    """Saves, compares and applies the settings of a bench.

    Parameters
    ----------
    bench : Bench
        Presets lie in ``home/presets/<bench>/<name>.toml``.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._folder = bench.home / "presets" / bench.name

    def names(self) -> list[str]:
        """Presets of this bench."""
        return sorted(path.stem for path in self._folder.glob("*.toml"))

    def save(self, name: str) -> str:
        """Keep every setting as it is now; an older preset of the name is replaced.

        Raises
        ------
        QnlabError
            A name that is no name.
        """
        path = self._path(name)
        lines = []
        for key, reading in self._bench.settings().items():
            instrument, _, setting = key.partition(".")
            lines.append(f'"{instrument}"."{setting}" = {_toml(reading.value)}')
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fresh.replace(path)
        return str(path)

    def diff(self, name: str) -> list[dict[str, Any]]:
        """What applying the preset would change: setting, old and new value, unit."""
        now = self._bench.settings()
        return [
            {"setting": key, "old": now[key].value, "new": value, "unit": now[key].unit}
            for key, value in self._load(name).items()
            if key in now and now[key].value != value
        ]

    def apply(self, name: str, settings: list[str] | None = None) -> list[dict[str, Any]]:
        """Apply what differs, or only those `settings`; returns what was changed."""
        wanted = [
            change
            for change in self.diff(name)
            if settings is None or change["setting"] in settings
        ]
        grouped: dict[str, dict[str, Any]] = {}
        for change in wanted:
            instrument, _, setting = change["setting"].partition(".")
            grouped.setdefault(instrument, {})[setting] = change["new"]
        for instrument, values in grouped.items():
            self._bench.instruments[instrument].apply(values)
        return wanted

    def _load(self, name: str) -> dict[str, Any]:
        path = self._path(name)
        try:
            tables: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            known = ", ".join(self.names()) or "none"
            raise QnlabError(
                f"no preset {name!r} of {self._bench.name}; there are {known}"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise QnlabError(f"{path}: not a preset: {error}") from error
        return {
            f"{instrument}.{setting}": value
            for instrument, values in tables.items()
            for setting, value in values.items()
        }

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise QnlabError(f"preset {name!r}: letters, digits, spaces, '_', '.' and '-' only")
        return self._folder / f"{name}.toml"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
