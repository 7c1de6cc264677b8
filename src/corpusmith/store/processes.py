"""Processes on record: a pid together with when it began, so that a recycled pid is never taken for the old process."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
from contextlib import suppress
from pathlib import Path


def began(pid: int) -> str | None:
    """When the process of this pid began, as a text that no other process of the machine has with it.

    None where there is none, or only what is left of one that nobody has waited for (a zombie).
    """
    if platform.system() == "Linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
        except OSError:
            return None
        state, ticks = fields[0], fields[19]  # fields 3 and 22 of proc(5): the name before them may hold spaces
        return None if state in "ZX" else f"{boot}/{ticks}"
    said = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = said.stdout.strip().partition(" ")
    return started.strip() or None if state and not state.startswith("Z") else None


def is_alive(pid: int, since: str) -> bool:
    """Whether the process that began then still runs."""
    return began(pid) == since


def send(pid: int, since: str, number: signal.Signals) -> bool:
    """Signal the process that began then; False when it is gone, whoever may have its pid now."""
    if hasattr(os, "pidfd_open"):
        return _send_by_handle(pid, since, number)
    if not is_alive(pid, since):
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def _send_by_handle(pid: int, since: str, number: signal.Signals) -> bool:
    """Open the process first, look at its beginning then: what is signalled is what was looked at."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not is_alive(pid, since):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True
