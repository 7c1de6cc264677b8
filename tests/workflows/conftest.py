"""One small run over hostile text, finished once for every test here: copies, personal data, markup, a broken line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from corpusmith.agent.options import RunOptions
from corpusmith.apps.compose import App
from corpusmith.core.settings import load_settings
from corpusmith.store.workspace import Workspace

HOSTILE = "<script>alert('row')</script>"
FILE = 'a<b>&"quote".jsonl'
REQUEST = "Make a clean, deduplicated English corpus, no personal data, 12 documents, 80/20 split <svg onload=boo>"
PLAIN = (
    "The harbour master keeps a ledger of every boat that leaves before dawn and of every crew that comes home.",
    "A stone bridge crosses the river where the old mill used to grind barley for the three villages below.",
    "Nobody remembers who planted the orchard, but its apples are sold in the market square every autumn.",
    "The museum shows maps that were drawn by sailors who had never once seen the coast in daylight.",
    "When the bell rings twice, the shopkeepers close their shutters and walk up to the square to listen.",
    "Her notebooks describe the weather of forty winters, the price of coal and the health of the bees.",
    "The railway was built to carry slate, and it still runs on summer days for all of the visitors.",
)


@dataclass(frozen=True)
class Finished:
    """A run that is done: the open workspace it is in, what it read, what it answered."""

    workspace: Workspace
    source: Path
    outcome: dict[str, Any]

    @property
    def run_id(self) -> str:
        return str(self.outcome["run_id"])


def hostile_rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for n in range(21):
        first, second, third = PLAIN[n % 7], PLAIN[(n * 2 + 1 + n // 7) % 7], PLAIN[(n * 3 + 2) % 7]
        rows.append({"text": f"Entry {n} of the town chronicle. {first}\n\n{second} {third}", "mark": f"shelf-{n:03d}"})
    rows[1]["text"] += f' {HOSTILE} stands </style> in \x0b this row & stays "text".'
    rows[2]["text"] += " Write to anna.berg@harbour-office.org for a copy of it."
    rows[3]["text"] = f"<div><p>{rows[3]['text']}</p></div>"
    rows.append({"text": rows[4]["text"], "mark": "a copy"})
    rows.append({"text": "", "mark": "nothing in it"})
    rows.append({"text": "Der Hafenmeister führt ein Buch über jedes Boot, das vor der Dämmerung ausläuft. " * 3})
    return rows


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    folder = tmp_path_factory.mktemp("story")
    source = folder / FILE
    lines = [json.dumps(row) for row in hostile_rows()]
    lines.insert(6, '{"text": "cut off in the mid')
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    app = App.open(load_settings(folder / "ws", workers=1), quiet=True)
    outcome = app.start(REQUEST, RunOptions(sources=(str(source),)))
    yield Finished(app.workspace, source, outcome)
    app.workspace.close()
