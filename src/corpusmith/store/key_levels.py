"""What is left of each key's rate, for all processes of a workspace together.

A level falls by what is spent and rises with time, up to a minute's worth; it may fall below zero, since what a process
let in is told afterwards. One statement does both, so processes that tell at once do not lose each other's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import case, select, update

from corpusmith.store.database import Database, KeyLevelRow

Rate = tuple[str, str]
"""Name of a key, and what is counted: requests or tokens."""


@dataclass(frozen=True)
class KeyLevels:
    """The levels of a workspace."""

    database: Database

    def settle(
        self, spent: Mapping[Rate, float], limits: Mapping[Rate, int], now: float | None = None
    ) -> dict[Rate, float]:
        """Take what this process let in since it last told, and learn what is left.

        Args:
            spent: By rate; what is not in it is none.
            limits: Per minute, of every rate that is wanted.
            now: Seconds since 1970.
        """
        now = time.time() if now is None else now
        with self.database.session() as session:
            for rate, amount in spent.items():
                if not amount:
                    continue
                filled = KeyLevelRow.level + (now - KeyLevelRow.at) * limits[rate] / 60
                risen = case(
                    (KeyLevelRow.at > now, KeyLevelRow.level), (filled > limits[rate], limits[rate]), else_=filled
                )
                at = case((KeyLevelRow.at > now, KeyLevelRow.at), else_=now)
                change = update(KeyLevelRow).where(KeyLevelRow.key == rate[0], KeyLevelRow.kind == rate[1])
                found = session.execute(change.values(level=risen - amount, at=at))
                if not found.rowcount:  # type: ignore[attr-defined]
                    session.add(KeyLevelRow(key=rate[0], kind=rate[1], level=limits[rate] - amount, at=now))
                    session.flush()
            rows = {(row.key, row.kind): row for row in session.scalars(select(KeyLevelRow))}
            return {rate: _level(rows.get(rate), limit, now) for rate, limit in limits.items()}


def _level(row: KeyLevelRow | None, limit: int, now: float) -> float:
    if row is None:
        return float(limit)
    return min(float(limit), row.level + max(0.0, now - row.at) * limit / 60)
