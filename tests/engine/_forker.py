"""The process that test_fork.py starts: it opens a store, forks, and says what the child could do.

Run as ``_forker.py DIRECTORY HOW`` in a process of its own, since a fork of the test's process
would inherit its threads. HOW is what the store is doing at the fork: ``idle``, ``read-only``, or
``saving``, with a thread inside `save_snapshot` that holds locks. Prints one JSON object.
"""

import hashlib
import json
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
    StorageError,
)

CALLS: dict[str, Callable[[FileStorage], object]] = {
    "save_state": lambda store: store.save_state(PersistentState(9, "child")),
    "load_state": lambda store: store.load_state(),
    "append_log_entries": lambda store: store.append_log_entries([LogEntry(4, 9, b"child")]),
    "get_log_entries": lambda store: store.get_log_entries(1, 3),
    "get_log_entry": lambda store: store.get_log_entry(1),
    "truncate_log_suffix": lambda store: store.truncate_log_suffix(2),
    "truncate_log_prefix": lambda store: store.truncate_log_prefix(2),
    "first_log_index": lambda store: store.first_log_index,
    "last_log_index": lambda store: store.last_log_index,
    "last_log_term": lambda store: store.last_log_term,
    "log_bounds": lambda store: store.log_bounds(),
    "save_snapshot": lambda store: store.save_snapshot(SnapshotMetadata(3, 1), b"child"),
    "backup": lambda store: store.backup("nowhere"),
    "load_snapshot": lambda store: store.load_snapshot(),
    "open_snapshot": lambda store: store.open_snapshot(),
    "metrics": lambda store: store.metrics(),
    "metrics_summary": lambda store: store.metrics_summary(),
    "reset_metrics": lambda store: store.reset_metrics(),
    "verify": lambda store: store.verify(),
}


def attempt(call: Callable[[], object]) -> str:
    """Return the type of the error that a call raises, or what it returns."""
    try:
        return repr(call())
    except Exception as error:  # noqa: BLE001 - the test judges it
        return type(error).__name__


def contents(directory: str) -> list[list[object]]:
    """Return name, inode, time of change and digest of every file."""
    found: list[list[object]] = []
    for path in sorted(Path(directory).iterdir()):
        stat, digest = path.stat(), hashlib.blake2b(path.read_bytes(), digest_size=8)
        found.append([path.name, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns])
        found[-1].append(digest.hexdigest())
    return found


def descriptors(directory: str) -> int:
    """Return how many descriptors this process has on files of the directory."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor of the listing itself is gone
            found += str(link.readlink()).startswith(directory)
    return found


def open_another(directory: str) -> str:
    with FileStorage(StorageConfig(directory=directory)):
        return "opened"


def look_as_child(store: FileStorage, directory: str) -> dict[str, object]:
    before, open_before = contents(directory), descriptors(directory)
    refused = {name: attempt(lambda c=call: c(store)) for name, call in CALLS.items()}  # type: ignore[misc]
    untouched = (contents(directory), descriptors(directory)) == (before, open_before)
    closed = [attempt(store.close), attempt(store.close)]
    return {
        "refused": refused,
        "untouched": untouched,
        "closed": closed,
        "left open": descriptors(directory),
        "untouched by close": contents(directory) == before,
        "after close": attempt(store.load_state),
        "opened again": attempt(lambda: open_another(directory)),
    }


def in_child(look: Callable[[], dict[str, object]]) -> dict[str, object]:
    """Return what a forked child sees."""
    results, told = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of 3.12: a fork beside threads
        child = os.fork()
    if child == 0:
        with os.fdopen(told, "w") as pipe:
            pipe.write(json.dumps(look()))
        os._exit(0)
    os.close(told)
    with os.fdopen(results) as pipe:
        seen: dict[str, object] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return seen


def prepare(directory: str) -> None:
    with FileStorage(StorageConfig(directory=directory)) as store:
        store.append_log_entries([LogEntry(index, 1, b"before") for index in (1, 2, 3)])
        store.save_snapshot(SnapshotMetadata(1, 1), b"before")


def main(directory: str, how: str) -> None:
    prepare(directory)
    inside, proceed = threading.Event(), threading.Event()

    def chunks() -> Iterator[bytes]:
        yield b"par"
        inside.set()
        proceed.wait()
        yield b"ent"

    options = FileStorageOptions(read_only=how == "read-only")
    store = FileStorage(StorageConfig(directory=directory), options)
    saver = threading.Thread(
        target=lambda: store.save_snapshot(SnapshotMetadata(2, 1), chunks()), daemon=True
    )
    if how == "saving":
        saver.start()
        inside.wait()
    seen = in_child(lambda: look_as_child(store, directory))
    if how == "saving":
        proceed.set()
        saver.join()
    if how != "read-only":
        store.append_log_entries([LogEntry(4, 1, b"parent")])
    seen["parent reads"] = store.get_log_entry(store.last_log_index).command.decode()
    store.close()
    seen["left open by parent"] = descriptors(directory)
    try:
        with FileStorage(StorageConfig(directory=directory)) as heir:
            seen["clean"] = heir.recovery_report.clean
            seen["snapshot"] = heir.load_snapshot()[1].decode()
    except StorageError as error:
        seen["reopened"] = repr(error)
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
