"""Time-tag files of others, read as streams of chunks."""

from qnlab.tags.files.file import FileInfo, TagFile, open_tags

__all__ = ["FileInfo", "TagFile", "open_tags"]
