"""`/metrics` of an endpoint whose replicas stand behind one address: of all of them, whichever is asked.

Every replica writes its figures into the workspace every two seconds, and the one that is asked shows its own of this
moment beside the newest of the others, each with the label `replica`. Nothing is added up here: a sum over replicas
that come and go would fall when one goes, which Prometheus takes for a restart. `sum without (replica) (rate(...))`
is right.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

EVERY_S = 2.0
SILENT_S = 15.0
"""Figures of a replica that wrote none for so long are not shown."""


class SharedMetrics:
    """The figures of one replica among those of the others."""

    def __init__(self, folder: Path, replica: str) -> None:
        """Take a file; nothing is written yet.

        Args:
            folder: Of the endpoint's figures.
            replica: Which one this is.
        """
        self._replica, self._file = replica, folder / f"{replica}.prom"

    def write(self, own: bytes) -> None:
        """Let the others see the figures.

        Raises:
            OSError: They cannot be written.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_bytes(own)
        new.replace(self._file)

    def render(self, own: bytes) -> bytes:
        """The text that is scraped, with the figures of every replica."""
        texts = {self._replica: own.decode()}
        oldest = time.time() - SILENT_S
        for path in self._file.parent.glob("*.prom"):
            with suppress(FileNotFoundError):
                if path.stem != self._replica and path.stat().st_mtime > oldest:
                    texts[path.stem] = path.read_text("utf-8")
        registry = CollectorRegistry()
        registry.register(_Union(texts))
        return generate_latest(registry)

    def close(self) -> None:
        """Be seen no more; files of replicas that were killed go too."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)
            for path in self._file.parent.glob("*.prom"):
                if path.stat().st_mtime < time.time() - SILENT_S:
                    path.unlink(missing_ok=True)


class _Union(Collector):
    """One family for each name, whose samples say of which replica they are."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        found: dict[str, Metric] = {}
        for replica, text in sorted(self._texts.items()):
            for family in text_string_to_metric_families(text):
                one = found.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    labels = {**sample.labels, "replica": replica}
                    one.add_sample(sample.name, labels, sample.value)
        yield from found.values()
