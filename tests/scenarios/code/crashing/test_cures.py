"""A cure is a call that a person can put into a line, and it makes the finding go away."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wavetank.scenarios import CodeFinding, crash_test

Acknowledge = Callable[[object], None]
Workload = Callable[[str, Acknowledge], object]
Check = Callable[[str, list[object]], str | None]


def found(workload: Workload, check: Check, *profiles: str) -> tuple[CodeFinding, ...]:
    return crash_test(workload, check, profiles=profiles, raise_on_finding=False).findings


def line_of(function: object, text: str) -> str:
    """Return where a text stands in this file, as findings name places."""
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    start = function.__code__.co_firstlineno  # type: ignore[attr-defined]
    at = next(at for at in range(start, len(source)) if text in source[at])
    return f"{Path(__file__).name}:{at + 1}"


SYNCED: set[str] = set()


def save(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        if os.path.basename(path) in SYNCED:
            file.flush()
            os.fsync(file.fileno())


def two_files(directory: str, ack: Acknowledge) -> None:
    save(f"{directory}/journal.log", "noise")
    save(f"{directory}/state", "1")
    ack("saved")


def reads_state(directory: str, acked: list[object]) -> str | None:
    return "state lost" if acked and Path(directory, "state").read_text() != "1" else None


@pytest.mark.slow
def test_of_two_files_written_by_one_line_the_cure_names_the_right_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (finding,) = found(two_files, reads_state, "lazyfs")
    place = line_of(save, "with open")
    assert finding.cure == (
        f"fsync of /simulated/state after the write at {place}, before the next ack"
    )
    assert "of the file /simulated/state, which had not come" in finding.why
    monkeypatch.setattr(f"{__name__}.SYNCED", {"journal.log"})
    assert found(two_files, reads_state, "lazyfs") != ()
    monkeypatch.setattr(f"{__name__}.SYNCED", {"state"})
    assert found(two_files, reads_state, "lazyfs") == ()


@pytest.mark.slow
def test_where_every_file_of_a_line_matters_the_cure_says_so() -> None:
    names = ("blue", "green", "red", "white", "black", "pink")

    def workload(directory: str, ack: Acknowledge) -> None:
        for name in names:
            save(f"{directory}/{name}", "1")
        ack("saved")

    def check(directory: str, acked: list[object]) -> str | None:
        if acked and any(Path(directory, name).read_text() != "1" for name in names):
            return "a colour is gone"
        return None

    (finding,) = found(workload, check, "lazyfs")
    place = line_of(save, "with open")
    assert finding.cure == (
        f"fsync of every file such as /simulated/blue after the write at {place}, "
        f"before the next ack"
    )


def one_write_of_two_calls(directory: str, _ack: Acknowledge) -> None:
    """Fill a buffer, so that the next write is two system calls: the buffer, then the rest."""
    with open(f"{directory}/log", "wb", buffering=4096) as file:
        file.write(b"a" * 4096)
        file.write(b"b" * 4097)


# All cures that could be are tried before one is known to be none: hundreds of processes.
@pytest.mark.minutes
def test_no_cure_lies_inside_a_write() -> None:
    """Only a sync between the two calls would help, and nobody can write one there."""

    def check(directory: str, _acked: list[object]) -> str | None:
        path = Path(directory, "log")
        content = path.read_bytes() if path.exists() else b""
        later = content[4096:].strip(b"\0")
        return "a later part without the first" if later and content[0] == 0 else None

    (finding,) = found(one_write_of_two_calls, check, "posix")
    assert finding.kind == "damaged"
    assert finding.cure.startswith("no sync: what is appended to /simulated/log can always reach")


def test_a_rename_is_told_as_one() -> None:
    def workload(directory: str, ack: Acknowledge) -> None:
        for number in "01":
            new = Path(directory, "new")
            save(str(new), number)
            with new.open("rb") as file:
                os.fsync(file.fileno())
            new.replace(Path(directory, "state"))
            opened = os.open(directory, os.O_RDONLY)
            if number == "0":
                os.fsync(opened)
            os.close(opened)
            ack(number)

    def check(directory: str, acked: list[object]) -> str | None:
        state = Path(directory, "state").read_text() if acked else ""
        return None if state >= max(map(str, acked), default="") else "an old state"

    (finding,) = found(workload, check, "xfs")
    assert [each.partition(" (")[0] for each in finding.lost] == [
        "the rename of /simulated/new to /simulated/state over what was there"
    ]
    assert (
        "the rename of /simulated/new to /simulated/state over what was there needed a sync"
        in finding.why
    )
    assert finding.cure.startswith("fsync of the directory /simulated after the os.replace at ")


@pytest.mark.slow
def test_directories_in_which_nothing_is_left_are_told() -> None:
    def workload(directory: str, _ack: Acknowledge) -> None:
        os.makedirs(f"{directory}/db/index")
        os.symlink("index", f"{directory}/db/newest")
        Path(directory, "db/index/main").write_text("x", encoding="utf-8")

    def check(directory: str, _acked: list[object]) -> str | None:
        database = Path(directory, "db")
        return "no index" if database.exists() and not (database / "newest/main").exists() else None

    first = found(workload, check, "process-kill")[0]
    assert (first.files, first.others) == ((), ("/simulated/db/",))
    assert "left     /simulated/db/" in first.story()
    assert first.cure.startswith(
        "no sync: nothing was lost, a crash at this point leaves just this"
    )


@pytest.mark.slow
def test_every_kind_of_complaint_is_counted() -> None:
    """Only the first sixteen are explained; none is dropped."""
    letters = "abcdefghijklmnopqrst"

    def workload(directory: str, _ack: Acknowledge) -> None:
        for letter in letters:
            Path(directory, letter).touch()
        shutil.rmtree(f"{directory}/t", ignore_errors=True)

    def check(directory: str, _acked: list[object]) -> str | None:
        names = sorted(os.listdir(directory))
        return f"only up to letter {names[-1]}" if names and names[-1] != letters[-1] else None

    report = crash_test(workload, check, profiles=["process-kill"], raise_on_finding=False)
    (verdict,) = report.verdicts.values()
    assert [each.sentence[-1] for each in verdict.kinds] == list(letters[:-1])
    assert [each.count for each in verdict.kinds] == [1] * 19
    assert len(verdict.findings) == 16
    assert "; and 3 more kinds of complaint, not explained" in report.story()


@pytest.mark.slow
def test_a_log_that_began_empty_is_a_log() -> None:
    def workload(directory: str, _ack: Acknowledge) -> None:
        for letter in "ab":
            with open(f"{directory}/log", "a") as file:
                file.write(letter * 5000)

    def check(directory: str, _acked: list[object]) -> str | None:
        path = Path(directory, "log")
        size = path.stat().st_size if path.exists() else 0
        return "half a record" if size % 5000 else None

    (finding,) = found(workload, check, "process-kill")
    assert finding.cure.startswith("no sync: what is appended to /simulated/log can always reach")


def test_the_line_that_raised_is_the_users() -> None:
    def workload(directory: str, ack: Acknowledge) -> None:
        Path(directory, "f").write_text("1")
        ack(1)

    def check(directory: str, acked: list[object]) -> None:
        if acked:
            Path(directory, "f").read_text()

    finding = found(workload, check, "posix")[0]
    assert finding.sentence.startswith("FileNotFoundError")
    assert finding.raised_at.startswith("test_cures.py:")
    assert finding.raised_line == 'Path(directory, "f").read_text()'
