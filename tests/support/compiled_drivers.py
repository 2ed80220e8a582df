"""The drivers in C and in Go, compiled once for a session, and marks for what that needs."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

DRIVERS = Path(__file__).with_name("drivers")
_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
GO = shutil.which("go", path=_PATH)

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing")
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is missing")
needs_go = pytest.mark.skipif(GO is None, reason="go is missing")


@cache
def _folder() -> Path:
    return Path(mkdtemp(prefix="wavetank-drivers-"))


@cache
def journal() -> str:
    """Return the path of the driver in C."""
    program = _folder() / "journal"
    source = DRIVERS / "journal.c"
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", program, source], check=True)
    return str(program)


@cache
def renames() -> str:
    """Return the path of the driver in Go."""
    assert GO is not None
    program = _folder() / "renames"
    subprocess.run([GO, "build", "-o", program, DRIVERS / "renames.go"], check=True)
    return str(program)


def python_driver(script: Path, code: str) -> str:
    """Return the command of a driver in Python, whose text is written to `script`."""
    script.write_text(code, encoding="utf-8")
    return f"{sys.executable} -S -E {script} {{dir}}"
