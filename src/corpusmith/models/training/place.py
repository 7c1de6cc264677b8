"""Where a training runs. Never part of a step's identity; filled by the composition root as the service `place`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Place(BaseModel):
    """The means at hand. `auto` = in this process when one worker is enough, else Ray Train."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    backend: Literal["auto", "process", "ray"] = "auto"
    workers: int = Field(1, ge=1, description="training processes")
    fsdp: bool = Field(False, description="shard the weights over the workers (models that do not fit one card)")
    address: str | None = Field(None, description="Ray cluster to join; null = start one on this machine")
    max_failures: int = Field(2, ge=0, description="restarts from the last checkpoint after a worker died")
    report_to: tuple[str, ...] = ()
    usd_per_gpu_hour: float | None = Field(None, ge=0, description="for the estimate of the cost")

    @property
    def on_ray(self) -> bool:
        """Whether Ray Train runs it."""
        return self.backend == "ray" or (self.backend == "auto" and self.workers > 1)

    def costs_money(self) -> bool:
        """Whether a device hour has a price and one would be used: a GPU here, or a cluster elsewhere."""
        if not self.usd_per_gpu_hour:
            return False
        if self.address is not None:
            return True
        import torch

        return torch.cuda.is_available()
