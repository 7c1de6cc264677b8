"""The one place where an error becomes a line for the person and an exit status (`core.errors` draws the tree).

A refusal of the operating system (full disk, no permission) is the person's to mend: status 2. Anything else outside
the tree is a defect of ours: its traceback goes to stderr, status 1. With `--json` the error is one object on stdout.
"""

from __future__ import annotations

import errno
import re
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from corpusmith.apps.output import say, show_json
from corpusmith.core.errors import Cancelled, CorpusmithError, WorkspaceError

_REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM})
_QUOTED = re.compile(r"`(corpusmith [^`]+)`")


@contextmanager
def boundary(as_json: bool, workspace: Path | None = None) -> Iterator[None]:
    """Run a command's work; leave with the status of the error it raised.

    Args:
        as_json: Also print the error as one JSON object on stdout.
        workspace: The workspace as it was typed, put into the commands that hints name.
    """
    try:
        yield
    except CorpusmithError as error:
        fail(error, as_json, workspace)
    except BrokenPipeError:  # `corpusmith show | head`: the reader has enough
        sys.stderr.close()
        raise SystemExit(0) from None
    except OSError as error:
        if error.errno not in _REFUSALS:
            _defect(error, as_json)
        where = f"{error.filename}: " if error.filename else ""
        refused = WorkspaceError(f"{where}{error.strerror}", hint="Free some space, or give another --workspace DIR.")
        fail(refused, as_json, workspace)
    except KeyboardInterrupt:
        fail(Cancelled("stopped before anything was done"), as_json, workspace)
    except Exception as error:  # noqa: BLE001 - the boundary: a defect must still end with its status
        _defect(error, as_json)


def fail(error: CorpusmithError, as_json: bool, workspace: Path | None = None) -> NoReturn:
    """Print the error and what to type next, and exit with its status."""
    hint = error.hint
    if run_id := error.fields.get("run_id"):
        hint = hint.replace("`corpusmith resume`", f"`corpusmith resume {run_id}`")
    hint = with_workspace(hint, workspace)
    say(f"corpusmith: {error.message}")
    if hint:
        say(f"  next: {hint}")
    if as_json:
        known = {name: error.fields[name] for name in ("run_id", "action") if name in error.fields}
        said = {"type": type(error).__name__, "message": error.message, "hint": hint}
        show_json({"status": error.exit_status, **known, "error": said})
    raise SystemExit(error.exit_status)


def with_workspace(hint: str, workspace: Path | None) -> str:
    """The hint with `--workspace` in every command that it names, when one was given."""
    if workspace is None or "--workspace" in hint or "--help" in hint:
        return hint
    option = f" --workspace {shlex.quote(str(workspace))}"
    if hint.startswith("corpusmith "):
        return hint + option
    return _QUOTED.sub(lambda match: f"`{match[1]}{option}`", hint)


def _defect(error: BaseException, as_json: bool) -> NoReturn:
    traceback.print_exception(error)
    say(f"corpusmith: a defect of corpusmith, not of your input: {type(error).__name__}: {error}")
    say("  next: report it with the lines above; a run goes on with `corpusmith resume last`")
    if as_json:
        said = {"type": type(error).__name__, "message": str(error), "hint": "Report it with the lines on stderr."}
        show_json({"status": 1, "error": said})
    raise SystemExit(1)
