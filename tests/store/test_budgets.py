from __future__ import annotations

import math
from pathlib import Path

import pytest

from corpusmith.core.errors import BudgetExceeded
from corpusmith.store.budgets import BudgetAccount
from corpusmith.store.database import Database


def test_a_budget_fails_closed_and_survives_a_new_process(tmp_path: Path) -> None:
    database = Database(tmp_path)
    account = BudgetAccount(database, "r-1", {"tokens": 100})
    account.reserve("tokens", 80, "plan")
    account.debit("tokens", 80, "plan")
    assert account.left("cost_usd") == math.inf
    database.close()
    again_db = Database(tmp_path)
    again = BudgetAccount(again_db, "r-1", {"tokens": 100})
    with pytest.raises(BudgetExceeded) as caught:
        again.reserve("tokens", 21, "plan")
    assert caught.value.fields["account"] == "tokens"
    assert BudgetAccount(again_db, "r-2", {"tokens": 100}).left("tokens") == 100
    again_db.close()
