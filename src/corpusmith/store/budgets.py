"""Budget accounts of a run: reserved before, debited as it happens, closed when spent. They survive a crash."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sqlalchemy import func, select

from corpusmith.core.errors import BudgetExceeded
from corpusmith.store.database import Database, SpendingRow

ACCOUNTS = ("minutes", "cost_usd", "tokens", "iterations")


class BudgetAccount:
    """The accounts of one run. `limits` maps an account to its limit; an account that is not in it has none."""

    def __init__(self, database: Database, run_id: str, limits: Mapping[str, float]) -> None:
        self._database, self.run_id, self.limits = database, run_id, dict(limits)

    def spent(self, account: str) -> float:
        """What was debited so far."""
        with self._database.session() as session:
            query = select(func.sum(SpendingRow.amount)).where(
                SpendingRow.run_id == self.run_id, SpendingRow.account == account
            )
            return float(session.scalar(query) or 0.0)

    def left(self, account: str) -> float:
        """What may still be spent; `inf` without a limit."""
        return self.limits.get(account, math.inf) - self.spent(account)

    def reserve(self, account: str, amount: float, reason: str) -> None:
        """Check that `amount` more fits, before it is spent.

        Raises:
            BudgetExceeded: It does not.
        """
        left = self.left(account)
        if amount > left:
            raise BudgetExceeded(
                f"the budget of {self.limits[account]:g} {account} is spent: {reason} needs {amount:g}, {left:g} left",
                hint="Give more (--max-minutes, --max-cost) and `corpusmith resume`.",
                account=account,
                limit=self.limits[account],
                asked=amount,
            )

    def debit(self, account: str, amount: float, reason: str) -> None:
        """Record what was spent."""
        if amount:
            with self._database.session() as session:
                session.add(SpendingRow(run_id=self.run_id, account=account, amount=amount, reason=reason))

    def summary(self) -> dict[str, float]:
        """Spent per account."""
        return {account: round(self.spent(account), 6) for account in ACCOUNTS}
