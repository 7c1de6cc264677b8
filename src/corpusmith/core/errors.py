"""The one error tree. Every error names what is wrong and what to type next, and pickles whole.

    CorpusmithError                 exit 1   a defect of ours
    |- UsageError                   exit 2   the request, a parameter, a file or a setting is wrong
    |  |- RequestError                       the sentence asks for what cannot be
    |  |- ParameterError                     a tool got parameters it cannot use
    |  |- SourceError                        an input path is missing, empty or unreadable
    |  |- WorkspaceError                     the workspace cannot be used (read-only, full, damaged)
    |  |- NotFoundError                      no such run, artifact, row or tool
    |  |- RunHeldError                       another process holds this run
    |  `- PreconditionError                  the step may not run in this state
    |- ApprovalRequired             exit 4   waiting for a person
    |- BudgetExceeded               exit 5   a limit of the brief is spent
    `- Cancelled                    exit 130 stopped at a safe point by Ctrl-C or SIGTERM

Conversion to an exit status happens at one boundary, `apps.cli`.
"""

from __future__ import annotations

from typing import Any


class CorpusmithError(Exception):
    """Base of the tree.

    Args:
        message: One line that names the thing at fault.
        hint: The next thing to do or type.
        **fields: Plain values that identify the case (path, row, limit); kept for records and tests.
    """

    exit_status = 1

    def __init__(self, message: str, *, hint: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.hint, self.fields))

    def __str__(self) -> str:
        return f"{self.message}  {self.hint}" if self.hint else self.message


def _rebuild(kind: type[CorpusmithError], message: str, hint: str, fields: dict[str, Any]) -> CorpusmithError:
    return kind(message, hint=hint, **fields)


class UsageError(CorpusmithError):
    """What the person gave is wrong; nothing half-written is left."""

    exit_status = 2


class RequestError(UsageError):
    """The request cannot be met as it stands."""


class ParameterError(UsageError):
    """A tool parameter is unknown, out of bounds or does not fit the data."""


class SourceError(UsageError):
    """An input is missing, empty, of an unknown kind or unreadable."""


class WorkspaceError(UsageError):
    """The workspace is read-only, full or not a workspace."""


class NotFoundError(UsageError):
    """The run, artifact, row or tool named does not exist."""


class RunHeldError(UsageError):
    """Another live process holds the run."""


class PreconditionError(UsageError):
    """The step may not run in this state (for example: undersampling before the split)."""


class ApprovalRequired(CorpusmithError):  # noqa: N818 - a state, not a failure
    """The action needs a person's approval; `fields['action']` names it."""

    exit_status = 4


class BudgetExceeded(CorpusmithError):  # noqa: N818
    """A budget of the brief is spent; `fields` names the account, the limit and the amount asked for."""

    exit_status = 5


class Cancelled(CorpusmithError):  # noqa: N818
    """The run stopped at a safe point because it was told to."""

    exit_status = 130
