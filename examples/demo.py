"""The demo: plant damage into real text, run one request over it, compare what was done with what was planted.

    python examples/demo.py [--rows 2800] [--seed 7] [--out demo]

Everything lands under `demo/`: the corpus (four formats), the evaluation set, the truth, and the workspace with report,
recipe and trace. No key, no network, no model.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from corpusmith.evals.judge import score_run
from corpusmith.evals.planting import plant

REQUEST = (
    "Make a clean, deduplicated English corpus from ./corpus: no personal data, at most 1% near-duplicates, "
    "decontaminated against evals/items.jsonl, 1,200 documents, 90/5/5 split, as Parquet"
)


def main() -> int:
    """Run the demo; exits with the run's status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2800)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    given = parser.parse_args()
    out = given.out
    shutil.rmtree(out, ignore_errors=True)
    started = time.monotonic()
    truth = plant(out, profile="demo", seed=given.seed, rows=given.rows)
    removable = sum(row.removable is True for row in truth.rows)
    print(f"corpus   {truth.corpus}: {len(truth.rows):,} rows in four formats, {removable:,} planted to be removed")
    print(f"request  {REQUEST}\n", flush=True)
    command = [sys.executable, "-m", "corpusmith", "run", REQUEST, "--workspace", "workspace", "--json"]
    ran = time.monotonic()
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, cwd=out)
    seconds = time.monotonic() - ran
    if done.returncode not in (0, 3):
        sys.stdout.write(done.stdout)
        return done.returncode
    outcome = json.loads(done.stdout.splitlines()[-1])
    from corpusmith.apps.commands.runs import print_outcome

    score = score_run(truth, out / "workspace", outcome["run_id"]).to_markdown()
    print(f"\nwhat the run did, against what was planted ({seconds:.0f} s of {time.monotonic() - started:.0f} s):\n")
    print(score)
    print(f"\n{REQUEST}:\n")
    print_outcome(outcome, workspace=out / "workspace")
    here = Path(sys.executable).with_name("corpusmith")
    if shutil.which("corpusmith") is None and here.exists():
        print(f'         after: export PATH="{here.parent}:$PATH"')
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
