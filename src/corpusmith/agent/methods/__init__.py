"""The catalogue of named curation methods: the agent's action space (Curation-Bench's lesson: names beat retuning)."""

from corpusmith.agent.methods.base import Method, too_late
from corpusmith.agent.methods.catalogue import CATALOGUE, method

__all__ = ["CATALOGUE", "Method", "method", "too_late"]
