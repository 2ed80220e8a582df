"""`wavetank trace` that is interrupted leaves no process, no directory and no mount behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HANGS = "echo $$ $1 > marker; exec sleep 600"
RECOVERS = f"if test $(wc -l < runs) -gt 2; then {HANGS}; fi; echo again >> runs"
"""The recovery of an image that is judged, and later that of one that is recorded."""

WRITES = ["sh", "-c", "touch runs; echo 1 > data/f"]
CHECKS = ["--check", "sh -c 'test -z \"$(cat $2)\" || test -e $1/f' - {dir} {acked}"]
SITUATIONS = {
    "program": [*CHECKS, "--", "sh", "-c", HANGS, "-", "data"],
    "check": ["--check", f"sh -c '{HANGS}' - {{dir}}", "--", *WRITES],
    "recovery": [
        *("--depth", "1", "--recover", f"sh -c '{RECOVERS}' - {{dir}}", *CHECKS),
        *("--", *WRITES),
    ],
    "persistent": ["--checker", "persistent", "--check", f"sh -c '{HANGS}' -", "--", *WRITES],
}

pytestmark = [
    pytest.mark.usefixtures("interruptible"),
    pytest.mark.skipif(
        shutil.which("strace") is None, reason="needs strace: apt-get install strace"
    ),
]


def slowly(*values: str) -> object:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("situation", "recorder", "name"),
    [
        ("program", "strace", "SIGINT"),
        ("check", "strace", "SIGINT"),
        ("recovery", "strace", "SIGTERM"),
        slowly("persistent", "strace", "SIGINT"),
        slowly("recovery", "strace", "SIGINT"),
        slowly("program", "fuse", "SIGINT"),
        slowly("recovery", "fuse", "SIGINT"),
        slowly("program", "strace", "SIGTERM"),
        slowly("program", "fuse", "SIGTERM"),
        slowly("check", "strace", "SIGTERM"),
    ],
)
def test_nothing_is_left(situation: str, recorder: str, name: str, tmp_path: Path) -> None:
    if recorder == "fuse" and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse")
    for each in ("data", "temporary"):
        (tmp_path / each).mkdir()
    words = ["--dir", "data", "--recorder", recorder, *SITUATIONS[situation]]
    process = subprocess.Popen(
        [sys.executable, "-m", "wavetank", "trace", *words],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        hanging, *places = read_when_written(tmp_path / "marker", process)
        process.send_signal(signal.Signals[name])
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
        process.wait()
    assert not is_alive(int(hanging))
    assert list((tmp_path / "temporary").iterdir()) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    for place in places:
        # Of the program it is its own directory; of others one that was laid out.
        assert Path(tmp_path, place).exists() is (situation == "program")


def read_when_written(marker: Path, process: "subprocess.Popen[bytes]") -> list[str]:
    """Wait until what shall be interrupted hangs; return its number, and where it is."""
    while process.poll() is None:
        if marker.exists() and marker.read_text().endswith("\n"):
            return marker.read_text().split()
        time.sleep(0.02)
    raise AssertionError(f"it ended with {process.returncode}")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead may wait for somebody to ask how it ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return words.rpartition(")")[2].split()[0] not in {"Z", "X"}
