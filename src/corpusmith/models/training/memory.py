"""Memory of the device that trains, and what is said when it runs out."""

from __future__ import annotations

import gc
import resource
import sys

import torch

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)


def peak_memory_bytes() -> int:
    """Most memory held so far: allocated on the GPU, else resident in this process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def release() -> None:
    """Give back what a failed pass left behind."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
