"""Calls of any Python code that fail on purpose: what the code leaves then is judged, too."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from wavetank.faults import FaultSyntaxError
from wavetank.scenarios import CrashReport, WorkloadError, crash_test, every
from wavetank.sim.python_files import SimulatedDirectory

Acknowledge = Callable[[object], None]


def sync(path: str | Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


# A queue that writes the length of a record behind it, and one that goes back if it cannot.


def push(path: Path, record: bytes) -> None:
    with open(path, "ab") as file:
        file.write(record)
        file.write(len(record).to_bytes(4, "big"))
        file.flush()
        os.fsync(file.fileno())


def push_or_take_back(path: Path, record: bytes) -> None:
    size = path.stat().st_size if path.exists() else 0
    try:
        push(path, record)
    except OSError:
        os.truncate(path, size)
        raise


def pushing(push: Callable[[Path, bytes], None]) -> Callable[..., None]:
    def workload(directory: SimulatedDirectory, _ack: Acknowledge) -> None:
        for letter in (b"a", b"b", b"c"):
            push(directory / "queue", letter * 9000)

    return workload


def last_record(directory: SimulatedDirectory, _acked: list[object]) -> str | None:
    path = directory / "queue"
    content = path.read_bytes() if path.exists() else b""
    length = int.from_bytes(content[-4:], "big")
    return None if not content or length == 9000 else f"a record of {length} bytes"


def explored(push: Callable[[Path, bytes], None], **options: object) -> CrashReport:
    return crash_test(
        pushing(push),
        last_record,
        profiles=["process-kill"],
        raise_on_finding=False,
        tearing=None,
        **options,  # type: ignore[arg-type] # faults and capacity_bytes
    )


def told(report: CrashReport) -> list[tuple[str, str]]:
    return [(each.fault, each.sentence) for each in report.findings if each.fault]


def test_half_a_record_behind_a_full_disk_is_found() -> None:
    report = explored(push, capacity_bytes=4 * 4096)
    assert report.faulty_runs == (
        (
            "a disk of 16384 bytes",
            "OSError: [Errno 28] No space left on device: '/simulated/queue'",
        ),
    )
    ((fault, sentence),) = told(report)
    assert (fault, sentence) == ("a disk of 16384 bytes", "a record of 1633771873 bytes")
    story = next(each.story() for each in report.findings if each.fault)
    assert "fault    a disk of 16384 bytes" in story


@pytest.mark.slow
def test_a_short_write_and_an_error_in_the_middle_are_found() -> None:
    report = explored(push, faults=["write #2: fail EIO after 100 bytes"])
    assert told(report) == [("write #2: fail EIO after 100 bytes", "a record of 1633771873 bytes")]


@pytest.mark.slow
def test_each_operation_can_fail_in_turn() -> None:
    """Each of the three records takes two writes: the first buffer, and what is left."""
    report = explored(push, faults=[every("write: fail ENOSPC after 10 bytes")])
    lines = [line for line, _ in report.faulty_runs]
    assert lines == [f"write #{number}: fail ENOSPC after 10 bytes" for number in range(1, 7)]
    assert {line for line, _ in told(report)} <= set(lines)


@pytest.mark.slow
def test_code_that_takes_back_what_it_could_not_write_passes_at_once() -> None:
    """A kill inside the write still leaves half a record; without one nothing is left."""
    faults = [every("write: fail ENOSPC after 10 bytes"), every("fsync: fail EIO")]

    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        with suppress(OSError):
            pushing(push_or_take_back)(directory, ack)
        (directory / "queue").rename(directory / "done")

    def check(directory: SimulatedDirectory, _acked: list[object]) -> str | None:
        path = directory / "done"
        if not path.exists():
            return None
        return "odd" if path.stat().st_size % 9004 else None

    report = crash_test(workload, check, profiles=["process-kill"], faults=faults)
    assert report.outcome == "pass"
    assert len(report.faulty_runs) == 6 + 3
    assert all(ended == "" for _, ended in report.faulty_runs)


# What is observed under faults.


def save(directory: SimulatedDirectory, value: int) -> None:
    new = directory / "new"
    with open(new, "w") as file:
        json.dump({"value": value}, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(directory / "config")
    sync(directory)


def save_in_place(directory: SimulatedDirectory, value: int) -> None:
    (directory / "config").write_text(json.dumps({"value": value}))


def load(directory: SimulatedDirectory) -> object:
    path = directory / "config"
    return json.loads(path.read_text()) if path.exists() else None


FAULTS = [every("write: fail ENOSPC"), every("fsync: fail EIO"), every("open: fail EMFILE")]


@pytest.mark.slow
@pytest.mark.parametrize("observe", [load, None])
def test_right_code_is_right_under_each_failure(
    observe: Callable[[SimulatedDirectory], object] | None,
) -> None:
    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        for value in range(2):
            save(directory, value)
            ack(value)

    report = crash_test(
        workload, observe=observe, profiles=["process-kill", "lazyfs"], faults=FAULTS
    )
    assert report.outcome == "pass"
    assert len(report.faulty_runs) == 2 + 2 + 4, "2 writes, 2 syncs of files, 4 opens"


@pytest.mark.slow
@pytest.mark.parametrize("observe", [load, None])
def test_a_file_emptied_before_a_write_that_fails_is_found(
    observe: Callable[[SimulatedDirectory], object] | None,
) -> None:
    def workload(directory: SimulatedDirectory, _ack: Acknowledge) -> None:
        save_in_place(directory, 0)
        sync(directory / "config")
        sync(directory)
        save_in_place(directory, 1)

    report = crash_test(
        workload,
        observe=observe,
        profiles=["sequential"],
        faults=["write #2: fail ENOSPC"],
        raise_on_finding=False,
    )
    assert "write #2: fail ENOSPC" in [each.fault for each in report.findings]


# Filesystems of their own.


def move(directory: SimulatedDirectory, _ack: Acknowledge) -> None:
    for content in (b"1", b"2"):
        with tempfile.NamedTemporaryFile("wb", delete=False) as file:
            file.write(content * 20000)
            file.flush()
            os.fsync(file.fileno())
        shutil.move(file.name, directory / "f")


def whole(directory: SimulatedDirectory, _acked: list[object]) -> str | None:
    path = directory / "f"
    if not path.exists() or path.read_bytes() in {b"1" * 20000, b"2" * 20000}:
        return None
    return f"half a file: {path.stat().st_size} bytes"


@pytest.mark.slow
def test_a_move_from_another_filesystem_is_a_copy() -> None:
    assert crash_test(move, whole, profiles=["process-kill"]).outcome == "pass"
    report = crash_test(
        move,
        whole,
        profiles=["process-kill"],
        separate_filesystems=[tempfile.gettempdir()],
        raise_on_finding=False,
    )
    assert report.findings[0].sentence.startswith("half a file")


@pytest.mark.slow
def test_no_rename_and_no_link_leads_to_another_filesystem() -> None:
    def workload(directory: SimulatedDirectory, ack: Acknowledge) -> None:
        (directory / "a").mkdir()
        (directory / "a" / "f").touch()
        for call in (os.rename, os.replace, os.link):
            with pytest.raises(OSError, match="cross-device") as caught:
                call(directory / "a" / "f", directory / "f")
            assert caught.value.errno == errno.EXDEV
        os.rename(directory / "a" / "f", directory / "a" / "g")
        os.symlink(directory / "a" / "g", directory / "link")
        ack(1)

    def check(directory: SimulatedDirectory, acked: list[object]) -> str | None:
        return "gone" if acked and not (directory / "a" / "g").exists() else None

    separate = ["/simulated/a"]
    report = crash_test(workload, check, profiles=["process-kill"], separate_filesystems=separate)
    assert report.outcome == "pass"


# What is refused, and what tests nothing.


@pytest.mark.slow
def test_a_fault_that_never_fires_is_told() -> None:
    with pytest.warns(UserWarning, match="faults that never fired: rename #9: fail EIO"):
        report = explored(push, faults=["rename #9: fail EIO"])
    assert report.silent_faults == ("rename #9: fail EIO",)


@pytest.mark.slow
def test_an_error_that_no_fault_has_caused_is_still_one_of_the_workload() -> None:
    def workload(directory: SimulatedDirectory, _ack: Acknowledge) -> None:
        (directory / "f").touch()
        raise ValueError("not mine")

    with pytest.raises(WorkloadError, match="ValueError: not mine"):
        crash_test(workload, faults=["rename #9: fail EIO"])


@pytest.mark.parametrize(
    ("faults", "error", "words"),
    [
        (["fsnc: fail EIO"], FaultSyntaxError, "nearest match: fsync"),
        (["write: lost"], ValueError, "expected an error, a short transfer or a full disk"),
        (["fsync: fail EIO ext4"], ValueError, "expected an error, a short transfer"),
        ("fsync: fail EIO", TypeError, "faults: expected a sequence of lines"),
    ],
)
def test_a_wrong_fault_is_refused_before_anything_runs(
    faults: list[str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        crash_test(lambda _d, _ack: pytest.fail("it ran"), faults=faults)


def test_every_takes_a_fault_without_a_number() -> None:
    with pytest.raises(ValueError, match="expected a fault without a number"):
        every("fsync #3: fail EIO")
