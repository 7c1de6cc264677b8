"""A dataset's rows as the files that a training reads.

    rows -> examples, uncut (`examples`) -> one length for all (`seqlen`) -> cut to it -> packed (`packing`) -> Parquet

Uncut examples are held in memory, at 5 bytes a token, until the length is chosen. What is left out is told by row and
rule. The folder holds `prepared.json` once everything is there: a training that goes on reads it and encodes nothing.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.errors import PreconditionError
from corpusmith.core.tools import Cancel
from corpusmith.models.chat_format import ChatFormat, Encoded
from corpusmith.models.examples import (
    Example,
    Pair,
    Tally,
    encode_chats,
    encode_documents,
    encode_pairs,
    fit,
    fit_pair,
    windows,
)
from corpusmith.models.packing import pack, shuffled, singles
from corpusmith.models.prepared import write_packed, write_pairs
from corpusmith.models.seqlen import LEAST, LengthAnalysis, analyse_lengths

MARKER = "prepared.json"
TRAIN_FILE, HOLDOUT_FILE = "train.parquet", "holdout.parquet"
LONGEST, LONGEST_WINDOW = 4096, 2048
"""Longest sequence that the analysis chooses by itself: of conversations and pairs; of documents (nothing is lost)."""

Uncut = tuple[str, Encoded] | Example | Pair


@dataclass(frozen=True)
class Rows:
    """Rows of one kind, read once.

    Attributes:
        kind: chats (row id, turns), documents (row id, text) or pairs (row id, prompt, chosen, rejected).
        rows: The rows.
        system: Pairs: the system turn that opens every prompt. Chats bring theirs among the turns.
    """

    kind: Literal["chats", "documents", "pairs"]
    rows: Iterable[Any]
    system: str | None = None

    def encoded(self, form: ChatFormat, tally: Tally) -> Iterator[Uncut]:
        """The rows as uncut examples."""
        if self.kind == "chats":
            for row_id, found in encode_chats(self.rows, form, tally):
                yield row_id, replace(found, ids=array("i", found.ids), loss=array("b", found.loss))
        elif self.kind == "documents":
            yield from encode_documents(self.rows, form, tally)
        else:
            yield from encode_pairs(self.rows, form, tally, self.system)


@dataclass(frozen=True)
class Fitting:
    """How examples become rows of one length.

    Attributes:
        sequence_length: Tokens; None = by the analysis.
        context: Most tokens the model takes; None = not known.
        packing: Several examples a row.
        seed: Of the order.
    """

    sequence_length: int | None = None
    context: int | None = None
    packing: bool = True
    seed: int = 0


class Prepared(BaseModel):
    """What was prepared."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sequence_length: int
    lengths: LengthAnalysis
    examples: int = Field(description="after cutting; a long document gives several")
    rows: int = Field(description="prepared rows, several examples in each when packed")
    holdout_examples: int = 0
    dropped: dict[str, int] = Field(description="rows left out, by rule")
    reasons: dict[str, str] = Field(description="the first reason that the chat template gave, by rule")
    truncated_prompts: int
    truncated_responses: int
    gone: tuple[tuple[str, str], ...] = Field(description="(row id, rule) of each row left out")


def prepare(
    train: Sequence[Rows],
    holdout: Rows | None,
    form: ChatFormat,
    folder: Path,
    fitting: Fitting,
    *,
    emit: Callable[[str], None] = lambda _: None,
    cancel: Cancel | None = None,
) -> Prepared:
    """Write `folder`/train.parquet and, when there are such rows, holdout.parquet.

    Args:
        train: What is trained on; all pairs, or none.
        holdout: What the loss is measured on.
        form: The tokenizer with its template.
        folder: Where to write; made, and taken as it is when it is complete.
        fitting: Length and packing.
        emit: Takes the length analysis as lines of text.
        cancel: Asked now and then.

    Raises:
        PreconditionError: No example is left, or the template loses a system turn.
    """
    marker = folder / MARKER
    if marker.is_file():
        return Prepared.model_validate_json(marker.read_bytes())
    folder.mkdir(parents=True, exist_ok=True)
    tally, aside = Tally(), Tally()
    uncut = [one for rows in train for one in _watched(rows.encoded(form, tally), cancel)]
    if not uncut:
        why = ", ".join(f"{rule} {count}" for rule, count in tally.dropped.items()) or "there was none"
        said = "".join(f"; {rule}: {reason}" for rule, reason in tally.reasons.items())
        raise PreconditionError(
            f"no example is left of {tally.rows} rows ({why}{said})", hint="Look at the responses of the data."
        )
    documents = all(rows.kind == "documents" for rows in train)
    limit = LONGEST_WINDOW if documents else LONGEST
    analysis = analyse_lengths(
        [_length(one) for one in uncut], min(fitting.context or limit, limit), fitting.packing, fitting.seed
    )
    length = fitting.sequence_length or max(LEAST, analysis.recommended)
    emit(
        f"sequence length {length}; {analysis.examples:,} examples of {analysis.tokens:,} tokens uncut\n"
        + analysis.table()
    )
    fitting = replace(fitting, sequence_length=length)
    examples, rows_written = _write(uncut, folder / TRAIN_FILE, fitting, tally)
    if not examples:
        raise PreconditionError(
            f"no example is left at sequence length {length}", hint="Give a longer sequence_length."
        )
    held = [] if holdout is None else list(_watched(holdout.encoded(form, aside), cancel))
    held_examples = _write(held, folder / HOLDOUT_FILE, fitting, aside)[0] if held else 0
    if held and not held_examples:
        (folder / HOLDOUT_FILE).unlink()
    done = Prepared(
        sequence_length=length,
        lengths=analysis,
        examples=examples,
        rows=rows_written,
        holdout_examples=held_examples,
        dropped=dict(tally.dropped),
        reasons=tally.reasons,
        truncated_prompts=tally.truncated_prompts,
        truncated_responses=tally.truncated_responses,
        gone=tuple(tally.gone),
    )
    marker.with_suffix(".part").write_text(done.model_dump_json(), "utf-8")
    marker.with_suffix(".part").replace(marker)
    return done


def _watched(items: Iterator[Uncut], cancel: Cancel | None) -> Iterator[Uncut]:
    for number, item in enumerate(items):
        if cancel is not None and number % 256 == 0:
            cancel.check()
        yield item


def _length(one: Uncut) -> int:
    if isinstance(one, Pair):
        return len(one)
    return len(one.ids if isinstance(one, Example) else one[1].ids)


def _write(uncut: Sequence[Uncut], path: Path, fitting: Fitting, tally: Tally) -> tuple[int, int]:
    """Cut, pack and write; returns the number of examples and of rows."""
    length = fitting.sequence_length or 0
    examples: list[Example] = []
    pairs: list[Pair] = []
    for one in uncut:
        if isinstance(one, Pair):
            pairs += [fitted for fitted in (fit_pair(one, length, tally),) if fitted is not None]
        elif isinstance(one, Example):
            examples += windows(one, length)
        else:
            examples.append(fit(*one, length, tally))
    if pairs:
        order = [row[0] for row in shuffled(singles(len(pairs)), fitting.seed)]
        write_pairs(path, [pairs[at] for at in order])
        return len(pairs), len(pairs)
    sizes = [len(example.ids) for example in examples]
    rows = shuffled(pack(sizes, length) if fitting.packing else singles(len(sizes)), fitting.seed)
    write_packed(path, examples, rows)
    return len(examples), len(rows)
