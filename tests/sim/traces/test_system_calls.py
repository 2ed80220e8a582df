"""Lines of strace as values, exactly."""

import re
import sys

import pytest

from wavetank.sim.traces import CallReader, SystemCall, TraceError
from wavetank.sim.traces.strace.system_calls import CallBegun, Superseded, ThreadEnd, TraceEvent


def events(text: str, *, stacks: bool = False) -> list[TraceEvent]:
    reader = CallReader(stacks=stacks)
    found = [event for line in text.strip("\n").split("\n") for event in reader.read(line)]
    return [*found, *reader.finish()]


def test_one_line_is_one_call() -> None:
    text = r'7  openat(AT_FDCWD<\x2f>, "\x66", O_RDWR|O_CREAT, 0644) = 3<\x2f\x66>'
    assert events(text) == [
        SystemCall(
            pid=7,
            name="openat",
            arguments=(r"AT_FDCWD<\x2f>", r'"\x66"', "O_RDWR|O_CREAT", "0644"),
            result=3,
            line=1,
            begun=1,
            result_path=r"\x2f\x66",
        )
    ]


@pytest.mark.parametrize(
    ("line", "result", "errno"),
    [
        ("7 close(3) = 0", 0, ""),
        ("7 close(3)                               = -1 EBADF (Bad file descriptor)", -1, "EBADF"),
        ("7 mmap(NULL, 8192, PROT_READ, MAP_SHARED, 3, 0) = 0x7f0000001000", 0x7F0000001000, ""),
        ("7 exit_group(0) = ?", None, ""),
        ("7 write(3, 0x7f, 1) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)", None, "*"),
        ("7 exit_group(0 <unfinished ...>) = ?", None, ""),
        ("7 fcntl(3, F_GETFL) = 0x8002 (flags O_RDWR|O_LARGEFILE)", 0x8002, ""),
        ("7 poll([{fd=3, events=POLLIN}], 1, 0) = 0 (Timeout)", 0, ""),
        ("close(3) = 0", 0, ""),
        (r"7 dup(3</f>(deleted)) = 4<\x2f\x66>(deleted)", 4, ""),
    ],
)
def test_results(line: str, result: int | None, errno: str) -> None:
    [call] = events(line)
    assert isinstance(call, SystemCall)
    assert call.result == result
    assert call.errno == errno.replace("*", "ERESTARTSYS")
    assert call.has_succeeded == (result is not None and not errno)


def test_arguments_stand_between_commas_outside_of_brackets() -> None:
    vector = r'[{iov_base="\x61", iov_len=1}, {iov_base="", iov_len=0}]'
    [call] = events(rf"7 pwritev2(3<\x2f>, {vector}, 2, 5, 0) = 1")
    assert isinstance(call, SystemCall)
    assert call.arguments == (
        r"3<\x2f>",
        vector,
        *("2", "5", "0"),
    )


def test_calls_of_threads_are_put_together() -> None:
    text = """
7 fsync(3 <unfinished ...>
8 sendfile(3, 4, [0] <unfinished ...>
9 wait4(8,  <unfinished ...>
7 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---
8 <... sendfile resumed> => [3], 3) = 3
9 <... wait4 resumed>[{WIFEXITED(s)}], 0, NULL) = 8
7 <... fsync resumed>)              = 0
7 +++ exited with 0 +++
8 +++ killed by SIGKILL (core dumped) +++
"""
    begun = [
        CallBegun(pid=7, name="fsync", arguments="3", line=1),
        CallBegun(pid=8, name="sendfile", arguments="3, 4, [0]", line=2),
        CallBegun(pid=9, name="wait4", arguments="8, ", line=3),
    ]
    sent = ("3", "4", "[0] => [3]", "3")
    waited = ("8", "[{WIFEXITED(s)}]", "0", "NULL")
    assert events(text) == [
        *begun,
        SystemCall(pid=8, name="sendfile", arguments=sent, result=3, line=5, begun=2),
        SystemCall(pid=9, name="wait4", arguments=waited, result=8, line=6, begun=3),
        SystemCall(pid=7, name="fsync", arguments=("3",), result=0, line=7, begun=1),
        ThreadEnd(pid=7, how="exited with 0", line=8),
        ThreadEnd(pid=8, how="killed by SIGKILL (core dumped)", line=9),
    ]


def test_a_thread_that_runs_a_program_takes_the_first_ones_number() -> None:
    text = """
8 execve("", [], 0x7f <unfinished ...>
7 +++ superseded by execve in pid 8 +++
7 <... execve resumed>) = 0
"""
    assert events(text)[1:] == [
        Superseded(pid=7, by=8, line=2),
        SystemCall(pid=7, name="execve", arguments=('""', "[]", "0x7f"), result=0, line=3, begun=1),
    ]


def test_a_restarted_call_is_the_one_that_began() -> None:
    text = """
7 nanosleep({tv_sec=1} <unfinished ...>
7 <... restart_syscall resumed>) = 0
"""
    with pytest.raises(TraceError, match="line 2: expected a call that had begun"):
        events(text)
    [call] = events("7 restart_syscall(<... resuming interrupted nanosleep ...>) = 0")
    assert isinstance(call, SystemCall)
    assert call.name == "restart_syscall"


def test_stacks_follow_their_calls() -> None:
    text = """
7 close(3) = 0
 > /lib/libc.so(close+0x10) [0xf8350]
 > /prog(main+0x3f) [0x124a]
7 close(4) = 0
"""
    one, other = events(text, stacks=True)
    assert isinstance(one, SystemCall)
    assert one.stack == ("/lib/libc.so(close+0x10) [0xf8350]", "/prog(main+0x3f) [0x124a]")
    assert isinstance(other, SystemCall)
    assert other.stack == ()


@pytest.mark.parametrize("line", ["7 close(3", "hello", "7 write(3</f>, "])
def test_what_is_no_line_of_strace_is_refused(line: str) -> None:
    expected = re.escape(f"line 2: expected a line of strace but got {line.rstrip()!r}")
    with pytest.raises(TraceError, match=expected):
        events(f"7 close(3) = 0\n{line}")


def test_a_line_costs_the_same_steps_however_long_it_is() -> None:
    """Counts the functions that run for a write of one byte and for one of 64 KiB."""

    def calls_for(size: int) -> int:
        content = r"\x61" * size
        line = rf'7 pwrite64(3<\x2f>, "{content}", {size}, 0) = {size}'
        reader = CallReader()
        seen = 0

        def count(_frame: object, event: str, _argument: object) -> None:
            nonlocal seen
            seen += event in {"call", "c_call"}

        sys.setprofile(count)
        try:
            list(reader.read(line))
        finally:
            sys.setprofile(None)
        return seen

    assert calls_for(1) == calls_for(1 << 16) < 30
