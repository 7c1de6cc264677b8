"""What the phases of a model have done so far: small records in the loop's state, never weights."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.brief import Approach


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Setting(_Frozen):
    """One way to train; None leaves it to the tool's own default for the base and the method."""

    base: str = Field(description="name of the base, as the brief has it")
    adapter: Literal["lora", "dora", "qlora", "prompt", "none", "hosted"] = "lora"
    rank: int | None = None
    learning_rate: float | None = None
    epochs: float | None = None
    max_steps: int | None = None
    sequence_length: int | None = None

    def text(self) -> str:
        """For a person: what differs from the defaults."""
        said = {
            "rank": self.rank,
            "learning rate": None if self.learning_rate is None else f"{self.learning_rate:.2g}",
            "epochs": None if self.epochs is None else f"{self.epochs:.3g}",
            "steps": self.max_steps,
            "sequence": self.sequence_length,
        }
        given = ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)
        return f"{self.adapter} on {self.base}" + (f" ({given})" if given else "")


class BaseModelFacts(_Frozen):
    """A base at hand."""

    name: str
    artifact: str
    parameters: int
    context_length: int | None


class Trial(_Frozen):
    """One training and how it did on the validation split."""

    decision: str
    move: str
    setting: Setting
    base: str = Field(description="artifact id of the base; empty for a hosted one")
    model: str = Field("", description="artifact id; empty when the training failed")
    evaluation: str = ""
    primary: str = ""
    value: float | None = None
    gain: float | None = Field(None, description="over its base, on the primary metric")
    gain_low: float | None = None
    holdout_loss: float | None = None
    learning_rate: float | None = Field(None, description="that it was trained at")
    epochs: float | None = None
    rank: int | None = None
    curve: tuple[tuple[int, float], ...] = Field((), description="(step, holdout loss)")
    nan: bool = False
    seconds: float = 0.0
    tokens_per_s: float | None = None
    usd: float | None = None
    context_length: int | None = None
    parameters: int | None = None
    problem: str = Field("", description="why there is no model or no figure")

    @property
    def usable(self) -> bool:
        """Whether it left a model with a finite figure."""
        return bool(self.model) and not self.nan and self.value is not None and math.isfinite(self.value)

    @property
    def beats_base(self) -> bool:
        """Whether the whole interval of its gain over the base is above zero."""
        return self.usable and self.gain_low is not None and self.gain_low > 0


class ModelWork(_Frozen):
    """Where the phases are."""

    approach: Approach = "fine-tuning"
    bases: tuple[BaseModelFacts, ...] = ()
    start: str = Field("", description="artifact id of the adapter that training goes on from")
    start_adapter: Literal["", "lora", "dora", "qlora", "prompt"] = Field("", description="what kind that one is")
    earlier: tuple[str, ...] = Field((), description="datasets that the base or the start was trained on here")
    trials: tuple[Trial, ...] = ()
    best: int | None = None
    evaluation: str = ""
    ablation: str = ""
    first_line: str = ""
    ablation_line: str = ""
    version: str = Field("", description="name@version in the registry")
    promoted: bool | None = Field(None, description="None = not asked for")
    refused: tuple[str, ...] = Field((), description="why it was not promoted")
    answers: str = Field("", description="name@version of the dataset of its answers")
    answers_artifact: str = ""
    index: str = Field("", description="artifact id of the index")
    index_line: str = ""
    deployed: bool | None = Field(None, description="None = not asked for")
    endpoint: str = Field("", description="its URL")
    endpoint_name: str = ""
    published: tuple[str, ...] = Field((), description="addresses of what went to a hub")
    problems: tuple[str, ...] = ()

    def with_problem(self, text: str) -> ModelWork:
        """The same with one more sentence about what went wrong."""
        return self.model_copy(update={"problems": (*self.problems, text)})

    @property
    def chosen(self) -> Trial | None:
        """The best trial so far."""
        return None if self.best is None else self.trials[self.best]
