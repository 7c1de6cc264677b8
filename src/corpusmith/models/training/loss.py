"""Cross entropy where loss is borne, and only there: the head never sees the other positions.

With a vocabulary of 128k, the logits of 8,192 tokens take 4.2 GB per float32 copy, of which a plain loss makes several.
Here the hidden states of the positions with a target are gathered, and the head runs over them in chunks; the gradient
with respect to the hidden states (and the head's weight, when it moves) is formed in the same pass, so that nothing is
computed twice and no more than one chunk of logits exists at a time. The chunked form follows Liger Kernel (Hsu et al.
2024, arXiv:2410.10989); this one is plain torch.

`bear_loss` teaches a causal model to answer `model(..., shift_labels=...)` or `model(..., labels=...)` with the *sum*
of the losses; the caller divides by the number of targets of the whole accumulated batch. A model whose logits are more
than `head(hidden)` (soft caps, scales) keeps its own forward and full logits.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

IGNORE = -100
CHUNK_ELEMENTS = {"cpu": 1 << 23, "cuda": 1 << 27}
"""Logits that exist at a time, by kind of device."""


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of cross entropies; gradients are formed in the forward pass and scaled in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, rows: int, learn: bool
    ) -> Tensor:
        wants_hidden, wants_weight, wants_bias = (learn and needs for needs in ctx.needs_input_grad[:3])
        grad_hidden = torch.empty_like(hidden) if wants_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if wants_weight else None
        grad_bias = torch.zeros_like(bias, dtype=torch.float32) if wants_bias and bias is not None else None
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, hidden.shape[0], rows):
            part, wanted = hidden[start : start + rows], targets[start : start + rows, None]
            logits = nn.functional.linear(part, weight, bias)
            compute = logits.dtype
            log_probs = torch.log_softmax(logits.float(), dim=-1)
            del logits
            total -= log_probs.gather(1, wanted).sum()
            if not (wants_hidden or wants_weight or wants_bias):
                continue
            slope = log_probs.exp_()
            slope.scatter_add_(1, wanted, slope.new_full(wanted.shape, -1.0))
            if grad_bias is not None:
                grad_bias += slope.sum(0)
            slope = slope.to(compute)
            if grad_hidden is not None:
                grad_hidden[start : start + rows] = slope @ weight.to(compute)
            if grad_weight is not None:
                grad_weight += (slope.t() @ part.to(compute)).float()
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        ctx.dtypes = (weight.dtype, None if bias is None else bias.dtype)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        scale = upstream[0]
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        return (
            None if grad_hidden is None else grad_hidden * scale.to(grad_hidden.dtype),
            None if grad_weight is None else (grad_weight * scale).to(ctx.dtypes[0]),
            None if grad_bias is None else (grad_bias * scale).to(ctx.dtypes[1]),
            None,
            None,
            None,
        )


def summed_loss(hidden: Tensor, head: nn.Linear, targets: Tensor) -> Tensor:
    """Sum of the cross entropies of the positions that have a target, in float32.

    Args:
        hidden: Hidden states before the head, (..., width).
        head: The head.
        targets: Next tokens, (...), `IGNORE` where there is no loss.
    """
    bearing = targets != IGNORE
    picked = hidden[bearing]
    rows = max(1, CHUNK_ELEMENTS.get(hidden.device.type, CHUNK_ELEMENTS["cpu"]) // head.out_features)
    learn = torch.is_grad_enabled()
    # FSDP gathers and reduces in hooks around the head's own forward: no row goes through it, but the hooks run.
    ran = head(picked[:0]) if isinstance(head, FSDPModule) else None
    loss: Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call,unused-ignore]
        picked, head.weight, head.bias, targets[bearing], rows, learn
    )
    return loss if ran is None else loss + ran.float().sum()


def next_targets(labels: Tensor) -> Tensor:
    """Labels moved one to the left: what each position must predict. (rows, length) -> (rows, length)."""
    return nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORE)


def bear_loss(causal: Any) -> bool:
    """Replace the forward of a transformers causal model (not of its PEFT wrapper) by one that returns the summed loss.

    Calls without labels go to the original forward.

    Returns:
        Whether the head runs in chunks; False = full logits, because this model's logits are not `head(hidden)`.
    """
    from transformers.modeling_outputs import CausalLMOutputWithPast

    original = causal.forward
    chunked = head_is_all(causal)

    def forward(
        self: Any, *args: Any, labels: Tensor | None = None, shift_labels: Tensor | None = None, **kwargs: Any
    ) -> Any:
        kwargs.pop("num_items_in_batch", None)
        if shift_labels is None and labels is None:
            return original(*args, **kwargs)
        targets = next_targets(labels) if shift_labels is None and labels is not None else shift_labels
        assert targets is not None
        kwargs["use_cache"] = False
        kwargs.pop("return_dict", None)
        if chunked:
            hidden = self.base_model(*args, **kwargs)[0]
            loss = summed_loss(hidden, self.get_output_embeddings(), targets)
        else:
            logits = original(*args, **kwargs).logits
            loss = nn.functional.cross_entropy(
                logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum"
            )
        return CausalLMOutputWithPast(loss=loss)

    causal.forward = MethodType(forward, causal)
    return chunked


def head_is_all(causal: Any) -> bool:
    """Whether `head(body(x))` is what the model calls logits, seen on four tokens."""
    head, body = causal.get_output_embeddings(), causal.base_model
    if not isinstance(head, nn.Linear) or body is causal:
        return False
    was_training = causal.training
    causal.eval()
    try:
        ids = torch.arange(4, device=head.weight.device)[None] % causal.get_input_embeddings().weight.shape[0]
        with torch.no_grad():
            mine = head(body(input_ids=ids, use_cache=False)[0])
            return torch.equal(mine.float(), causal(input_ids=ids, use_cache=False).logits.float())
    finally:
        causal.train(was_training)
