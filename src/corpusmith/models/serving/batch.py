"""A running batch over one model: prompts join, every step gives each row its next logits, rows leave.

Positions are given explicitly and a learned prompt (prompt tuning) is put in front as embeddings, so rows of any length
stand together. A model whose past is no list of keys and values (a state-space model), or for which a batch does not
give what a row alone gives (`fits`), goes another way: each row by itself, from its first token, at every step. Slow
and never wrong.

transformers' own manager of continuous batches (5.23) was looked at first. It takes temperature, top-k and top-p per
request, but neither a seed, penalties, biases, a constraint nor alternatives with their log probabilities, drops
what it does not know with a warning, and its paged attention takes token ids alone, so prompt tuning cannot enter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from transformers.cache_utils import DynamicCache

from corpusmith.models.evaluation.opened import OpenedModel
from corpusmith.models.serving.rows import Rows, padding_mask

Item = TypeVar("Item")
PLAIN_LAYERS = {"full_attention", "sliding_attention"}


class Forward:
    """One forward pass of a model over rows that are flush right."""

    def __init__(self, opened: OpenedModel) -> None:
        model = opened.model
        self.opened, self.device = opened, opened.device
        self.causal: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
        known = inspect.signature(self.causal.forward).parameters
        self._takes_positions = "position_ids" in known
        self._takes_keep = "logits_to_keep" in known

    def __call__(
        self, prompts: Sequence[Sequence[int]], *, cache: Any = None, keep: int | None = 1, hidden: bool = False
    ) -> Any:
        """Logits [rows, keep, vocabulary] of the last `keep` positions (None = all), or hidden states of all.

        Args:
            prompts: Token ids of each row.
            cache: Filled with their keys and values.
            keep: How many positions bear logits.
            hidden: Whether the last hidden states are wanted instead.
        """
        virtual = self.opened.virtual
        size = max(len(prompt) for prompt in prompts)
        ids = torch.full((len(prompts), size), self.opened.form.tokenizer.pad_token_id, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, size - len(prompt) :] = torch.tensor(prompt)
        lengths = torch.tensor([len(prompt) + virtual for prompt in prompts])
        mask = padding_mask(lengths, size + virtual)
        given: dict[str, Any] = {"input_ids": ids.to(self.device)}
        if virtual:
            given = {"inputs_embeds": self._with_prompt(ids.to(self.device), lengths - virtual)}
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        return self._run(given, mask, positions, cache, keep, hidden)

    def read_on(self, ids: Sequence[int], cache: Any) -> Any:
        """Logits [1, vocabulary] after some more tokens of a row that stands alone in `cache`."""
        before = int(cache.get_seq_length())
        mask = torch.ones((1, before + len(ids)), dtype=torch.long)
        given = {"input_ids": torch.tensor([list(ids)]).to(self.device)}
        positions = torch.arange(before, before + len(ids))[None]
        return self._run(given, mask, positions, cache, 1, False)[:, -1]

    def step(self, tokens: Sequence[int], rows: Rows) -> Any:
        """Logits [rows, vocabulary] after one more token of each row."""
        rows.make_room()
        lengths = torch.tensor(rows.lengths)
        mask = padding_mask(lengths + 1, max(rows.lengths) + 1)
        given = {"input_ids": torch.tensor(tokens)[:, None].to(self.device)}
        logits = self._run(given, mask, lengths[:, None], rows.cache, 1, False)[:, -1]
        rows.stepped()
        return logits

    def _run(self, given: dict[str, Any], mask: Any, positions: Any, cache: Any, keep: int | None, hidden: bool) -> Any:
        if self._takes_positions:
            given["position_ids"] = positions.to(self.device)
        if self._takes_keep and (keep is not None or hidden):
            given["logits_to_keep"] = keep or 1
        given |= {"past_key_values": cache} if cache is not None else {}
        out = self.causal(
            **given,
            attention_mask=mask.to(self.device),
            use_cache=cache is not None,
            output_hidden_states=hidden,
            return_dict=True,
        )
        if hidden:
            return out.hidden_states[-1]
        return out.logits if keep is None else out.logits[:, -keep:]

    def _with_prompt(self, ids: Any, lengths: Any) -> Any:
        """Embeddings with the learned prompt directly before each row's first token, padding before both."""
        virtual, size = self.opened.virtual, ids.shape[1]
        said = self.causal.get_input_embeddings()(ids)
        learned = self.opened.model.get_prompt(batch_size=1)[0].to(said.dtype)
        whole = said.new_zeros((len(ids), size + virtual, said.shape[2]))
        whole[:, virtual:] = said
        for row, length in enumerate(lengths.tolist()):
            whole[row, size - length : size - length + virtual] = learned
        return whole


class LongPrompt:
    """A prompt that is read in parts, between the tokens of others."""

    def __init__(self, forward: Forward, ids: Sequence[int]) -> None:
        self.ids, self.cache = list(ids), DynamicCache()
        self._forward, self._read = forward, 0

    def read(self, most: int) -> Any | None:
        """Read up to `most` tokens more; logits [1, vocabulary] of the first token once all are read."""
        part = self.ids[self._read : self._read + most]
        if self._read:
            logits = self._forward.read_on(part, self.cache)
        else:
            logits = self._forward([part], cache=self.cache)[:, -1]
        self._read += len(part)
        return logits if self._read == len(self.ids) else None


class Batch:
    """Rows that are being answered.

    Attributes:
        pooled: Whether the rows share a forward pass.
    """

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.pooled = fits(forward)
        self._rows = Rows()
        self._seen: list[list[int]] = []

    def __len__(self) -> int:
        return len(self._seen)

    def join(self, prompts: Sequence[Sequence[int]]) -> Any:
        """Take rows in behind those that are there; logits [new rows, vocabulary] of their first tokens.

        They are padded to the longest, so it is best to give neighbours of `alike`.
        """
        if self.pooled:
            logits, filled = self._read(prompts)
            self._rows.join(filled, [len(prompt) + self.forward.opened.virtual for prompt in prompts])
        else:
            logits = self._each(prompts)
        self._seen += [list(prompt) for prompt in prompts]
        return logits

    def take(self, prompt: LongPrompt) -> None:
        """Take in a row whose prompt has been read in parts."""
        self._rows.join(prompt.cache, [len(prompt.ids) + self.forward.opened.virtual])
        self._seen.append(prompt.ids)

    def _read(self, prompts: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        """Logits of the first tokens [rows, vocabulary], and the keys and values of the prompts."""
        unique = {tuple(prompt): n for n, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
        filled: Any = DynamicCache()
        logits = self.forward(list(unique), cache=filled)[:, -1]
        if len(unique) < len(prompts):  # several answers to one prompt
            which = torch.tensor([unique[tuple(prompt)] for prompt in prompts])
            filled.batch_select_indices(which.to(self.forward.device))
            logits = logits[which.to(logits.device)]
        return logits, filled

    def step(self, tokens: Sequence[int]) -> Any:
        """Logits [rows, vocabulary] after one more token of each row, in the order of the rows."""
        for seen, token in zip(self._seen, tokens, strict=True):
            seen.append(token)
        return self.forward.step(tokens, self._rows) if self.pooled else self._each(self._seen)

    def leave(self, at: int) -> None:
        """Let row `at` go; the last row takes its place."""
        last = self._seen.pop()
        if at < len(self._seen):
            self._seen[at] = last
        if self.pooled:
            self._rows.leave(at)

    def clear(self) -> None:
        """Let all rows go."""
        self._rows, self._seen = Rows(), []

    def _each(self, prompts: Sequence[Sequence[int]]) -> Any:
        return torch.cat([self.forward([prompt])[:, -1] for prompt in prompts])


def alike(prompts: Sequence[Item], size: Callable[[Item], int]) -> list[list[Item]]:
    """Runs of neighbours whose sizes are so alike that padding costs less than reading them one after the other.

    On a CPU, 8 prompts of 13 to 66 tokens take 450 ms of processor time padded to the longest, 350 ms in three runs.
    """
    runs: list[list[Item]] = []
    for prompt in prompts:
        sizes = [size(other) for other in (*runs[-1], prompt)] if runs else []
        if sizes and max(sizes) <= 1.25 * min(sizes) + 8:
            runs[-1].append(prompt)
        else:
            runs.append([prompt])
    return runs


def fits(forward: Forward) -> bool:
    """Whether rows may share a forward pass and prompts be read in parts: tried on two prompts, beside each alone."""
    config = forward.causal.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    if getattr(forward.causal, "_is_stateful", False) or not kinds <= PLAIN_LAYERS:
        return False
    size = len(forward.opened.form.tokenizer)
    first, second = [(7 * n + 3) % size for n in range(5)], [(5 * n + 1) % size for n in range(2)]
    rows, filled, in_parts = Rows(), DynamicCache(), LongPrompt(forward, first)
    with torch.inference_mode():
        while in_parts.read(2) is None:
            pass
        rows.join(in_parts.cache, [len(first) + forward.opened.virtual])
        forward([second], cache=filled)
        rows.join(filled, [len(second) + forward.opened.virtual])
        together = forward.step([first[0], second[0]], rows).float()
        alone = torch.cat([forward([[*ids, ids[0]]])[:, -1] for ids in (first, second)]).float()
    slack = 0.02 if next(forward.causal.parameters()).dtype == torch.float32 else 0.25  # a wrong position is off by 1
    return bool((together - alone).abs().max() <= slack * alone.std() + 1e-4)
