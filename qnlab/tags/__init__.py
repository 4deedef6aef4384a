"""Time tags: chunks, the normalise stage, analysers, kernels and other people's files."""

from qnlab.tags.chunk import Gap, Marker, TagChunk

__all__ = ["Gap", "Marker", "TagChunk"]
