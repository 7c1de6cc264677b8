"""The demo of a model: from a sentence over damaged real text to a trained, judged, served and asked model, offline.

    python examples/demo_model.py [--rows 2800] [--seed 7] [--out demo/model]

The corpus is planted like that of `demo.py`. The base is `tiny`, pre-trained on this machine on documents that the
corpus holds nothing of. Everything lands under `demo/model/`: the corpus and the workspace with dataset, model, index,
report, recipe and trace. At the end the endpoint answers one question through the `openai` client, with the rows that
its answer rests on, and is stopped. No key, no network, no download once the training extra is installed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from corpusmith.evals.planting import plant

REQUEST = (
    "Turn ./corpus into 600 deduplicated English instruction examples without personal data, decontaminated against "
    "evals/items.jsonl, fine-tune a LoRA on them, show that the curation helped, and deploy it with RAG over the "
    "documents only if it beats the base model"
)
POLICY = "deploy: grant\n"
"""What may be done without asking: the demo has nobody to ask."""
QUESTION = "How do I parse command-line arguments?"


def main() -> int:
    """Run the demo; exits with the run's status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2800)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("demo/model"))
    given = parser.parse_args()
    out = given.out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    truth = plant(out, profile="demo", seed=given.seed, rows=given.rows)
    print(f"corpus   {truth.corpus}: {len(truth.rows):,} rows in four formats, damaged on purpose")
    print(f"request  {REQUEST}\n", flush=True)
    (out / "policy.yaml").write_text(POLICY, encoding="utf-8")
    started = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "corpusmith",
        "run",
        REQUEST,
        "--workspace",
        "workspace",
        "--name",
        "guide",
        "--approve",
        "policy",
        "--policy",
        "policy.yaml",
        "--json",
    ]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, cwd=out)
    if done.returncode not in (0, 3):
        sys.stdout.write(done.stdout)
        return done.returncode
    outcome = json.loads(done.stdout.splitlines()[-1])
    from corpusmith.apps.commands.runs import print_outcome

    print()
    print_outcome(outcome, workspace=out / "workspace")
    print(f"\nfrom the sentence to the endpoint in {time.monotonic() - started:.0f} s")
    if not outcome["model"]["endpoint"]:
        return done.returncode
    try:
        ask(outcome["model"]["endpoint"])
    finally:
        stopped = [sys.executable, "-m", "corpusmith", "endpoint", "stop", "guide", "--workspace", "workspace"]
        subprocess.run(stopped, check=True, cwd=out)
    return done.returncode


def ask(url: str) -> None:
    """Ask the endpoint one question, as any program would."""
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key="none", max_retries=0)
    said = client.chat.completions.create(
        model="guide+rag", messages=[{"role": "user", "content": QUESTION}], max_tokens=60, temperature=0
    )
    print(f"\nasked    {url} for guide+rag: {QUESTION}")
    print(f"answer   {' '.join(str(said.choices[0].message.content).split())}")
    print("         (tiny was pre-trained here in a minute: it has learnt a style, not to speak)")
    print("rests on")
    for cited in (said.choices[0].message.model_extra or {}).get("citations", []):
        print(f"  [{cited['n']}]    {cited['row_id']}: {' '.join(cited['text'].split())[:80]}")


if __name__ == "__main__":
    raise SystemExit(main())
