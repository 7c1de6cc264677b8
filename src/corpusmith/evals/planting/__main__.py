"""`python -m corpusmith.evals.planting OUT`: write a damaged corpus and the truth about it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from corpusmith.core.errors import UsageError
from corpusmith.evals.planting import ProfileName, plant
from corpusmith.evals.planting.planter import Base


def main(arguments: list[str] | None = None) -> int:
    """Plant as the command line says; returns the exit status (0, or 2 when an argument cannot be used)."""
    parser = argparse.ArgumentParser(prog="python -m corpusmith.evals.planting", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--profile", default="demo", choices=list(ProfileName))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rows", type=int, default=2800)
    parser.add_argument("--base", default="stdlib", help="'stdlib', 'stdlib-run', or a folder of HTML and text files")
    parser.add_argument("--texts", type=Path, help="folder of <language>.txt files")
    given = parser.parse_args(arguments)
    base: Base | Path = given.base if given.base in get_args(Base) else Path(given.base)
    try:
        truth = plant(given.out, base=base, profile=given.profile, seed=given.seed, rows=given.rows, texts=given.texts)
    except UsageError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    kinds = ", ".join(f"{count} {kind}" for kind, count in truth.kinds().items())
    sys.stdout.write(f"{len(truth.rows)} rows in {truth.corpus}: {kinds}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
