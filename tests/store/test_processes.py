from __future__ import annotations

import os
import signal
import subprocess
import sys

from corpusmith.store.processes import began, is_alive, send


def test_a_process_is_known_by_when_it_began_and_a_recycled_pid_is_never_signalled() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        since = began(child.pid)
        assert since is not None
        assert is_alive(child.pid, since)
        assert not send(child.pid, since + "1", signal.SIGKILL)  # the same pid, another process
        assert child.poll() is None
        assert send(child.pid, since, signal.SIGTERM)
        assert child.wait(timeout=30) == -signal.SIGTERM
        assert not send(child.pid, since, signal.SIGKILL)
    finally:
        child.kill()
        child.wait()


def test_what_nobody_has_waited_for_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended and is still in the table
    assert began(child.pid) is None
    child.wait()
    assert began(2**22 + 1) is None
