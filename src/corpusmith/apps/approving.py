"""How guarded effects are decided: by a person, by a file of allowances, or not at all."""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from corpusmith.core.errors import ApprovalRequired, ParameterError
from corpusmith.store.approvals import Approval, Approvals

T = TypeVar("T")
Decide = Callable[[str, dict[str, Any]], str]
OUTSIDE_RUNS = "tools"
"""Stands for a run id where a tool is called by itself: `corpusmith approve tools`."""

_ANSWERS = frozenset({"grant", "deny", "ask"})


def approver(mode: str, policy: str | Path | None) -> Decide:
    """Decides an action with its arguments: `ask`, `grant` or `deny`.

    Args:
        mode: `ask` leaves it to a person, `deny` refuses, `policy` reads the file.
        policy: YAML file of lines `action: grant|deny|ask`; an action that is not in it is asked for.

    Raises:
        ParameterError: The mode is unknown, or the policy file is missing or is not such a file.
    """
    if mode in ("ask", "deny"):
        return lambda _action, _args: mode
    if mode != "policy":
        raise ParameterError(f"--approve {mode}", hint="It may be ask, policy or deny.")
    if policy is None:
        raise ParameterError("--approve policy needs a file", hint="Give --policy FILE, a line each: `publish: grant`.")
    rules = _read(Path(policy))
    return lambda action, _args: rules.get(action, "ask")


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise ParameterError(f"no policy file {path}", hint="Write one action a line: `publish: grant`.")
    try:
        rules = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} is not YAML", hint="Write one action a line: `publish: grant`.") from error
    if not isinstance(rules, dict):
        raise ParameterError(f"{path} is not a policy", hint="Write one action a line: `publish: grant`.")
    for action, answer in rules.items():
        if answer not in _ANSWERS:
            raise ParameterError(f"{path}: {action}: {answer}", hint="An action may be grant, deny or ask.")
    return rules


def ask_on_terminal(approvals: Approvals, work: Callable[[], T], again: Callable[[str], T], as_json: bool) -> T:
    """Do `work`; when it needs an approval and a person sits at a terminal, ask and go on with `again(run id)`.

    Raises:
        ApprovalRequired: Nobody is there to answer.
    """
    todo: Callable[[], T] = work
    while True:
        try:
            return todo()
        except ApprovalRequired as needed:
            if as_json or not sys.stdin.isatty():
                raise
            action = str(needed.fields["action"])
            run_id = action.split("/", 1)[0]
            answer = input(f"{needed.message}. Allow it? [y/N] ")
            record_answer(approvals, run_id, answer.strip().lower() in ("y", "yes"), action)

            def next_try(run_id: str = run_id) -> T:
                return again(run_id)

            todo = next_try


def actor() -> str:
    """Who sits here, for the record."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def record_answer(approvals: Approvals, run_id: str, granted: bool, action: str | None) -> Approval:
    """Write down a person's answer, with who gave it and where."""
    return approvals.decide(run_id, granted, getpass.getuser(), socket.gethostname(), action)
