"""The example in docs/threads.md is a test file that fails as it says."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

PAGE: Final = (Path(__file__).parents[2] / "docs/threads.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_example_fails_as_it_says(tmp_path: Path) -> None:
    (_, source), (_, shown) = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "test_it.py").write_text(source)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider"),
            *("-p", "wavetank.reports.pytest_plugin"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    # Where the library stands is told by its own names, which Python changes.
    lines = [line.partition(", in ")[0] for line in shown.splitlines() if "calls" not in line]
    told = without_steps(done.stdout)
    assert [line for line in lines if without_steps(line) not in told] == []


def without_steps(told: str) -> str:
    return re.sub("step .*?:", "step", told)
