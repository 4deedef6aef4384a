"""The error of a writer that must not leave anything out."""

from __future__ import annotations

from qnlab.errors import QnlabError


class UnfitForFormat(QnlabError):
    """A channel or time that the format asked for cannot hold; names both."""
