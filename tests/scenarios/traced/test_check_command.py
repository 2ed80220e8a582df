"""A check that is a command: what it says, whatever it does, and that nothing of it is left."""

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from traced.images import data_image

from wavetank.scenarios import CheckError
from wavetank.scenarios.code.asking.answers import Answer, NotRunError, TooSlowError
from wavetank.scenarios.traced import CheckCommand, CommandError, CommandRuns, ImageProbing

LIMIT_S = 30.0
ACKED = ("one", "two")


def answers(
    command: str,
    *letters: bytes,
    acked: int = 2,
    limit_s: float = LIMIT_S,
    is_observed: bool = False,
) -> Sequence[Answer]:
    check = CheckCommand.of(command, is_observed=is_observed)
    with CommandRuns(check, "/data", ACKED, limit_s=limit_s, workers=2) as runs:
        return runs.run([data_image(f=each) for each in letters], acked)


def python(source: str) -> str:
    return f"{sys.executable} -c {shlex.quote(source)} {{dir}} {{acked}} {{count}}"


def said(command: str, **options: float) -> object:
    (answer,) = answers(command, b"x", limit_s=options.get("limit_s", LIMIT_S))
    assert answer.raised is None
    assert not answer.is_slow
    return answer.value


def is_alive(number: str) -> bool:
    try:
        status = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "expected a command but got an empty text"),
        ("check 'x {dir}", 'expected a command but "check \'x {dir}" has no closing quotation'),
        (
            "cat {dir} {ack}",
            "expected {dir}, {acked} or {count} but got {ack} in 'cat {dir} {ack}'",
        ),
        ("cat", "expected {dir} in 'cat', which stands for the directory to check"),
        (
            "cat {dir}/* | grep x",
            (
                "expected a command without a shell but got '*' in 'cat {dir}/* | grep x'; write "
                "sh -c '...' around it, or quotes around what is meant literally"
            ),
        ),
        (
            "X=1 cat {dir}",
            (
                "expected a command without a shell but got 'X=' in 'X=1 cat {dir}'; write "
                "sh -c '...' around it, or quotes around what is meant literally"
            ),
        ),
        ("no-such-program {dir}", "expected a program that is installed but got 'no-such-program'"),
    ],
)
def test_what_is_no_command_is_told_before_anything_runs(command: str, message: str) -> None:
    with pytest.raises(CommandError) as error:
        CheckCommand.of(command)
    assert str(error.value) == message


def test_quoted_letters_of_the_shell_are_no_shell() -> None:
    words = CheckCommand.of("sh -c 'cat \"$1\"/* | grep x; find . -exec echo {} \\;' - {dir}").words
    assert words[0] == "sh"
    assert words[-1] == "{dir}"


@pytest.mark.parametrize(
    ("command", "value"),
    [
        ("true {dir}", None),
        ("sh -c 'echo fine; exit 0' {dir}", None),
        ("sh -c 'echo no; echo bad; echo; echo worse >&2; exit 1' {dir}", "bad"),
        ("sh -c 'echo worse >&2; exit 1' {dir}", "worse"),
        ("sh -c 'exit 3' {dir}", "the check exited with code 3"),
        ("sh -c 'kill -SEGV $$' {dir}", "the check died of SIGSEGV"),
        ("sh -c 'kill -KILL $$' {dir}", "the check died of SIGKILL"),
        ("sh -c 'printf \"\\377\\n\"; exit 1' {dir}", "\\xff"),
        (python("raise ValueError('lost')"), "ValueError: lost"),
        (
            python("import sys; print(sys.stdin.read()); sys.exit(1)"),
            "the check exited with code 1",
        ),
        (python("import sys; sys.exit(open(sys.argv[1] + '/f').read())"), "x"),
        (python("import sys; sys.exit(open(sys.argv[2]).read())"), "two"),
        (python("import sys; sys.exit('of ' + sys.argv[3])"), "of 2"),
        (python("import sys; sys.exit(sys.argv[1] + '/f')"), "data/f"),
        (python("import os; os.chdir('/'); open('/dev/null').close()"), None),
        (python("import sys; print('m' * (8 << 20)); print('end'); sys.exit(1)"), "end"),
        (python("import sys; print('m' * (8 << 20)); sys.exit(1)"), "m" * 300),
    ],
)
def test_the_exit_code_and_the_last_line_are_the_verdict(command: str, value: str | None) -> None:
    assert said(command) == value


def test_a_check_runs_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("check.sh").write_text("pwd; exit 1", encoding="utf-8")
    assert said("sh check.sh {dir}") == str(tmp_path)


@pytest.mark.parametrize("code", [126, 127])
def test_a_program_that_is_missing_inside_the_command_is_no_complaint(code: int) -> None:
    with pytest.raises(CheckError) as error:
        said(f"sh -c 'echo not found >&2; exit {code}' {{dir}}")
    assert str(error.value) == (
        f"check: expected a program that runs but exit code {code}: not found"
    )


def test_what_is_observed_is_all_that_is_printed_and_a_failure_is_no_output() -> None:
    shown, failed = answers("cat {dir}/f", b"a\n\nb\n", b"", is_observed=True)
    assert shown.value == "a\n\nb\n"
    assert failed.value == ""
    (missing,) = answers("cat {dir}/none", b"", is_observed=True)
    assert missing.raised is not None
    assert missing.raised.sentence == "cat: data/none: No such file or directory"


@pytest.mark.parametrize("session", ["", "os.setsid();"])
def test_nothing_that_a_check_starts_outlives_it(session: str, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    source = (
        "import os, time\n"
        "if not os.fork():\n"
        f"    {session or 'pass'}\n"
        "    if not os.fork():\n"
        f"        open({str(pid)!r}, 'w').write(str(os.getpid()))\n"
        "        time.sleep(600)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        f"while not os.path.exists({str(pid)!r}) or not open({str(pid)!r}).read(): pass\n"
    )
    assert said(python(source)) is None
    assert not is_alive(pid.read_text(encoding="utf-8"))


def test_a_slow_check_is_killed_and_says_nothing(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = f"sh -c 'echo $$ > {pid}; sleep 600; true' {{dir}}"
    (answer,) = answers(command, b"", limit_s=0.5)
    assert answer == Answer(is_slow=True)
    assert not is_alive(pid.read_text(encoding="utf-8").strip())


@pytest.mark.parametrize(
    "act",
    [
        "shutil.rmtree(d)",
        "os.chmod(d, 0)",
        "os.chmod(d + '/f', 0)",
        "[open(d + '/%d' % n, 'w') for n in range(100)]",
        "open(d + '/f', 'w').write('changed')",
        "(os.rename(d, d + '2'), os.symlink('/', d))",
    ],
)
def test_what_a_check_does_to_its_directory_does_not_reach_the_next_image(act: str) -> None:
    source = (
        "import os, shutil, sys; d = sys.argv[1];"
        "seen = sorted(os.listdir(d)), open(d + '/f').read();"
        f"{act}; sys.exit(str(seen))"
    )
    check = CheckCommand.of(python(source))
    with CommandRuns(check, "/data", (), limit_s=LIMIT_S, workers=1) as runs:
        found = runs.run([data_image(f=b"1"), data_image(f=b"2"), data_image(f=b"1")], 0)
    assert [each.value for each in found] == ["(['f'], '1')", "(['f'], '2')", "(['f'], '1')"]


def test_answers_come_in_the_order_of_the_images_whatever_ends_first() -> None:
    source = (
        "import sys, time; c = open(sys.argv[1] + '/f').read(); time.sleep(float(c)); sys.exit(c)"
    )
    found = answers(python(source), b"0.5", b"0.1", b"0.3", b"0")
    assert [each.value for each in found] == ["0.5", "0.1", "0.3", "0"]


def probed(command: str, act: Callable[[ImageProbing], None], *, limit_s: float = LIMIT_S) -> int:
    check = CheckCommand.of(command)
    with CommandRuns(check, "/data", ACKED, limit_s=limit_s, workers=2) as runs:
        probing = ImageProbing(runs)
        act(probing)
        return probing.runs


def test_an_image_is_checked_once_for_each_number_of_tokens() -> None:
    def act(probing: ImageProbing) -> None:
        images = [data_image(f=b"1"), data_image(f=b"2"), data_image(f=b"1")]
        probing.prepare(images, 1)
        for image in images:
            assert probing.answer(image, 1).value == "1"
            assert probing.answer(image, 2).value == "2"

    assert probed("sh -c 'echo $1; exit 1' - {count} {dir}", act) == 4


def test_after_three_slow_checks_nothing_is_run_any_more() -> None:
    def act(probing: ImageProbing) -> None:
        for letter in (b"1", b"2", b"3"):
            with pytest.raises(TooSlowError):
                probing.answer(data_image(f=letter), 0)
        with pytest.raises(NotRunError) as error:
            probing.answer(data_image(f=b"4"), 0)
        assert type(error.value) is NotRunError

    assert probed("sh -c 'sleep 600' {dir}", act, limit_s=0.2) == 3
