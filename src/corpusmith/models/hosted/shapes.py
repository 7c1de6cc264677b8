"""What is ordered from a provider of the fine-tuning API, and what it says, as far as we read it.

Answers are read strictly, whatever the client makes of them, but for what other providers of the same API add or leave
out: an unknown status is one that has not ended.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.fingerprints import fingerprint
from corpusmith.models.hosted.files import HostedMethod


class Said(BaseModel):
    """Part of an answer; what we do not know is left where it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Named(Said):
    """What has an id."""

    id: str = Field(min_length=1)


class JobError(Said):
    """Why a job failed."""

    code: str | None = None
    message: str | None = None
    param: str | None = None


class Job(Named):
    """A fine-tuning job. `trained_tokens`: what is billed."""

    status: str
    model: str
    created_at: int
    finished_at: int | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    training_file: str | None = None
    validation_file: str | None = None
    seed: int | None = None
    error: JobError | None = None
    metadata: dict[str, str] | None = None
    method: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ("succeeded", "failed", "cancelled")

    @property
    def lost(self) -> bool:
        """Whether it ended without a model."""
        return self.status in ("failed", "cancelled")

    def noted(self, name: str) -> str | None:
        """A value of its metadata."""
        return (self.metadata or {}).get(name)


class JobEvent(Named):
    """What a provider says of a job while it goes on."""

    created_at: int
    level: str = "info"
    message: str = ""
    type: str | None = None
    data: dict[str, Any] | None = None


class JobCheckpoint(Named):
    """A model at the end of an epoch."""

    step_number: int
    fine_tuned_model_checkpoint: str
    metrics: dict[str, float | None] = Field(default_factory=dict)


class FileSaid(Named):
    """A file at the provider."""

    filename: str = ""
    bytes: int | None = None
    status: str | None = None


class JobOrder(BaseModel):
    """What is to be trained. Two orders with the same key ask for the same model."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    base: str
    method: HostedMethod
    epochs: int
    batch_size: int | None
    learning_rate_multiplier: float | None
    beta: float | None
    suffix: str | None
    seed: int
    training_sha256: str
    validation_sha256: str | None

    @property
    def key(self) -> str:
        """Identity of the order: the content of its files and every setting that makes the model."""
        return fingerprint(self)

    def method_said(self) -> dict[str, Any]:
        """The field `method` of the request; a setting that is None is left to the provider."""
        hyper: dict[str, Any] = {"n_epochs": self.epochs, "batch_size": self.batch_size}
        hyper["learning_rate_multiplier"] = self.learning_rate_multiplier
        if self.method == "dpo":
            hyper["beta"] = self.beta
        kind = "supervised" if self.method == "sft" else "dpo"
        return {"type": kind, kind: {"hyperparameters": {k: v for k, v in hyper.items() if v is not None}}}


class Page(Said):
    """One page of a list, unread."""

    data: list[Any]
    has_more: bool = False
