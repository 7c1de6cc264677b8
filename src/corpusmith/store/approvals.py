"""Approvals: questions to a person, bound to hash(action, args, artifacts), single-use, expiring, and never an argument
of a tool. Asking twice for the same thing finds the same question; a granted one is used up by the action it was
asked for and by nothing else.
"""

from __future__ import annotations

import time
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from corpusmith.core.errors import NotFoundError, PreconditionError
from corpusmith.core.fingerprints import fingerprint
from corpusmith.store.database import ApprovalRow, Database

EXPIRES_S = 7 * 24 * 3600.0


class Approval(BaseModel):
    """One question. `state`: asked, granted, denied, used; past `expires` it counts for nothing."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    id: str
    run_id: str
    action: str
    binding: str
    args: dict[str, Any]
    state: str
    asked: float
    expires: float
    by: str | None
    where: str | None


def binding_of(action: str, args: dict[str, Any], artifacts: dict[str, str]) -> str:
    """What an approval is bound to."""
    return fingerprint({"action": action, "args": args, "artifacts": artifacts})


class Approvals:
    """The questions of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, run_id: str, action: str, args: dict[str, Any], artifacts: dict[str, str]) -> Approval:
        """The open, granted or denied question for exactly this; a new one when there is none that counts."""
        binding, now = binding_of(action, args, artifacts), time.time()
        with self._database.session() as session:
            query = select(ApprovalRow).where(ApprovalRow.run_id == run_id, ApprovalRow.binding == binding)
            for row in session.scalars(query):
                if row.state != "used" and row.expires > now:
                    return Approval.model_validate(row)
            number = len(list(session.scalars(select(ApprovalRow.id).where(ApprovalRow.run_id == run_id)))) + 1
            row = ApprovalRow(
                id=f"{action}-{number}", run_id=run_id, action=action, binding=binding, args=args, state="asked",
                asked=now, expires=now + EXPIRES_S,
            )  # fmt: skip
            row.id = f"{run_id}/{row.id}"
            session.add(row)
            session.flush()
            return Approval.model_validate(row)

    def decide(self, run_id: str, granted: bool, by: str, where: str, action: str | None = None) -> Approval:
        """Grant or deny the waiting question of a run.

        Raises:
            NotFoundError: Nothing waits, or nothing of that name.
            PreconditionError: Several wait and `action` names none.
        """
        waiting = [a for a in self.of(run_id) if a.state == "asked" and a.expires > time.time()]
        if action is not None:
            waiting = [a for a in waiting if action in (a.id, a.id.split("/", 1)[-1], a.action)]
        if not waiting:
            raise NotFoundError(
                f"nothing waits for an approval in run {run_id}", hint=f"See `corpusmith show {run_id}`."
            )
        if len(waiting) > 1:
            names = ", ".join(a.id.split("/", 1)[-1] for a in waiting)
            raise PreconditionError(
                f"{len(waiting)} actions wait in run {run_id}: {names}", hint="Name one: --action ID."
            )
        with self._database.session() as session:
            row = session.get_one(ApprovalRow, waiting[0].id)
            row.state, row.by, row.where = ("granted" if granted else "denied"), by, where
            session.flush()
            return Approval.model_validate(row)

    def use(self, approval: Approval) -> None:
        """Use up a granted approval.

        Raises:
            PreconditionError: It is not granted, expired, or was used already.
        """
        with self._database.session() as session:
            row = session.get_one(ApprovalRow, approval.id)
            if row.state != "granted" or row.expires <= time.time() or row.binding != approval.binding:
                raise PreconditionError(f"approval {approval.id} is {row.state} and cannot be used", hint="Ask again.")
            row.state = "used"

    def of(self, run_id: str) -> list[Approval]:
        """Every question of a run, oldest first."""
        with self._database.session() as session:
            query = select(ApprovalRow).where(ApprovalRow.run_id == run_id).order_by(ApprovalRow.asked)
            return [Approval.model_validate(row) for row in session.scalars(query)]
