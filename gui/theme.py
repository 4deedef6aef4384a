"""Colours and type: light and dark palettes, curve colours that colour-blind people tell apart."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

# Okabe and Ito's set, "Color Universal Design" (2008), without its yellow, which light paper hides.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


@dataclass(frozen=True, slots=True)
class Theme:
    """Named colours of a palette."""

    name: str
    window: str
    panel: str
    text: str
    dim: str
    line: str
    accent: str
    ok: str
    warning: str
    alarm: str
    simulated: str
    curves: tuple[str, ...]


LIGHT = Theme(
    "light",
    "#F3F4F6",
    "#FFFFFF",
    "#14181F",
    "#565E6B",
    "#C9CED6",
    "#0058A3",
    "#00694B",
    "#8A4B00",
    "#B3001B",
    "#0058A3",
    ("#0072B2", "#B84F00", "#007A59", "#A8487F", "#8F6200", "#2A7FB0"),
)
DARK = Theme(
    "dark",
    "#15181D",
    "#1E2228",
    "#ECEFF4",
    "#A3ACBA",
    "#3A414C",
    "#6CB6FF",
    "#4CCB9F",
    "#FFB454",
    "#FF7B86",
    "#6CB6FF",
    ("#5AB4E5", "#FF9350", "#35C79A", "#E59BC6", "#E9B44C", "#9AD0F5"),
)
THEMES = {theme.name: theme for theme in (LIGHT, DARK)}


def luminance(colour: str) -> float:
    """Relative luminance of ``#RRGGBB`` (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.1)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def apply(application: QApplication, theme: Theme, scale: float = 1.0) -> None:
    """Give the application a theme; `scale` sizes its type, 0.8 to 2."""
    application.setStyle("Fusion")
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, colour in (
        (roles.Window, theme.window),
        (roles.WindowText, theme.text),
        (roles.Base, theme.panel),
        (roles.AlternateBase, theme.window),
        (roles.Text, theme.text),
        (roles.Button, theme.panel),
        (roles.ButtonText, theme.text),
        (roles.Highlight, theme.accent),
        (roles.HighlightedText, theme.panel),
        (roles.ToolTipBase, theme.panel),
        (roles.ToolTipText, theme.text),
        (roles.PlaceholderText, theme.dim),
        (roles.Mid, theme.line),
        (roles.Dark, theme.line),
        (roles.Light, theme.panel),
    ):
        palette.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.dim))
    application.setPalette(palette)
    font = application.font()
    font.setPointSizeF(10.0 * min(max(scale, 0.8), 2.0))
    application.setFont(font)


def digits(points: float) -> QFont:
    """A font whose digits are equally wide."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPointSizeF(max(points, 6.0))
    font.setWeight(QFont.Weight.DemiBold)
    return font
