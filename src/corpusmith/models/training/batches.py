"""Prepared rows as batches: padding, flattening, targets that never cross from one packed example into the next.

A batch of `sft` and `pretrain` holds

    input_ids, position_ids   (rows, length); padding has position 0, so that each pad is an example of its own
    shift_labels              (rows, length); the token to predict, -100 = none: also at the last token of each example
    real                      (rows, length) bool; False = padding

No attention mask is given: transformers keeps examples apart where `position_ids` restart (block-diagonal masks for
SDPA and eager attention). For kernels that take examples of varying length (`flat`), rows are laid end to end into one
of 1 x T, with the examples' bounds beside it.

Prompt tuning puts virtual tokens before each row, so positions are not ours to give: `input_ids`, `attention_mask` and
`labels`, one example a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from corpusmith.core.errors import PreconditionError
from corpusmith.models.training.loss import IGNORE

Batch = dict[str, Any]


@dataclass(frozen=True)
class RowCollator:
    """Prepared rows to a batch.

    Attributes:
        pad: Token id for padding.
        flat: Lay rows end to end.
        plain: No positions, an attention mask instead (prompt tuning).
    """

    pad: int
    flat: bool = False
    plain: bool = False

    def __call__(self, rows: Sequence[dict[str, Any]]) -> Batch:
        """Build the batch."""
        ids = [np.asarray(row["input_ids"], dtype=np.int64) for row in rows]
        positions = [np.asarray(row["position_ids"], dtype=np.int64) for row in rows]
        labels = [np.asarray(row["labels"], dtype=np.int64) for row in rows]
        targets = [_targets(label, position) for label, position in zip(labels, positions, strict=True)]
        if self.plain:
            if any(np.count_nonzero(position == 0) > 1 for position in positions):
                raise PreconditionError(
                    "prompt tuning takes one example a row, but rows are packed", hint="set packing to false"
                )
            return {
                "input_ids": _padded(ids, self.pad),
                "attention_mask": _padded([np.ones_like(row) for row in ids], 0),
                "labels": _padded(labels, IGNORE),
            }
        if self.flat:
            return _flattened(np.concatenate(ids), np.concatenate(positions), np.concatenate(targets))
        return {
            "input_ids": _padded(ids, self.pad),
            "position_ids": _padded(positions, 0),
            "shift_labels": _padded(targets, IGNORE),
            "real": _padded([np.ones_like(row) for row in ids], 0).bool(),
        }


def _targets(labels: np.ndarray[Any, Any], positions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What each position must predict; nothing where the next token opens another example."""
    ahead = np.append(labels[1:], IGNORE)
    ahead[np.append(positions[1:], 0) == 0] = IGNORE
    return ahead


def _padded(rows: Sequence[np.ndarray[Any, Any]], value: int) -> Tensor:
    out = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for line, row in zip(out, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(out)


def _flattened(ids: np.ndarray[Any, Any], positions: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> Batch:
    bounds = np.append(np.flatnonzero(positions == 0), len(ids)).astype(np.int32)
    longest = int(np.diff(bounds).max())
    cuts = torch.from_numpy(bounds)
    return {
        "input_ids": torch.from_numpy(ids)[None],
        "position_ids": torch.from_numpy(positions)[None],
        "shift_labels": torch.from_numpy(targets)[None],
        "real": torch.ones(1, len(ids), dtype=torch.bool),
        "cu_seq_lens_q": cuts,
        "cu_seq_lens_k": cuts.clone(),
        "max_length_q": longest,
        "max_length_k": longest,
    }


def counted(batch: Batch) -> tuple[Tensor, Tensor]:
    """Tokens that bear loss, and tokens that are not padding."""
    if "completion_mask" in batch:
        return batch["completion_mask"].sum(), batch["attention_mask"].sum()
    if "shift_labels" in batch:
        return (batch["shift_labels"] != IGNORE).sum(), batch["real"].sum()
    return (batch["labels"] != IGNORE).sum(), batch["attention_mask"].sum()  # the virtual tokens predict the first


def divisible(batch: Batch) -> int:
    """Into how many parts `split` can divide it at most: rows, pairs (DPO), or examples (flat)."""
    if "cu_seq_lens_q" in batch:
        return len(batch["cu_seq_lens_q"]) - 1
    rows = len(batch["input_ids"])
    return rows // 2 if "completion_mask" in batch else rows


def split(batch: Batch, parts: int) -> list[Batch]:
    """Divide a batch into about equal parts, at most `divisible(batch)` of them."""
    if parts <= 1:
        return [batch]
    if "cu_seq_lens_q" in batch:
        return _split_flat(batch, parts)
    if "completion_mask" in batch:  # chosen rows first, then the rejected ones in the same order
        halves = {name: value.chunk(2) for name, value in batch.items()}
        pairs = range(len(batch["input_ids"]) // 2)
        groups = torch.tensor(pairs).chunk(parts)
        return [{name: torch.cat([a[group], b[group]]) for name, (a, b) in halves.items()} for group in groups]
    cut = {name: value.chunk(parts) for name, value in batch.items()}
    return [{name: pieces[i] for name, pieces in cut.items()} for i in range(len(cut["input_ids"]))]


def _split_flat(batch: Batch, parts: int) -> list[Batch]:
    bounds = batch["cu_seq_lens_q"].tolist()
    device = batch["input_ids"].device
    found = []
    for group in torch.arange(len(bounds) - 1).chunk(parts):
        start, end = bounds[int(group[0])], bounds[int(group[-1]) + 1]
        names = ("input_ids", "position_ids", "shift_labels")
        piece = _flattened(*(batch[name][0, start:end].cpu().numpy() for name in names))
        found.append({name: value.to(device) if isinstance(value, Tensor) else value for name, value in piece.items()})
    return found
