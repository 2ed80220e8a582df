"""What a process has started and left running, found and killed.

On Linux a process can adopt the orphans among its descendants, so that one that has left the
session (a daemon) is found too. Elsewhere only the session can be killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["begin_alone", "kill_descendants", "kill_marked"]

_CONTROL: Final = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_MOST_ROUNDS: Final = 100
"""A process may fork while it is being killed; one that goes on for ever is left."""


def begin_alone() -> None:
    """Lead a new session, adopt what descendants leave behind, and die with the parent.

    Without a standard input: it must not wait for one.
    """
    os.setsid()
    if _CONTROL is not None:
        _CONTROL(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _CONTROL(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def kill_descendants() -> None:
    """Kill and wait for every child of this process, and those that come to it as orphans."""
    for _ in range(_MOST_ROUNDS):
        try:
            ended, _status = os.waitpid(-1, os.WNOHANG)
            if ended:
                continue
            children = _children()
            for pid in children:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if children:
                os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    parent = os.getpid()
    return [pid for pid in _pids() if _parent(pid) == parent]


def _parent(pid: int) -> int:
    """Return the parent of a process; 0 of one that is gone."""
    try:
        # The name of the program stands in brackets, and may have any bytes.
        status = Path(f"/proc/{pid}/stat").read_bytes()
        return int(status.rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def kill_marked(mark: str, value: str) -> None:
    """Kill every process of this user with a variable in the environment that it was started with.

    Args:
        mark: the variable.
        value: what it must be.
    """
    wanted = f"{mark}={value}".encode()
    for _ in range(_MOST_ROUNDS):
        found = [pid for pid in _pids() if wanted in _environment(pid)]
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


def _pids() -> list[int]:
    try:
        return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]
    except OSError:
        return []


def _environment(pid: int) -> list[bytes]:
    """Return the variables of a process; none of one that is gone or is somebody else's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
