"""Drivers that keep to the protocol, and drivers that do not."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from compiled_drivers import journal, needs_gcc, python_driver

from wavetank.engine import (
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    EntryConflictError,
    EntryNotFoundError,
    FileStorageOptions,
    IndexOutOfRangeError,
    LogEntry,
    NonContiguousEntriesError,
    NoSnapshotError,
    OsFileSystem,
    PersistentState,
    SnapshotMetadata,
    SnapshotOutOfDateError,
    StateRegressionError,
    Storage,
    StorageClosedError,
    StorageError,
    StorageIOError,
    StorageLockedError,
    ThreadRuntime,
)
from wavetank.scenarios import Capability, Site, StoreAdapter, StoreNotFoundError, find_store
from wavetank.scenarios.stores.command import (
    CommandError,
    DriverAnswerError,
    DriverEndedError,
    DriverStartError,
    DriverTimeoutError,
    command_store,
)

READY = "print('ready 1 votes snapshots truncate-suffix limited-reads', flush=True)\n"
LIMIT_S = 0.5
ANSWERING = f"""import sys
{READY}
for request in sys.stdin:
    verb = request.split()[0]
    if verb == "close":
        print("ok", flush=True)
        break
    print({{answers}}.get(verb, "ok"), flush=True)
"""


def answering(folder: Path, answers: dict[str, str]) -> StoreAdapter:
    """Return a store whose driver has a fixed answer for each verb."""
    code = ANSWERING.replace("{answers}", repr(answers))
    return command_store(python_driver(folder / "driver.py", code), limit_s=5.0)


def opened(store: StoreAdapter, folder: Path) -> Storage:
    return store.open(
        Site(
            fs=OsFileSystem(),
            runtime=ThreadRuntime(),
            directory=str(folder / "disk" / "store"),
            options=FileStorageOptions(),
        )
    )


@needs_gcc
def test_a_driver_is_a_store(tmp_path: Path) -> None:
    adapter = find_store(f"command:{journal()} {{dir}}")
    assert adapter.name == f"command:{journal()} {{dir}}"
    assert adapter.capabilities == {
        Capability.VOTES,
        Capability.TRUNCATE_SUFFIX,
        Capability.DURABLE_APPENDS,
        Capability.ATOMIC_BATCHES,
        Capability.REFUSES_GAPS,
    }
    store = opened(adapter, tmp_path)
    entries = (LogEntry(1, 1, b"a\n \0"), LogEntry(2, 3, b""), LogEntry(3, 3, bytes(range(256))))
    store.append_log_entries(entries)
    store.save_state(PersistentState(7, "node ü"))
    with pytest.raises(NonContiguousEntriesError, match="entries must follow the last one"):
        store.append_log_entries([LogEntry(9, 3, b"")])
    store.truncate_log_suffix(3)
    store.close()
    with pytest.raises(StorageClosedError):
        store.load_state()
    store = opened(adapter, tmp_path)
    assert tuple(store.get_log_entries(1, 3)) == entries[:2]
    assert store.get_log_entry(2) == entries[1]
    assert (store.first_log_index, store.last_log_index, store.last_log_term) == (1, 2, 3)
    assert store.load_state() == PersistentState(7, "node ü")
    store.close()


@pytest.mark.parametrize(
    ("answer", "verb", "expected"),
    [
        ("error refused no", "append", NonContiguousEntriesError),
        ("error refused no", "save-state", StateRegressionError),
        ("error refused no", "save-snapshot", SnapshotOutOfDateError),
        ("error refused no", "truncate-suffix", EntryConflictError),
        ("error not-found no", "read", EntryNotFoundError),
        ("error not-found no", "load-snapshot", NoSnapshotError),
        ("error out-of-range no", "read", IndexOutOfRangeError),
        ("error damaged no", "read", CorruptedLogError),
        ("error damaged no", "load-state", CorruptedStateError),
        ("error damaged no", "load-snapshot", CorruptedSnapshotError),
        ("error in-use no", "append", StorageLockedError),
        ("error io no", "append", StorageIOError),
    ],
)
def test_the_errors_of_a_driver_are_those_of_the_engine(
    tmp_path: Path, answer: str, verb: str, expected: type[StorageError]
) -> None:
    store = opened(answering(tmp_path, {verb: answer}), tmp_path)
    with pytest.raises(expected, match=r"^no$"):
        _call(store, verb)
    store.close()


WORDS = "not-found, out-of-range, refused, damaged, in-use, io"
RANGE = "LogEntry.index: expected 1 <= value <= 2**64-1 but got 0"


@pytest.mark.parametrize(
    ("verb", "answer", "wanted", "came"),
    [
        ("append", "fine", "a line that begins with 'ok' or 'error'", "fine"),
        ("append", "ok 1", "'ok' alone", "ok 1"),
        ("append", "error odd x", f"'error' and one of {WORDS}", "error odd x"),
        ("bounds", "ok 1 -1", "decimal numbers", "ok 1 -1"),
        ("bounds", "ok 1", "'ok' and 2 decimal numbers", "ok 1"),
        ("read", "ok 1 1", "'ok' and three words for each entry", "ok 1 1"),
        ("read", "ok 1 1 xyz", "bytes in hexadecimal, or '-' for none", "xyz"),
        ("read", "ok 0 1 -", RANGE, "0 1 -"),
        ("load-state", "ok 1 ff", "a vote in UTF-8", "ff"),
        ("load-snapshot", "ok", "'ok', index, term and content", "ok"),
    ],
)
def test_an_answer_that_makes_no_sense_is_told_and_ends_the_driver(
    tmp_path: Path, verb: str, answer: str, wanted: str, came: str
) -> None:
    store = opened(answering(tmp_path, {verb: answer}), tmp_path)
    with pytest.raises(DriverAnswerError) as caught:
        _call(store, verb)
    assert str(caught.value) == f"{verb}: expected {wanted} but the driver wrote {came!r}"
    with pytest.raises(DriverEndedError, match="expected a driver that runs but it is gone"):
        store.load_state()


def _call(store: Storage, verb: str) -> None:
    match verb:
        case "append":
            store.append_log_entries([LogEntry(1, 1, b"x")])
        case "save-state":
            store.save_state(PersistentState(1, "a"))
        case "save-snapshot":
            store.save_snapshot(SnapshotMetadata(1, 1), [b"x", b"y"])
        case "truncate-suffix":
            store.truncate_log_suffix(1)
        case "read":
            store.get_log_entries(1, 2)
        case "load-state":
            store.load_state()
        case "load-snapshot":
            store.load_snapshot()
        case _:
            _ = store.last_log_index


def test_what_a_driver_says_names_no_real_directory(tmp_path: Path) -> None:
    code = "import sys\nprint(f'error io {sys.argv[1]}/log is odd', flush=True)"
    with pytest.raises(StorageIOError, match=r"^/store/log is odd$"):
        command_store(python_driver(tmp_path / "driver.py", code))


FIRST_LINE = "'ready 1' and its capabilities but the driver wrote"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("hello", f"start: expected {FIRST_LINE} 'hello'"),
        ("ready 2 votes", f"start: expected {FIRST_LINE} 'ready 2 votes'"),
        ("ready 1 thread-safe", "start: expected capabilities out of votes, "),
    ],
)
def test_a_first_line_that_makes_no_sense_is_told(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DriverAnswerError) as caught:
        command_store(python_driver(tmp_path / "driver.py", f"print({line!r})"))
    assert str(caught.value).startswith(message)


def test_a_driver_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    code = f"import sys\n{READY}input()\nsys.exit('out of luck')"
    with pytest.raises(DriverEndedError) as caught:
        command_store(python_driver(tmp_path / "driver.py", code))
    assert str(caught.value).startswith("close: expected an answer of ")
    assert str(caught.value).endswith("but it ended with exit code 1; it had said: out of luck")


def test_a_driver_that_ends_with_an_error_behind_its_last_answer_is_told(tmp_path: Path) -> None:
    code = f"import sys\n{READY}input()\nprint('ok', flush=True)\nsys.exit(3)"
    with pytest.raises(DriverEndedError, match=r"to end with exit code 0 but it was 3$"):
        command_store(python_driver(tmp_path / "driver.py", code))


def test_a_driver_that_writes_too_much_is_told(tmp_path: Path) -> None:
    code = "print('ready 1\\ndebug', flush=True)\ninput()"
    command = python_driver(tmp_path / "driver.py", code)
    with pytest.raises(DriverAnswerError) as caught:
        command_store(command)
    assert str(caught.value) == (
        f"close: expected {command.split()[0]} to write one line for each request but before this "
        f"one it had written 'debug\\n', too"
    )


@pytest.mark.parametrize(
    "code", ["import time; time.sleep(60)", f"{READY}import time; time.sleep(60)"]
)
def test_a_driver_that_does_not_answer_is_killed_with_all_that_it_started(
    tmp_path: Path, code: str
) -> None:
    child = tmp_path / "child"
    start = (
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(child)!r}, 'w').write(str(child.pid))\n"
    )
    command = python_driver(tmp_path / "driver.py", start + code).replace("-S ", "")
    with pytest.raises(DriverTimeoutError, match=r"within 0\.5 s but nothing came$"):
        command_store(command, limit_s=LIMIT_S)
    _require_gone(int(child.read_text()))


def _require_gone(pid: int) -> None:
    # It is killed already; whoever has inherited it may take a moment to reap it.
    for _ in range(200):
        with suppress(FileNotFoundError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z":
                time.sleep(0.01)
                continue
        return
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"process {pid} is left running")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("driver", "expected a program and, among its arguments, {dir}"),
        ("{dir}", "expected a program and, among its arguments, {dir}"),
        ("", "expected a program and, among its arguments, {dir}"),
        ("'driver {dir}", "has no closing quotation"),
    ],
)
def test_a_command_without_a_directory_is_refused(command: str, message: str) -> None:
    with pytest.raises(CommandError) as caught:
        command_store(command)
    assert message in str(caught.value)
    with pytest.raises(StoreNotFoundError, match="backend: command: expected"):
        find_store(f"command:{command}")


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(DriverStartError) as caught:
        command_store("./no-such-driver {dir}")
    assert str(caught.value) == (
        "expected a program that can be run but got './no-such-driver': No such file or directory"
    )
