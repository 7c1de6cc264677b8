"""Attention over examples of varying length in one row, by torch's own kernel: packing on CUDA without flash-attn.

Registered with transformers under the name `VARLEN`. The collator hands over the examples' bounds once per batch, so no
layer builds a mask or waits for the device. `varlen_works` tries the kernel against SDPA once per process, forward and
backward; where it does not run or does not agree, SDPA with block-diagonal masks is used.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
from torch import Tensor, nn

VARLEN = "corpusmith_varlen"


def varlen_attention(
    module: nn.Module,  # noqa: ARG001
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001
    scaling: float | None = None,
    dropout: float = 0.0,
    *,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,  # noqa: ARG001
) -> tuple[Tensor, None]:
    """Attention for transformers' interface.

    Args:
        module: The attention layer.
        query: (1, heads, tokens, head_dim); `key` and `value` may have fewer heads.
        key: See `query`.
        value: See `query`.
        attention_mask: Not used.
        scaling: Factor of the scores.
        dropout: Not supported by the kernel; must be 0.
        cu_seq_lens_q: Bounds of the examples, (examples + 1).
        max_length_q: Longest example. Without bounds (generation, a call of one row), SDPA runs.
        sliding_window: Tokens each token sees back, for models that say so.
        **kwargs: Ignored.

    Returns:
        (1, tokens, heads, head_dim), and no weights.
    """
    groups = query.shape[1] // key.shape[1]
    if cu_seq_lens_q is None or max_length_q is None:
        out = nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=query.shape[2] > 1, scale=scaling, enable_gqa=groups > 1
        )
        return out.transpose(1, 2).contiguous(), None
    if dropout:
        raise ValueError("this attention kernel has no dropout")
    half = value.dtype if value.dtype in (torch.bfloat16, torch.float16) else torch.bfloat16
    q, k, v = (states[0].transpose(0, 1).to(half) for states in (query, key, value))
    if groups > 1:
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    back = -1 if sliding_window is None else sliding_window - 1
    out = _kernel()(q, k, v, cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q, scaling, back)
    return out[None].to(query.dtype), None


@functools.cache
def _kernel() -> Any:
    """The kernel of torch as (q, k, v, bounds q, bounds k, longest q, longest k, scale, tokens back), causal."""
    from torch.nn.attention.varlen import varlen_attn

    known = inspect.signature(varlen_attn).parameters

    def causal(*args: Any) -> Tensor:
        *tensors, scale, back = args
        how: dict[str, Any] = {"window_size": (back, 0)} if "window_size" in known else {"is_causal": True}
        out: Any = varlen_attn(*tensors, scale=scale, **how)
        return out if isinstance(out, Tensor) else out[0]

    return causal


@functools.cache
def varlen_works() -> bool:
    """Whether torch's kernel runs here and agrees with SDPA; registers it with transformers if so."""
    if not torch.cuda.is_available():
        return False
    from transformers import AttentionInterface

    states = torch.Generator("cuda").manual_seed(0)
    q, k, v = (
        torch.randn(1, heads, 24, 64, device="cuda", dtype=torch.bfloat16, generator=states).requires_grad_()
        for heads in (4, 2, 2)
    )
    bounds = torch.tensor([0, 10, 24], dtype=torch.int32, device="cuda")
    try:
        out, _ = varlen_attention(nn.Identity(), q, k, v, None, 0.125, cu_seq_lens_q=bounds, max_length_q=14)
        mine = torch.autograd.grad(out.float().square().sum(), (q, k, v))
    except (RuntimeError, TypeError, ImportError, NotImplementedError):
        return False
    parts = [
        nn.functional.scaled_dot_product_attention(
            q[:, :, a:b], k[:, :, a:b], v[:, :, a:b], is_causal=True, scale=0.125, enable_gqa=True
        )
        for a, b in ((0, 10), (10, 24))
    ]
    wanted = torch.cat(parts, dim=2).transpose(1, 2)
    theirs = torch.autograd.grad(wanted.float().square().sum(), (q, k, v))
    pairs = [(out, wanted), *zip(mine, theirs, strict=True)]
    agrees = all((a.float() - b.float()).norm() <= 0.03 * b.float().norm() for a, b in pairs)
    if agrees:
        AttentionInterface.register(VARLEN, varlen_attention)
    return agrees
