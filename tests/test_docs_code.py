"""What the pages print runs: their Python, their files, their commands."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest
from page_runner import blocks_of, commands_of, run_page

from wavetank.engine import FileStorage, LogEntry, StorageConfig
from wavetank.reports.cli import cli

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
PATH: Final = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

RUN_ELSEWHERE: Final = {
    "docs/driver-protocol.md": "test_check_command.py",
    "docs/pyfakefs.md": "test_live_semantics.py",
    "docs/pytest.md": "test_pytest_page.py",
    "docs/scenario-files.md": "test_scenario_files_page.py",
    "docs/threads.md": "test_threads_page.py",
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
    *("docs/how-to/write-a-profile.md", "docs/how-to/write-files-safely.md", "docs/tutorial.md"),
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
    for page, name in RUN_ELSEWHERE.items():
        tests = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob(name)]
        assert any(Path(page).name in test for test in tests), page


_FORM: Final = re.compile(r"\b[A-Z]{2,}\b|[|…\[]|\.\.\.|^wavetank \w+( --[\w-]+)?$")
"""In prose, what shows the form of a command rather than one to type."""


def printed_commands(page: Path) -> Iterator[str]:
    """Yield the commands of wavetank that stand in a page's blocks, or indented as one."""
    text = page.read_text(encoding="utf-8")
    for block in blocks_of(page):
        yield from (command for command, _ in commands_of(block))
        if block.kind == "yaml":
            runs = re.findall(r"^ *(?:- )?(?:run: )?(wavetank .*)$", block.text, re.MULTILINE)
            yield from runs
    yield from re.findall(r"^    (?:\$ )?(wavetank [a-z].*)$", text, re.MULTILINE)
    for command in re.findall(r"`(wavetank [a-z][^`]*)`", text):
        if not _FORM.search(command):
            yield " ".join(command.split())


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
    for name in re.findall(r"[\w./-]+\.(?:toml|ndjson|py|md)", command):
        (tmp_path / name).parent.mkdir(exist_ok=True)
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
    assert len(COMMANDS) > 60


NOT_RUN: Final = (
    "python -m pip install . && wavetank run",  # .ci/run does
    "wavetank fuzz",  # minutes, or a night
    "wavetank run 'cluster-*'",
    "wavetank run --seeds 0:",  # hours, on other machines
    "wavetank run cluster-5",
    "wavetank run --backend raftlock-published --profile all",
    "wavetank diff latest wavetank.ndjson",  # an artifact of a job
    "wavetank verify /var/lib/node-1/raft",
    "wavetank trace --checker persistent --check 'python programs.py",  # test_traced_scorecards.py
    "wavetank trace --depth 1",  # test_trace_depth.py, with a store of its own
)
"""What is read, and not run: it takes long, or needs what only its reader has."""

IN_BLOCKS: Final = dict.fromkeys(
    command
    for page in sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
    for block in blocks_of(page)
    for command, _ in commands_of(block)
    if block.kind in ("sh", "console") and command.startswith("wavetank")
)


@pytest.mark.slow
def test_the_commands_in_blocks_run_as_printed(tmp_path: Path) -> None:
    """In one directory, which has what the pages speak of; what fails says 2 or more."""
    for path in (DOCS / "examples").iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/__init__.py").touch()
    module = "from tiny_store import TinyStore as open_store\n"
    (tmp_path / "my_package/my_module.py").write_text(module)
    (driver,) = (b.text for b in blocks_of(DOCS / "driver-protocol.md") if b.kind == "python")
    (tmp_path / "my-driver").write_text(f"#!{sys.executable}\n{driver}")
    (tmp_path / "my-driver").chmod(0o755)
    shutil.copy(DOCS / "examples/check_counter.py", tmp_path / "check.py")
    for source, program in (("counter.c", "store"), ("counter.c", "counter")):
        shutil.which("gcc") or pytest.skip("gcc is missing")
        subprocess.run(["gcc", "-g", "-o", program, source], cwd=tmp_path, check=True)
    for page in ("how-to/write-a-scenario.md", "how-to/write-a-profile.md"):
        for block in blocks_of(DOCS / page):
            if block.file:
                (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    with FileStorage(StorageConfig(directory=f"{tmp_path}/DIR")) as store:
        store.append_log_entries([LogEntry(1, 1, b"set x 1")])
    codes = {
        command: subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env={**os.environ, "PATH": PATH},
            capture_output=True,
            check=False,
        ).returncode
        for command in sorted(IN_BLOCKS, key=lambda command: "replay" in command)
        if not command.startswith(NOT_RUN)
    }
    assert {command: code for command, code in codes.items() if code > 1} == {}
    assert len(codes) > 12
