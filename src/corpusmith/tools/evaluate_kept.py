"""Contestants that are measured lie in the step's staging folder until it is done: a killed step goes on with the next,
and what a provider answered is not paid for twice.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from typing import Any, Literal

import numpy as np

from corpusmith.core.tools import Writer
from corpusmith.models.evaluation.generation import Answers
from corpusmith.models.evaluation.likelihood import Likelihood
from corpusmith.store.files import write_atomic

Role = Literal["candidate", "base", "few_shot", "champion"]
FOLDER = "contestants"


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One model on the rows.

    Attributes:
        role: What it is here.
        name: How people call it.
        digest: Of its weights.
        parameters: All of them; None where nobody knows.
        context: Most tokens of a sequence as it was measured; None at a provider.
        context_length: Most tokens it was made for, where its manifest says.
        likelihood: Of the references or documents; None at a provider.
        answers: To the rows that were asked; None for documents.
        rejected: Likelihood of the rejected answers, where the rows are preference pairs.
        general: Likelihood of the general rows, where there are any.
        shots: Examples in each prompt.
    """

    role: Role
    name: str
    digest: str
    parameters: int | None
    context: int | None
    context_length: int | None
    likelihood: Likelihood | None
    answers: Answers | None = None
    rejected: Likelihood | None = None
    general: Likelihood | None = None
    shots: int = 0

    @property
    def refused(self) -> dict[str, str]:
        """Rows that it could not read, and why."""
        answers = {} if self.answers is None else self.answers.refused
        scored = [one.refused for one in (self.likelihood, self.rejected) if one is not None]
        return {row: why for refused in (answers, *scored) for row, why in refused.items()}


def keep(writer: Writer, contestant: Contestant) -> Contestant:
    """Write it down, whole or not at all; numbers come back to the last bit, NaN too."""
    path = writer.path(f"{FOLDER}/{contestant.role}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(dataclasses.asdict(contestant), default=_plain).encode())
    return contestant


def kept(writer: Writer, role: Role) -> Contestant | None:
    """The one that an earlier attempt at this step wrote down; None where there is none."""
    path = writer.path(f"{FOLDER}/{role}.json")
    if not path.is_file():
        return None
    said: dict[str, Any] = json.loads(path.read_bytes())
    for name in ("likelihood", "rejected", "general"):
        said[name] = None if said[name] is None else _likelihood(said[name])
    if said["answers"] is not None:
        columns = {name: tuple(said["answers"][name]) for name in ("row_ids", "texts", "tokens", "ended")}
        said["answers"] = Answers(**{**said["answers"], **columns})
    return Contestant(**said)


def forget(writer: Writer) -> None:
    """Take all of them away; the step's own files hold what they said."""
    shutil.rmtree(writer.path(FOLDER), ignore_errors=True)


_TYPES = {"nll": np.float64, "opening": np.float64, "tokens": np.int64, "size_bytes": np.int64, "scored": np.bool_}


def _likelihood(said: dict[str, Any]) -> Likelihood:
    arrays: dict[str, Any] = {name: np.array(said[name], kind) for name, kind in _TYPES.items()}
    return Likelihood(**{**said, **arrays, "row_ids": tuple(said["row_ids"])})


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} in a contestant")
