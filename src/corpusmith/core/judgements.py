"""What a judge said of answers: records between the model that judges and the grading that counts. Pure.

Each row is judged twice, the two answers in either order, so that a liking for a place cancels out and can be measured.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class JudgeItem(BaseModel):
    """One row to be judged: an answer beside another one to the same task."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    task: str = Field(description="what was asked, with its input")
    answer: str = Field(description="the candidate's")
    other: str = Field(description="the reference, or a baseline's")
    reference: str | None = Field(None, description="a good answer, where `other` is a baseline's")


class Grade(BaseModel):
    """Grades of one answer in one call, 1 (poor) to 3 (good)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    accuracy: int = Field(ge=1, le=3)
    accuracy_reason: str
    style: int = Field(ge=1, le=3)
    style_reason: str


class JudgedRow(BaseModel):
    """The judgement of one row: of each answer the grades it got when shown first, then when shown second.

    A row with only one usable call is not judged: the order it was asked in would weigh on its grades.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    answer: tuple[Grade, Grade] | None = None
    other: tuple[Grade, Grade] | None = None
    problem: str = Field("", description="why the row is not judged")

    @property
    def judged(self) -> bool:
        """Whether there are grades."""
        return self.answer is not None and self.other is not None


class JudgeRun(BaseModel):
    """What a judge did with a list of items.

    `tokens_*` and `cost_usd` are sums over calls that got an answer; calls that failed are in the budget only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    rows: tuple[JudgedRow, ...]
    model: str = Field(description="the name the judge's server gives itself")
    prompt: str = Field(description="name@version of the prompt")
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None
    shortened: int = Field(0, description="rows of which a text was too long and was cut in its middle")
    stopped: str = Field("", description="why later rows were not asked about, empty when all were")
