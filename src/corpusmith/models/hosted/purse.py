"""Money for one job: whether it may be spent, and what was. A run's budget is charged when the job is ordered, with
the estimate, and set right when the job has ended and the provider says what it billed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from corpusmith.core.tools import Budget
from corpusmith.models.hosted.cost import Estimate
from corpusmith.models.hosted.notes import Notebook
from corpusmith.models.hosted.shapes import Job

ACCOUNT = "cost_usd"


@dataclass(frozen=True)
class Purse:
    """What may be spent on one job.

    Attributes:
        estimate: What it may cost.
        limit_usd: Most that it may cost; None = no limit of its own.
        budget: The run's; None = outside a run.
        book: The step's note: what was charged so far is in it, so that nothing is charged twice.
    """

    estimate: Estimate
    limit_usd: float | None
    budget: Budget | None
    book: Notebook

    def reserve(self) -> None:
        """Refuse what must not be spent.

        Raises:
            PreconditionError: It may cost more than the limit; or there is a limit, and no price is known.
            BudgetExceeded: It may cost more than the run has left.
        """
        self.estimate.refuse_above(self.limit_usd)
        if self.budget is None:
            return
        left = self.budget.left(ACCOUNT)
        if self.estimate.usd is None:
            self.estimate.refuse_above(left if math.isfinite(left) else None)
        else:
            self.budget.reserve(ACCOUNT, self.estimate.usd, "fine-tuning at a provider")

    def ordered(self) -> None:
        """Charge the estimate, once."""
        if self.book.now.debited_usd == 0:
            self._charge(self.estimate.usd or 0.0)

    def settle(self, job: Job) -> None:
        """Set the charge right by what an ended job was billed. A failed job that names no tokens was not billed."""
        billed = self.estimate.price_of(job.trained_tokens)
        if billed is None and job.status == "failed":
            billed = 0.0
        if billed is not None:
            self._charge(billed - self.book.now.debited_usd, job.id)

    def _charge(self, amount: float, job: str | None = None) -> None:
        if self.budget is not None and amount:
            self.budget.debit(ACCOUNT, amount, f"fine-tuning job {job or self.book.now.job}")
            self.book.write(debited_usd=self.book.now.debited_usd + amount)
