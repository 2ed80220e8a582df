"""What the pages print runs: their Python, their files, their commands."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest
from page_runner import blocks_of, commands_of, run_page

from wavetank.reports.cli import cli

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
PATH: Final = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

RUN_ELSEWHERE: Final = {
    "docs/driver-protocol.md": "reports/commands/test_check_command.py",
    "docs/pyfakefs.md": "sim/disk/test_live_semantics.py",
    "docs/pytest.md": "reports/test_pytest_page.py",
    "docs/scenario-files.md": "reports/test_scenario_files_page.py",
    "docs/threads.md": "reports/test_threads_page.py",
    "README.md": "test_readme.py",
}
"""Pages whose blocks are no programs to run from top to bottom, and the tests that hold them."""

NEEDS: Final = {
    "docs/how-to/trace-my-go-program.md": ("strace", "addr2line", "go"),
    "docs/trace.md": ("strace",),
}

SLOW: Final = {
    *("docs/cluster.md", "docs/suite.md", "docs/trace.md", "docs/how-to/trace-my-go-program.md"),
    *("docs/how-to/plug-in-my-store.md", "docs/how-to/read-a-report.md"),
    *("docs/how-to/write-a-profile.md", "docs/how-to/write-files-safely.md"),
}
"""Pages that take more than a second or two; `.ci/run` has them run."""

PAGES: Final = [path.relative_to(ROOT).as_posix() for path in sorted(DOCS.rglob("*.md"))]
RUN_HERE: Final = [
    pytest.param(page, marks=[pytest.mark.slow] * (page in SLOW))
    for page in PAGES
    if page not in RUN_ELSEWHERE
    and any(block.kind in ("python", "console") for block in blocks_of(ROOT / page))
]


@pytest.mark.parametrize("page", RUN_HERE)
def test_a_page_prints_what_happens(page: str, tmp_path: Path) -> None:
    for tool in NEEDS.get(page, ()):
        if shutil.which(tool, path=PATH) is None:
            pytest.skip(f"{tool} is missing")
    for path in (DOCS / "examples").iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    run_page(ROOT / page, tmp_path, PATH)


def test_what_is_not_run_here_is_run_elsewhere() -> None:
    assert all((ROOT / page).exists() for page in RUN_ELSEWHERE)
    named = {page: (ROOT / "tests" / test).read_text() for page, test in RUN_ELSEWHERE.items()}
    assert [page for page, test in named.items() if Path(page).name not in test] == []


def printed_commands(page: Path) -> Iterator[str]:
    """Yield the commands of wavetank that stand in a page's blocks, or indented as one."""
    text = page.read_text(encoding="utf-8")
    for block in blocks_of(page):
        yield from (command for command, _ in commands_of(block))
        if block.kind == "yaml":
            runs = re.findall(r"^ *(?:- )?(?:run: )?(wavetank .*)$", block.text, re.MULTILINE)
            yield from runs
    yield from re.findall(r"^    (?:\$ )?(wavetank [a-z].*)$", text, re.MULTILINE)


COMMANDS: Final = [
    pytest.param(command, id=f"{page.name}: {command}")
    for page in sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
    for command in dict.fromkeys(printed_commands(page))
    if re.match(r"wavetank\b|.*&& wavetank\b", command)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_printed_is_one(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its options and values are taken; nothing is run."""
    (tmp_path / "DIR").mkdir()
    for name in re.findall(r"[\w./-]+\.(?:toml|ndjson|py)", command):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    words = shlex.split(re.sub(r".*&& ", "", command), comments=True)
    known: click.Command = cli
    for end in (">", "|"):
        words = words[: words.index(end)] if end in words else words
    words = words[1:]
    while isinstance(known, click.Group):
        known, words = known.commands[words[0]], words[1:]
    known.make_context(known.name, words)


def test_pages_print_commands() -> None:
    assert len(COMMANDS) > 25
