"""What every workspace is: a dock layout that is fed only while it is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtWidgets import QDockWidget, QGridLayout, QLabel, QMainWindow, QWidget

from qnlab.gui.feed import Feed
from qnlab.gui.theme import Theme

Act = Callable[[str, dict[str, Any]], object]
LAYOUT_VERSION = 1


class Workspace(QMainWindow):
    """Docks around an empty middle.

    Subclasses set `title`, add docks when made, and draw in `refresh`.

    Parameters
    ----------
    act : callable
        ``act(service, arguments)``: asks the host, without waiting for it.
    """

    title = ""

    def __init__(self, feed: Feed, theme: Theme, act: Act) -> None:
        super().__init__()
        self.feed, self.theme, self.act = feed, theme, act
        self.docks: dict[str, QDockWidget] = {}
        self.setDockNestingEnabled(True)
        self.setWindowFlags(Qt.WindowType.Widget)
        self._factory: QByteArray | None = None
        self.setAccessibleName(self.title)

    def dock(
        self,
        name: str,
        title: str,
        widget: QWidget,
        beside: str = "",
        way: Qt.Orientation = Qt.Orientation.Horizontal,
    ) -> QDockWidget:
        """Add a dock, beside or below another one."""
        dock = QDockWidget(title)
        dock.setObjectName(f"{type(self).__name__}.{name}")
        dock.setWidget(widget)
        dock.setFeatures(
            QDockWidget.DockWidgetFeature.DockWidgetMovable
            | QDockWidget.DockWidgetFeature.DockWidgetFloatable
        )
        if beside:
            self.splitDockWidget(self.docks[beside], dock, way)
        else:
            self.addDockWidget(Qt.DockWidgetArea.TopDockWidgetArea, dock)
        self.docks[name] = dock
        return dock

    def proportions(self) -> None:
        """Give the docks their built-in sizes; called once the workspace has been shown."""

    def keep_factory(self) -> None:
        """Remember the built-in layout."""
        if self._factory is None:
            self.proportions()
            self._factory = self.saveState(LAYOUT_VERSION)

    def reset(self) -> None:
        """Back to the built-in layout."""
        if self._factory is not None:
            self.restoreState(self._factory, LAYOUT_VERSION)
            self.proportions()

    def restore(self, state: QByteArray) -> bool:
        """A layout saved before; the built-in one, and False, if it does not fit."""
        fits = self.restoreState(state, LAYOUT_VERSION)
        if not fits or any(dock.isHidden() for dock in self.docks.values()):
            self.reset()
            return False
        return True

    def refresh(self) -> None:
        """Draw what the feed holds now."""


def grid(widgets: list[QWidget], columns: int) -> QWidget:
    """Widgets in rows of so many."""
    box = QWidget()
    layout = QGridLayout(box)
    layout.setContentsMargins(4, 4, 4, 4)
    layout.setSpacing(4)
    for k, widget in enumerate(widgets):
        layout.addWidget(widget, k // columns, k % columns)
    return box


def note(text: str) -> QLabel:
    """A sentence in place of what is not there."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setEnabled(False)
    return label
