"""Weights that are sharded over workers (FSDP2): who may shard, and how a whole model is gathered again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType
from torch import Tensor
from torch.distributed._functional_collectives import AsyncCollectiveTensor
from torch.distributed.tensor import DTensor


@contextmanager
def processors_count_too(wanted: bool) -> Iterator[None]:
    """Let Accelerate shard over CPU processes while it is set up, if `wanted`.

    It shards only where it sees accelerators; sharding itself (FSDP2 over gloo) does not mind.
    """
    state = PartialState()
    kind = state.distributed_type
    changed = wanted and kind == DistributedType.MULTI_CPU
    if changed:
        state._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    try:
        yield
    finally:
        if changed:
            state._shared_state["distributed_type"] = kind


def gathered(model: Any, *, trainable_only: bool) -> dict[str, Tensor]:
    """The whole weights on the CPU; all workers must call it.

    Args:
        model: The sharded model.
        trainable_only: Leave out frozen weights (the base of an adapter).
    """
    moving = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    every = dict(model.named_parameters(remove_duplicate=False))
    tied = every.keys() - dict(model.named_parameters()).keys()
    whole = {}
    for name, value in model.state_dict().items():
        if name in tied or (trainable_only and name not in moving):
            continue
        full = value.full_tensor() if isinstance(value, DTensor) else value
        if isinstance(full, AsyncCollectiveTensor):
            full = full.wait()
        whole[name] = full.detach().cpu()
    return whole
