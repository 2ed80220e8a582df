"""What the README prints is what happens: its examples run, its excerpt is real."""

import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from wavetank.engine import FileStorage, LogEntry, StorageConfig

README: Final = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
EXAMPLES: Final = [
    (source, printed)
    for (kind, source), (next_kind, printed) in pairwise(BLOCKS)
    if (kind, next_kind) == ("python", "text")
]


def run(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def shape(line: str) -> str:
    """Return a line without the numbers, ids and paddings that change from version to version."""
    return re.sub(r"-[0-9a-f]{12}\b|[0-9]+(\.[0-9]+)?", "N", " ".join(line.split()))


def test_the_two_commands_that_do_all_the_set_up_come_first() -> None:
    commands = [content.strip() for kind, content in BLOCKS if kind == "sh"]
    assert commands[:2] == [
        "python -m pip install . && wavetank run",
        "python -m pip install -e '.[test]' && python -m pytest",
    ]


def test_every_python_block_is_followed_by_what_it_prints() -> None:
    assert len(EXAMPLES) == sum(kind == "python" for kind, _ in BLOCKS) == 3


@pytest.mark.parametrize(("source", "printed"), EXAMPLES, ids=["function", "engine", "own-store"])
def test_an_example_prints_what_stands_below_it(source: str, printed: str, tmp_path: Path) -> None:
    done = run("-W", "error", "-c", source, directory=tmp_path)
    assert done.stderr == ""
    # "..." stands for lines that differ from run to run; all else is there to the letter.
    parts = [re.escape(part) for part in printed.split("...\n")]
    assert re.fullmatch("(.*\n)*?".join(parts), done.stdout), done.stdout


def test_the_two_commands_that_look_at_a_store_work(tmp_path: Path) -> None:
    block = next(content for kind, content in BLOCKS if "verify DIR" in content)
    with FileStorage(StorageConfig(directory=f"{tmp_path}/DIR")) as store:
        store.append_log_entries([LogEntry(1, 1, b"set x 1")])
    answers = []
    for line in block.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "wavetank"
        done = run("-m", "wavetank", *arguments, directory=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        answers.append(done.stdout)
    verified, dumped = answers
    assert "DIR: sound" in verified
    assert "entry 1, batch 1" in dumped


def test_the_excerpt_is_what_its_command_shows(tmp_path: Path) -> None:
    (excerpt,) = [content for kind, content in BLOCKS if kind == "console"]
    command, *shown = excerpt.splitlines()
    prompt, program, *arguments = shlex.split(command)
    assert (prompt, program) == ("$", "wavetank")
    done = run("-m", "wavetank", *arguments, directory=tmp_path)
    assert done.returncode == 1
    really = iter([shape(line) for line in done.stdout.splitlines()])
    for line in shown:
        # Consumes what came until it is found: lines may be left out, their order stands.
        assert line == "..." or shape(line) in really, line
