"""The command line as a person meets it: called in this process, with its exit status and both streams."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from corpusmith.apps import cli

SENTENCES = (
    "The harbour master keeps a ledger of every boat that leaves before dawn and of every crew that comes home.",
    "A stone bridge crosses the river where the old mill used to grind barley for the three villages.",
    "Nobody remembers who planted the orchard, but its apples are sold in the market every autumn.",
    "The museum shows maps that were drawn by sailors who had never seen the coast in daylight.",
    "When the bell rings twice, the shopkeepers close their shutters and walk up to the square.",
    "Her notebooks describe the weather of forty winters, the price of coal and the health of the bees.",
    "The railway was built to carry slate, and it still runs on summer days for the visitors.",
    "A committee of teachers wrote the first dictionary of the dialect in a room above the bakery.",
    "The glacier left a ridge of gravel on which the farmers later built their walls and their barns.",
    "Every house on the island collects rain, because the wells turned salt after the earthquake.",
)


@dataclass(frozen=True)
class Said:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on the last line of stdout."""
        value = json.loads(self.out.splitlines()[-1])
        assert isinstance(value, dict)
        return value


Call = Callable[..., Said]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """`call("run", "...", "--json")` in an empty folder; nothing of the environment reaches it."""
    for name in ("CORPUSMITH_HOME", "CORPUSMITH_MODEL", "OPIK_URL_OVERRIDE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CORPUSMITH_WORKERS", "1")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["corpusmith", *words])
        capsys.readouterr()
        status = 0
        try:
            cli.main()
        except SystemExit as done:
            status = int(done.code or 0)
        out, err = capsys.readouterr()
        return Said(status, out, err)

    return run


def write_articles(path: Path, rows: int = 40) -> None:
    """JSONL rows of three sentences each: a third of them copies, one with an address, one broken line."""
    lines = []
    for n in range(rows):
        k = n % 27
        words = [SENTENCES[(k * 3 + i * (1 + k // 10)) % 10] for i in range(3)]
        text = f"Entry {k} of the chronicle. " + " ".join(words)
        if n == 5:
            text += " Write to anna.berg@harbour-office.org for a copy."
        lines.append(json.dumps({"text": text, "year": 1900 + n, "note": f"shelf mark {n:03d}"}))
    lines.insert(7, '{"text": "a line that was cut off')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    """A small JSONL corpus with copies, one address and one broken line."""
    path = tmp_path / "articles.jsonl"
    write_articles(path)
    return path


REQUEST = "Make a clean, deduplicated English corpus, no personal data, 20 documents, 80/10/10 split, as JSONL"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run, finished once for all tests that only look at it: `workspace`, `source`, `outcome`."""
    from corpusmith.agent.options import RunOptions
    from corpusmith.apps.compose import App
    from corpusmith.core.settings import load_settings

    folder = tmp_path_factory.mktemp("finished")
    write_articles(folder / "articles.jsonl")
    app = App.open(load_settings(folder / "ws", workers=1), quiet=True)
    outcome = app.start(REQUEST, RunOptions(sources=(str(folder / "articles.jsonl"),)))
    app.workspace.close()
    return {"workspace": str(folder / "ws"), "source": str(folder / "articles.jsonl"), "outcome": outcome}
