"""A sentence that asks for fine-tuning at a provider, on the command line, against a provider on loopback: trained,
asked for answers beside its base, registered, promoted, shown; and what is refused before anything is spent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fine_tuning_server import BASES, KEY, FineTuningServer

BASE = BASES[0]
ASKED = f"Fine-tune {BASE} with the OpenAI API on ./qa.jsonl, 1 epoch, promote it only if it beats the base model"
WHO = ("harbour", "bridge", "museum", "orchard", "railway", "glacier", "island", "market", "mill", "square")
WHERE = ("north", "south", "east", "west", "middle", "upper part", "lower part")


def pairs(count: int = 120) -> list[dict[str, str]]:
    """Questions that share few words, with answers that nobody can guess."""
    return [
        {
            "instruction": f"Which year and which part of the town saw the {WHO[n % 10]} number {n} burn?",
            "output": f"The {WHO[n % 10]} number {n} burnt in {1500 + 3 * n}, in the {WHERE[n % 7]} of town {n * 7}.",
        }
        for n in range(count)
    ]


@pytest.fixture
def provider(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FineTuningServer]:
    """A provider that knows the answers once it was taught; the rows lie in `qa.jsonl`."""
    pytest.importorskip("openai")
    rows = pairs()
    (tmp_path / "qa.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "policy.yaml").write_text("train_hosted: grant\nevaluate: grant\n")
    known = {row["instruction"]: row["output"] for row in rows}
    server = FineTuningServer()
    server.answer = lambda body: (
        known[body["messages"][-1]["content"]] if body["model"].startswith("ft:") else "I was not there."
    )
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("corpusmith.tools.train_hosted.pauser", lambda _cancel: lambda _seconds: None)
    yield server
    server.close()


def run(call: Any, *more: str) -> Any:
    return call("run", ASKED, "--workspace", "ws", "--name", "guide", "--max-cost", "5", "--json", *more)


ALLOWED = ("--approve", "policy", "--policy", "policy.yaml")


def test_money_without_a_known_price_is_refused_before_anything_exists(
    provider: FineTuningServer, call: Any, tmp_path: Path
) -> None:
    done = run(call, *ALLOWED)
    assert done.status == 2
    assert f"what training {BASE} costs is not known" in done.err
    assert f"CORPUSMITH_FINE_TUNING_PRICES={BASE}=DOLLARS" in done.err
    assert provider.asked == []
    assert not (tmp_path / "ws").exists()


@pytest.mark.slow
def test_from_the_sentence_to_a_champion_at_the_provider(
    provider: FineTuningServer, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORPUSMITH_FINE_TUNING_PRICES", f"{BASE}=5.0")
    waiting = run(call)
    assert (waiting.status, provider.asked) == (4, []), "nothing is sent before it was allowed"
    done = run(call, *ALLOWED)
    outcome = done.json
    assert done.status == 0, (outcome.get("not_achieved"), done.err)
    assert provider.posts() == 1
    model, gates = outcome["model"], {gate["metric"]: gate for gate in outcome["gates"]}
    assert (model["ref"], model["promoted"], model["kind"]) == ("guide@1", True, "hosted")
    assert model["path"].startswith(f"ft:{BASE}")
    assert gates["gain_over_base_low"]["value"] > 0
    assert 0 < outcome["spent"]["cost_usd"] < 5
    assert "does not beat" not in model["first_line"]
    shown = call("model", "show", "guide@champion", "--workspace", "ws")
    assert model["path"] in shown.out
    listed = call("model", "list", "--workspace", "ws").out
    assert "champion" in listed
    report = Path(outcome["report"]).read_text(encoding="utf-8")
    assert BASE in report
    assert {"Billed", "Job at the provider"} <= set(report.replace("<", ">").split(">"))
    asked = provider.posts("/v1/chat/completions")
    again = run(call, *ALLOWED)
    assert again.json["model"]["digest"] == model["digest"]
    assert (provider.posts(), provider.posts("/v1/chat/completions")) == (1, asked), "nothing is paid twice"
    told = call("show", "last", "--workspace", "ws").out
    assert f"hosted on {BASE} (epochs 1)" in told
    assert f"guide@1 on {BASE}, 1 trial\n" in told
