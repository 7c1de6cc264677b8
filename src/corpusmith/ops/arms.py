"""What an ablation compares on and trains on: a holdout that neither arm has seen, and the rows of the two arms.

**The holdout.** Given as a dataset, its rows are taken as they are. Else it is drawn, and each choice measures
something of its own:

- *All rows that curation held out* would favour the curated arm by form: where curation lower-cased, masked or cut
  lines, so would the holdout be, and a model that learned the habit wins without knowing more.
- *Rows that curation left untouched* (`untouched`, the default): rows of the curated data whose text stands in the raw
  data, character for character, under the same row id. They speak in the form that both arms saw. What remains is that
  curation chose them: the gain is in text of the kind that was asked for, not in any text. Those outside `train` are
  taken first; while they are fewer than wanted, rows of `train` are (at most a fifth of its untouched ones), which both
  arms then do without.
- Where nearly every row was rewritten, the rows outside `train` as curated (`rewritten`): the bias of form is in the
  figure, and the report says so.
- Text of another origin (the bundled documents, for one) is free of both biases, but asks for another kind of text than
  the data is for; to use it, or any set of one's own, give it as the holdout.

**The arms.** The curated arm is its rows of `train` (all rows, when there is no split), the raw arm the raw rows. Both
leave out what descends from a source row that was held out, measured or not, and every row that holds a passage of the
holdout: a paragraph of 8 words or more, or a piece of a longer one, also edited (`ops.contamination`, `ops.passages`).
What a copy of the holdout in the raw data would teach is no merit of the raw data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.core.errors import PreconditionError
from corpusmith.core.ids import root_row_id
from corpusmith.core.rows import ROW_ID, TEXT
from corpusmith.core.tools import Cancel, Dataset, Engine
from corpusmith.ops.contamination import find_contamination
from corpusmith.ops.passages import Passages
from corpusmith.ops.sampling_fields import row_keys

SPLIT, TRAIN = "split", "train"
FOUND = 0.8
"""Share of a passage, weighted by how telling its words are, that makes a row one that holds it."""
FEWEST = 10
"""Documents that a holdout needs."""
FROM_TRAIN = 0.2

Origin = Literal["given", "untouched", "rewritten"]


@dataclass(frozen=True)
class Documents:
    """Rows by id, with their text."""

    row_ids: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Holdout(Documents):
    """What is measured on.

    Attributes:
        origin: How it was come by; see the module's text.
        from_train: How many of its rows curation had put into `train`.
    """

    origin: Origin = "given"
    from_train: int = 0


@dataclass(frozen=True)
class Arm(Documents):
    """What one arm trains on.

    Attributes:
        rows: Rows that may be trained on; `texts` are a draw of them when they are many.
        left_out: Rows that may not, by reason: `blank`, `held_out`, `holds_holdout`.
    """

    rows: int = 0
    left_out: dict[str, int] = field(default_factory=dict)


def take_holdout(given: Dataset, most: int, seed: int) -> Holdout:
    """Documents of a holdout that was given, at most `most` of them.

    Raises:
        PreconditionError: It holds too few.
    """
    rows = _rows(given, seed)
    return _enough(Holdout(*_documents(given, _draw(rows.keys, ~rows.blank, most))))


def draw_holdout(raw: Dataset, curated: Dataset, most: int, seed: int, cancel: Cancel) -> Holdout:
    """Documents out of the curated data, at most `most` of them.

    Raises:
        PreconditionError: There are too few.
    """
    rows = _rows(curated, seed)
    train, other = rows.train & ~rows.blank, ~rows.train & ~rows.blank
    looked_at = np.union1d(_draw(rows.keys, other, 10 * most), _draw(rows.keys, train, 10 * most))
    row_ids, texts = _documents(curated, looked_at)
    same = _untouched(raw, dict(zip(row_ids, texts, strict=True)), cancel)
    untouched = np.zeros(rows.keys.size, bool)
    untouched[looked_at] = [row_id in same for row_id in row_ids]
    outside = _draw(rows.keys, untouched & other, most)
    room = min(most - outside.size, int(FROM_TRAIN * (untouched & train).sum()))
    inside = _draw(rows.keys, untouched & train, room)
    if outside.size + inside.size >= FEWEST:
        return Holdout(*_documents(curated, np.union1d(outside, inside)), "untouched", inside.size)
    outside = _draw(rows.keys, other, most)
    if outside.size < FEWEST:
        outside = _draw(rows.keys, ~rows.blank, min(most, int(FROM_TRAIN * (~rows.blank).sum())))
    return _enough(Holdout(*_documents(curated, outside), "rewritten", int(rows.train[outside].sum())))


def held_out_roots(curated: Dataset, holdout: Holdout) -> frozenset[str]:
    """Ids of the source rows that neither arm may descend from: of the holdout, and of all rows outside `train`."""
    measured = holdout.row_ids if holdout.origin != "given" else ()
    roots = {root_row_id(row_id) for row_id in measured}
    for row_ids, _, train in _batches(curated):
        roots |= {root_row_id(row_id) for row_id, here in zip(row_ids, train, strict=True) if not here}
    return frozenset(roots)


def draw_arm(
    data: Dataset,
    holdout: Holdout,
    held_out: frozenset[str],
    engine: Engine,
    *,
    most_bytes: int,
    seed: int,
    cancel: Cancel,
) -> Arm:
    """The documents one arm may train on, in row order; a seeded draw of about `most_bytes` when they are more.

    Raises:
        PreconditionError: Nothing is left to train on.
    """
    passages = Passages.of(holdout.row_ids, holdout.texts)
    found = find_contamination(data, [passages], engine, threshold=FOUND, cancel=cancel)
    rows = _rows(data, seed, held_out)
    held = ~rows.blank & (rows.descends | ~rows.train)
    holds = ~rows.blank & ~held & (found.item >= 0)
    fit = ~(rows.blank | held | holds)
    if not fit.any():
        raise PreconditionError(
            f"no row of {data.id} is left to train on: all are blank, held out or hold a part of the holdout",
            hint="Give more data, or a holdout of another origin.",
        )
    order = np.flatnonzero(fit)
    order = order[np.argsort(rows.keys[order], kind="stable")]
    enough = int(np.searchsorted(np.cumsum(rows.size_bytes[order]), most_bytes)) + 1
    counts = {"blank": int(rows.blank.sum()), "held_out": int(held.sum()), "holds_holdout": int(holds.sum())}
    return Arm(*_documents(data, np.sort(order[:enough])), int(fit.sum()), counts)


@dataclass(frozen=True)
class _Rows:
    """Of each row a seeded key, the bytes of its text, and whether it is for training and descends from a given row."""

    keys: npt.NDArray[np.uint64]
    size_bytes: npt.NDArray[np.int64]
    train: npt.NDArray[np.bool_]
    descends: npt.NDArray[np.bool_]

    @property
    def blank(self) -> npt.NDArray[np.bool_]:
        empty: npt.NDArray[np.bool_] = self.size_bytes == 0
        return empty


def _rows(data: Dataset, seed: int, roots: frozenset[str] = frozenset()) -> _Rows:
    keys, sizes = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    train, descends = [np.zeros(0, bool)], [np.zeros(0, bool)]
    for row_ids, texts, here in _batches(data):
        keys.append(row_keys(pa.array(row_ids, pa.large_string()), seed, "ablate"))
        sizes.append(np.array([len((text or "").strip().encode()) for text in texts], np.int64))
        train.append(np.array(here, bool))
        descends.append(np.array([root_row_id(row_id) in roots for row_id in row_ids], bool))
    return _Rows(np.concatenate(keys), np.concatenate(sizes), np.concatenate(train), np.concatenate(descends))


def _batches(data: Dataset) -> Iterator[tuple[list[str], list[str | None], list[bool]]]:
    """Row ids, texts, and which rows are for training: all when there is no split."""
    split = [SPLIT] if SPLIT in data.schema.names else []
    for batch in data.batches([ROW_ID, TEXT, *split]):
        train = [name == TRAIN for name in batch.column(SPLIT).to_pylist()] if split else [True] * batch.num_rows
        yield batch.column(ROW_ID).to_pylist(), batch.column(TEXT).to_pylist(), train


def _draw(keys: npt.NDArray[np.uint64], among: npt.NDArray[np.bool_], most: int) -> npt.NDArray[np.int64]:
    """Ascending places of the `most` rows that have the smallest keys."""
    places = np.flatnonzero(among)
    return np.sort(places[np.argsort(keys[places], kind="stable")[: max(0, most)]])


def _documents(data: Dataset, places: npt.NDArray[np.int64]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Row ids and texts at ascending `places`."""
    found_ids, found_texts, start = list[str](), list[str](), 0
    for row_ids, texts, _ in _batches(data):
        here = places[(places >= start) & (places < start + len(row_ids))] - start
        start += len(row_ids)
        found_ids += [row_ids[place] for place in here.tolist()]
        found_texts += [texts[place] or "" for place in here.tolist()]
    return tuple(found_ids), tuple(found_texts)


def _untouched(raw: Dataset, texts: dict[str, str], cancel: Cancel) -> set[str]:
    """Ids of the rows whose text is the raw row's of the same id."""
    same = set[str]()
    for row_ids, raw_texts, _ in _batches(raw):
        cancel.check()
        same.update(row_id for row_id, text in zip(row_ids, raw_texts, strict=True) if texts.get(row_id) == text)
    return same


def _enough(holdout: Holdout) -> Holdout:
    if len(holdout.texts) < FEWEST:
        raise PreconditionError(
            f"the holdout has {len(holdout.texts)} documents, and {FEWEST} are the fewest to compare on",
            hint="Give a holdout, or hold out more rows of the curated data.",
        )
    return holdout
