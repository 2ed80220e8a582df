"""The scorecards under docs/scorecards/traced are those that a run gives now."""

import importlib.metadata
import importlib.util
import re
import shutil
import sqlite3
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

DIRECTORY: Final = Path(__file__).parents[4] / "docs" / "scorecards" / "traced"


def made() -> ModuleType:
    """Return the script that makes the scorecards."""
    spec = importlib.util.spec_from_file_location("scorecard_maker", DIRECTORY / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE: Final = made()


def verdicts(page: str) -> list[str]:
    """Return profile and verdict of each row; a program's log need not be equal in two runs."""
    return re.findall(r"^\| ([\w-]+ \| \**(?:pass|fail|inconclusive)\**) \|", page, re.MULTILINE)


def test_each_program_has_its_scorecard_and_each_scorecard_four_verdicts() -> None:
    paths = set(DIRECTORY.glob("*.md")) - {DIRECTORY / "index.md"}
    pages = {path.stem: path.read_text(encoding="utf-8") for path in paths}
    assert {name: len(verdicts(page)) for name, page in pages.items()} == dict.fromkeys(
        MAKE.NAMES, len(MAKE.PROFILES)
    )


def is_installed(name: str, page: str) -> bool:
    """Whether the versions are here that a scorecard names."""
    try:
        return MAKE.version(name) in page
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.mark.minutes
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("name", MAKE.NAMES)
def test_the_scorecard_of_a_traced_program_is_what_a_run_gives(name: str) -> None:
    page = (DIRECTORY / f"{name}.md").read_text(encoding="utf-8")
    if not is_installed(name, page):
        pytest.skip(f"needs the versions of {name}.md; SQLite is {sqlite3.sqlite_version}")
    assert verdicts(MAKE.page(name, MAKE.result(name))) == verdicts(page)
