"""Checkers that stay: the protocol, from C, from a shell and from Python; how they end."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from traced.images import data_image

from wavetank.scenarios import CheckError
from wavetank.scenarios.code.asking.answers import Answer
from wavetank.scenarios.traced import CommandError, CommandRuns, PersistentCheck

LIMIT_S: Final = 30.0
SUPPORT: Final = Path(__file__).parents[2] / "support" / "traced"


def answers(
    command: str,
    *letters: bytes,
    acked: int = 2,
    directory: str = "/data",
    limit_s: float = LIMIT_S,
    is_observed: bool = False,
) -> Sequence[Answer]:
    with (
        PersistentCheck.of(command, is_observed=is_observed) as check,
        CommandRuns(check, directory, ("one", "two"), limit_s=limit_s, workers=1) as runs,
    ):
        return runs.run([data_image(f=each) for each in letters], acked)


def said(command: str, *letters: bytes, acked: int = 2) -> list[object]:
    return [each.value for each in answers(command, *letters, acked=acked)]


def script(tmp_path: Path, source: str) -> str:
    path = tmp_path / "checker.py"
    path.write_text(source, encoding="utf-8")
    return shlex.join([sys.executable, str(path)])


def refused(command: str, *letters: bytes) -> str:
    with pytest.raises(CheckError) as error:
        answers(command, *letters)
    return str(error.value)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_checker_in_c_goes_on_as_a_new_process_after_it_has_died(tmp_path: Path) -> None:
    program = tmp_path / "checker"
    subprocess.run(["gcc", "-o", program, SUPPORT / "checker.c"], check=True)
    assert said(str(program), b"abc", b"a", b"!", b"", b"ab") == [
        None,
        "1 of 2 letters",
        "the check died of SIGABRT",
        "0 of 2 letters",
        None,
    ]


def test_a_checker_in_a_shell_is_one_process_for_all_images() -> None:
    loop = (
        "while read -r word dir acked count; do seen=$((seen + 1)); "
        'echo "bad $seen: $word, $(cat $dir/f), $(tail -n 1 $acked), $count"; done'
    )
    command = shlex.join(["sh", "-c", loop])
    assert said(command, b"x", b"y") == ["1: check, x, two, 2", "2: check, y, two, 2"]


SERVED: Final = """
import os, sys, time
from wavetank.serving import serve_checks

seen = []

def check(directory, acked):
    seen.append(directory)
    print("noise", len(acked))
    content = (directory / "f").read_text()
    if content == "killed":
        os.kill(os.getpid(), 9)
    if content == "exit":
        sys.exit(3)
    if content == "leave":
        sys.exit()
    if content == "daemon" and not os.fork():
        os.setsid()
        time.sleep(600)
    if content == "read":
        return repr(sys.stdin.read())
    if content == "rubbish":
        return 7
    if content == "misspelt":
        return nothing
    if content == "two lines":
        return "one\\ntwo"
    return None if content.split() == acked else f"{acked} became {content} in {seen}"

serve_checks(check)
"""


def test_each_image_has_a_fork_of_its_own_in_python(tmp_path: Path) -> None:
    command = script(tmp_path, SERVED)
    letters = [
        b"one two",
        b"one",
        b"one",
        b"killed",
        b"exit",
        b"leave",
        b"daemon",
        b"read",
        b"two lines",
    ]
    served = said(command, *letters)
    assert served == [
        None,
        "['one', 'two'] became one in [PosixPath('data')]",
        "['one', 'two'] became one in [PosixPath('data')]",
        "the check was killed by SIGKILL",
        "SystemExit: 3 (checker.py:14 in check)",
        None,
        "['one', 'two'] became daemon in [PosixPath('data')]",
        "''",
        "one two",
    ]


LATE: Final = """
import os, select
from wavetank.serving import serve_checks

real, looks = select.select, []

def late(*streams):
    looks.append(streams)
    if len(looks) > 1:
        return real(*streams)
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    return [], [], []

select.select = late
serve_checks(lambda directory, acked: "spoken")
"""
"""A checker that looks for an answer, sees none, and looks again when the fork has ended."""


def test_a_fork_that_speaks_and_ends_between_two_looks_is_heard(tmp_path: Path) -> None:
    assert said(script(tmp_path, LATE), b"") == ["spoken"]


def test_what_is_wrong_with_a_served_check_itself_is_no_complaint(tmp_path: Path) -> None:
    command = script(tmp_path, SERVED)
    assert refused(command, b"rubbish") == (
        "check: expected None or a sentence but the check returned 7"
    )
    assert refused(command, b"misspelt") == (
        "check: NameError: name 'nothing' is not defined (checker.py:25 in check)"
    )


def test_what_a_served_check_returns_is_what_is_observed(tmp_path: Path) -> None:
    command = script(tmp_path, SERVED)
    (answer,) = answers(command, b"one", is_observed=True)
    assert answer.value == "\"['one', 'two'] became one in [PosixPath('data')]\""


ONCE: Final = """
import sys
for number, line in enumerate(sys.stdin):
    content = open(line.split()[1] + "/f").read()
    if content == "dies second" and number:
        sys.exit(1)
    if content == "dies":
        print("last words", file=sys.stderr)
        sys.exit(5)
    if content == "slow":
        import time
        time.sleep(600)
    print(content if content.startswith("print ") else "ok", flush=True)
"""


def test_who_dies_without_an_answer_is_asked_once_more_as_a_new_process(tmp_path: Path) -> None:
    command = script(tmp_path, ONCE)
    assert said(command, b"", b"dies second", b"dies", b"") == [
        None,
        None,
        "the check exited with code 5 without an answer: last words",
        None,
    ]


def test_a_slow_checker_is_killed_and_a_new_one_started(tmp_path: Path) -> None:
    slow, next_ = answers(script(tmp_path, ONCE), b"slow", b"", limit_s=1.0)
    assert [slow, next_] == [Answer(is_slow=True), Answer()]


@pytest.mark.parametrize(
    ("letters", "answer"),
    [(b"print fine", "print fine"), (b"print ok", "print ok")],
)
def test_rubbish_is_told_and_no_verdict(tmp_path: Path, letters: bytes, answer: str) -> None:
    assert refused(script(tmp_path, ONCE), letters) == (
        f"check: expected the answer 'ok' or 'bad SENTENCE' from the persistent checker but got "
        f"'{answer}'; what else it prints must go to its standard error"
    )


def test_more_than_one_line_is_told() -> None:
    command = "sh -c 'while read -r line; do printf \"ok\\nok\\n\"; done'"
    assert refused(command, b"") == (
        "check: expected one line for an image from the persistent checker but after b'ok' came "
        "b'ok\\n'"
    )


def test_a_missing_program_is_no_complaint() -> None:
    assert refused("sh -c 'no-such-checker; exit 127'", b"").startswith(
        "check: expected a program that runs but exit code 127: "
    )


def test_a_checker_that_stays_is_given_no_directory_in_its_command() -> None:
    with pytest.raises(CommandError) as error:
        PersistentCheck.of("check {dir}")
    assert str(error.value) == (
        "expected a persistent checker without {dir} but got 'check {dir}'; it reads the directory "
        "of each image from its standard input"
    )
