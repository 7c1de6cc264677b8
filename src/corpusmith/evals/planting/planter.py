"""The door of the planting package: base text in, a damaged corpus and its truth out."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Literal

from corpusmith.core.errors import ParameterError, SourceError
from corpusmith.evals.planting.assemble import Assembly
from corpusmith.evals.planting.base import folder_rows, language_texts, stdlib_rows
from corpusmith.evals.planting.exam import make_items
from corpusmith.evals.planting.instructions import InstructionAssembly
from corpusmith.evals.planting.profiles import PROFILES, ProfileName
from corpusmith.evals.planting.truth import PlantedTruth
from corpusmith.evals.planting.writer import place, write_corpus, write_items

Base = Literal["stdlib", "stdlib-run"]


def plant(
    out_dir: Path,
    *,
    base: Base | Path = "stdlib",
    profile: str = "demo",
    seed: int = 7,
    rows: int = 2800,
    texts: Path | None = None,
) -> PlantedTruth:
    """Write a damaged corpus, its evaluation set and the truth about every row into `out_dir`.

    The same base text, profile, seed and size give the same bytes.

    Args:
        out_dir: Folder to write into; what an earlier planting left there is replaced.
        base: `stdlib` for the documentation of Python's modules, `stdlib-run` for the half of it that `tiny` is not
            pre-trained on, or a folder of HTML and text files.
        profile: `demo`, `crawl`, `multilingual` or `instructions`.
        seed: Seed of every choice.
        rows: Rows to write, at least 100; a few less come out where too few rows suit an edit.
        texts: Folder of `<language>.txt` files; by default the ones that come with the examples.

    Raises:
        ParameterError: The profile does not exist, or `rows` is too small.
        SourceError: There is too little base text, or `out_dir` holds something that no planting wrote.
    """
    if profile not in list(ProfileName):
        raise ParameterError(f"no profile {profile!r}", hint=f"Give one of: {', '.join(ProfileName)}.")
    if rows < 100:
        raise ParameterError(f"{rows} rows are too few to plant every damage", hint="Ask for at least 100.")
    plan = PROFILES[ProfileName(profile)]
    _make_room(out_dir)
    rng = random.Random(f"{profile}:{seed}")
    clean = folder_rows(base) if isinstance(base, Path) else stdlib_rows(half="run" if base == "stdlib-run" else None)
    languages = language_texts(texts) if "other_language" in plan.shares else {}
    items = make_items(plan.items, rng)
    kind = InstructionAssembly if profile == ProfileName.INSTRUCTIONS else Assembly
    drafts = kind(clean, languages, items, plan, rows, rng).run()
    planted = write_corpus(place(drafts, plan, rng), out_dir / "corpus", rng)
    evals = out_dir / "evals" / "items.jsonl" if items else None
    if evals:
        write_items(items, evals)
    truth = PlantedTruth(profile, seed, out_dir / "corpus", evals, plan.request, planted)
    truth.write(out_dir)
    return truth


def _make_room(out_dir: Path) -> None:
    if (out_dir / "planted.json").is_file():
        for name in ("corpus", "evals"):
            shutil.rmtree(out_dir / name, ignore_errors=True)
    elif out_dir.is_dir() and any(out_dir.iterdir()):
        raise SourceError(f"{out_dir} is not empty and holds no planted corpus", hint="Give a new folder.")
    out_dir.mkdir(parents=True, exist_ok=True)
