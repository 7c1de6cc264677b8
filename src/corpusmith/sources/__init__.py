"""Sources: what a person points at, read into canonical rows, nothing lost without a reason."""

from corpusmith.sources.identity import snapshot
from corpusmith.sources.items import ReadOptions, Reject, Skipped
from corpusmith.sources.reader import SourceReader, open_sources

__all__ = ["ReadOptions", "Reject", "Skipped", "SourceReader", "open_sources", "snapshot"]
