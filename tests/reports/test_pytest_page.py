"""Each example in docs/pytest.md is a test file that ends as it says."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

PAGE: Final = (Path(__file__).parents[2] / "docs/pytest.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES: Final = [
    (source, shown)
    for (kind, source), (next_kind, shown) in pairwise(BLOCKS)
    if (kind, next_kind) == ("python", "text")
]


def test_every_example_says_how_it_ends() -> None:
    assert len(EXAMPLES) == sum(kind == "python" for kind, _ in BLOCKS) == 4


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        pytest.param(*each, id=name, marks=() if name == "disk" else pytest.mark.slow)
        for each, name in zip(EXAMPLES, ("fixture", "disk", "own-code", "own-store"), strict=True)
    ],
)
def test_an_example_ends_as_it_says(source: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(source)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider"),
            *("-p", "wavetank.reports.pytest_plugin", "--hypothesis-seed=0"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    parts = [re.escape(line) for line in shown.splitlines()]
    assert re.search("(.|\n)*".join(parts), done.stdout), done.stdout
