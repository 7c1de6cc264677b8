"""Packed examples do not see each other, nor predict each other."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from corpusmith.core.errors import PreconditionError
from corpusmith.models.training import varlen
from corpusmith.models.training.batches import RowCollator, counted, divisible, split
from corpusmith.models.training.loss import IGNORE, bear_loss

LENGTHS = ((7, 12, 5), (9,), (4, 4))


def rows_of(lengths: tuple[tuple[int, ...], ...] = LENGTHS) -> tuple[list[dict[str, Any]], list[list[int]]]:
    rng = random.Random(3)
    rows, examples = [], []
    for row in lengths:
        own = [[rng.randrange(5, 300) for _ in range(length)] for length in row]
        examples += own
        ids = [token for ids in own for token in ids]
        rows.append({"input_ids": ids, "labels": ids, "position_ids": [p for ids in own for p in range(len(ids))]})
    return rows, examples


def logits_alone(model: Any, examples: list[list[int]]) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(input_ids=torch.tensor([ids])).logits[0] for ids in examples])


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_rows_in_a_padded_batch_are_the_examples_alone(tiny_folder: Path, attention: str) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder, attn_implementation=attention).eval()
    rows, examples = rows_of()
    batch = RowCollator(pad=0)(rows)
    with torch.no_grad():
        said = {"input_ids": batch["input_ids"], "position_ids": batch["position_ids"]}
        got = model(**said, use_cache=False).logits[batch["real"]]  # with a cache, transformers looks for no examples
        naive = model(input_ids=batch["input_ids"]).logits[batch["real"]]
    wanted = logits_alone(model, examples)
    assert (got - wanted).abs().max() < 1e-5
    assert (naive - wanted).abs().max() > 1e-2


@pytest.mark.parametrize("use_cache", [False, True])
def test_the_loss_of_a_packed_batch_is_the_sum_of_the_examples_alone(tiny_folder: Path, use_cache: bool) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder)
    model.config.use_cache = use_cache
    bear_loss(model)
    rows, examples = rows_of()
    batch = RowCollator(pad=0)(rows)
    got = model(**{name: value for name, value in batch.items() if name != "real"}).loss
    wanted = sum(model(input_ids=torch.tensor([ids]), labels=torch.tensor([ids])).loss for ids in examples)
    torch.testing.assert_close(got, wanted)


def test_the_kernel_for_varying_lengths_gets_what_it_needs(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_loop(q: Tensor, k: Tensor, v: Tensor, cuts: Tensor, _k: Tensor, longest: int, *rest: Any) -> Tensor:
        bounds = cuts.tolist()
        assert longest == max(b - a for a, b in pairwise(bounds))
        parts = [
            nn.functional.scaled_dot_product_attention(
                *(states[a:b].transpose(0, 1).float() for states in (q, k, v)), is_causal=True, scale=rest[1]
            )
            for a, b in pairwise(bounds)
        ]
        return torch.cat(parts, dim=1).transpose(0, 1)

    monkeypatch.setattr(varlen, "_kernel", lambda: by_loop)
    transformers.AttentionInterface.register(varlen.VARLEN, varlen.varlen_attention)
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder, attn_implementation=varlen.VARLEN).eval()
    rows, examples = rows_of()
    batch = RowCollator(pad=0, flat=True)(rows)
    assert batch["input_ids"].shape == (1, sum(map(sum, LENGTHS)))
    given = {name: value for name, value in batch.items() if name not in ("real", "shift_labels")}
    with torch.no_grad():
        got = model(**given).logits[0]
    # the kernel works in half precision: the wrapper rounds queries, keys and values
    assert (got - logits_alone(model, examples)).abs().max() < 2e-2


@pytest.mark.parametrize("flat", [False, True])
def test_no_target_crosses_into_the_next_example(flat: bool) -> None:
    rows, examples = rows_of()
    batch = RowCollator(pad=0, flat=flat)(rows)
    assert batch["shift_labels"][batch["real"]].tolist() == [t for ids in examples for t in [*ids[1:], IGNORE]]
    bearing, real = counted(batch)
    assert (int(bearing), int(real)) == (sum(map(sum, LENGTHS)) - 6, sum(map(sum, LENGTHS)))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_split_batch_holds_the_same(flat: bool, parts: int) -> None:
    batch = RowCollator(pad=0, flat=flat)(rows_of()[0])
    pieces = split(batch, parts)
    assert len(pieces) == parts
    assert sum(int(counted(piece)[0]) for piece in pieces) == int(counted(batch)[0])
    ids = torch.cat([piece["input_ids"][piece["real"]] for piece in pieces])
    assert torch.equal(ids, batch["input_ids"][batch["real"]])


def test_pairs_stay_pairs() -> None:
    ids = torch.arange(10)[:, None]
    batch = {"input_ids": ids, "attention_mask": torch.ones(10, 1), "completion_mask": torch.ones(10, 1)}
    pieces = split(batch, 2)
    assert [piece["input_ids"].flatten().tolist() for piece in pieces] == [[0, 1, 2, 5, 6, 7], [3, 4, 8, 9]]
    assert [divisible(piece) for piece in pieces] == [3, 2]


def test_prompt_tuning_takes_one_example_a_row() -> None:
    collate = RowCollator(pad=0, plain=True)
    with pytest.raises(PreconditionError, match="packed"):
        collate(rows_of()[0])
    batch = collate(rows_of(((5,), (3,)))[0])
    assert batch["attention_mask"].tolist() == [[1] * 5, [1] * 3 + [0] * 2]
    assert batch["labels"][1, 3:].tolist() == [IGNORE] * 2
