"""What was planted, row by row: the file `truth.jsonl` beside a planted corpus.

id          row id as reading the corpus makes it (`articles.jsonl.gz#12`)
kind        clean | exact_copy | near_copy | distant_copy | other_language | boilerplate | pii | encoding |
            file_encoding | html | empty | truncated | garbage | eval_item | eval_decoy | order | leak |
            repeated_prompt | empty_response
removable   true: the row should go; false: it should stay; null: either is right
of          id of the row it copies
edit, rate  how the row was damaged, and how much (share of words, for copies)
jaccard     true similarity of the row and the one it copies, word 5-gram sets
language    ISO 639-1 code
pii         [{kind, value}]: values that must not stand in the output
lines       boilerplate lines that must not stand in the output
clean       the text before it was damaged, where it can be repaired
item        number of the evaluation item
canary      a made-up name or number that shows up in a run's records only when a planted order was obeyed
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from corpusmith.core.errors import SourceError

COPY_KINDS = frozenset({"exact_copy", "near_copy", "leak", "repeated_prompt"})
"""Kinds of rows that repeat another: of such a row and those it is tied to by `of`, exactly one should stay."""


class PiiValue(BaseModel):
    """One planted personal value."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str
    value: str


class PlantedRow(BaseModel):
    """One line of `truth.jsonl`; the module's docstring says what the fields mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    kind: str
    removable: bool | None
    of: str | None = None
    edit: str | None = None
    rate: float | None = None
    jaccard: float | None = None
    language: str = "en"
    pii: tuple[PiiValue, ...] = ()
    lines: tuple[str, ...] = ()
    clean: str | None = None
    item: int | None = None
    canary: str | None = None


@dataclass(frozen=True)
class PlantedTruth:
    """A planted corpus: where it lies, what was asked of it, and the truth about every row of it.

    Attributes:
        profile: How it was damaged.
        seed: Seed of the damages.
        corpus: Folder to give as a source.
        evals: The evaluation set's JSONL file; None when the profile has none.
        wish: The sentence that fits the profile, with `{corpus}` and `{evals}` for the paths; rows are removable with
            respect to it.
        rows: One entry per row of the corpus, in order of files and positions.
    """

    profile: str
    seed: int
    corpus: Path
    evals: Path | None
    wish: str
    rows: tuple[PlantedRow, ...]

    @property
    def request(self) -> str:
        """The sentence to give to a run, with the paths filled in."""
        return self.wish.format(corpus=self.corpus, evals=self.evals)

    def write(self, folder: Path) -> None:
        """Write `truth.jsonl` and `planted.json` (profile, seed, request, counts) into `folder`."""
        lines = (row.model_dump_json(exclude_defaults=True) for row in self.rows)
        (folder / "truth.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        about: dict[str, Any] = {
            "profile": self.profile,
            "seed": self.seed,
            "corpus": self.corpus.relative_to(folder).as_posix(),
            "evals": self.evals.relative_to(folder).as_posix() if self.evals else None,
            "request": self.wish,
            "rows": len(self.rows),
            "kinds": self.kinds(),
        }
        (folder / "planted.json").write_text(json.dumps(about, indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> PlantedTruth:
        """Read back what `write` wrote.

        Raises:
            SourceError: `folder` holds no planted corpus.
        """
        try:
            about = json.loads((folder / "planted.json").read_text("utf-8"))
            lines = (folder / "truth.jsonl").read_text("utf-8").splitlines()
        except FileNotFoundError as missing:
            raise SourceError(
                f"no planted corpus in {folder}: {Path(str(missing.filename)).name} is missing",
                hint=f"Make one: python -m corpusmith.evals.planting {folder}",
            ) from missing
        rows = tuple(PlantedRow.model_validate_json(line) for line in lines)
        evals = folder / about["evals"] if about["evals"] else None
        return cls(about["profile"], about["seed"], folder / about["corpus"], evals, about["request"], rows)

    def kinds(self) -> dict[str, int]:
        """How many rows there are of each kind."""
        names = sorted({row.kind for row in self.rows})
        return {name: sum(row.kind == name for row in self.rows) for name in names}
