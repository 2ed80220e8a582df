"""Each row of docs/track-record.md is what its script says, and what it shows when it runs."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

DOCS: Final = Path(__file__).parents[3] / "docs"
SCRIPTS: Final = sorted(
    path for path in (DOCS / "track-record").glob("*.py") if path.stem != "defect"
)
QUICK: Final = ("queuelib_lifo", "pysyncobj_create")
"""Killed by a few lines, and without strace."""


def said(script: Path) -> dict[str, str]:
    """Return the words that a script passes to `Defect`."""
    (call,) = [
        node
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Defect"
    ]
    return {
        str(each.arg): str(each.value.value)
        for each in call.keywords
        if isinstance(each.value, ast.Constant)
    }


def rows() -> dict[str, list[str]]:
    """Return the cells of the table's rows, by the name of their script."""
    page = (DOCS / "track-record.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in page.splitlines()]
    linked = [(re.search(r"\(track-record/(\w+)\.py\)", row[3]), row) for row in cells if row[3:]]
    return {match[1]: row for match, row in linked if match}


def test_each_script_has_its_row_and_each_row_its_script() -> None:
    stated = {name: row[:3] for name, row in rows().items()}
    assert stated == {
        script.stem: [words["package"], words["version"], words["lost"]]
        for script in SCRIPTS
        for words in [said(script)]
    }


def test_what_nobody_has_reported_has_a_text_that_could_be_filed() -> None:
    page = (DOCS / "upstream-reports.md").read_text(encoding="utf-8")
    texts = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    assert texts == [name for name, row in rows().items() if "no report found" in row[4]]


def ran(script: Path, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(script), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(each, id=each.stem, marks=[] if each.stem in QUICK else [pytest.mark.minutes])
        for each in SCRIPTS
    ],
)
def test_a_script_shows_its_defect_and_that_it_is_cured(script: Path) -> None:
    words = said(script)
    try:
        found = importlib.metadata.version(words["package"])
    except importlib.metadata.PackageNotFoundError:
        found = ""
    if found != words["version"]:
        pytest.skip(f"needs {words['package']} {words['version']}, from the extra `backends`")
    if "killed_in" not in script.read_text(encoding="utf-8") and shutil.which("strace") is None:
        pytest.skip("needs strace")
    code, told = ran(script)
    assert (code, words["seen"] in told) == (1, True), told
    code, told = ran(script, "--cured")
    assert (code, "cured" in told) == (0, True), told
