"""Open the engine on a directory in a process of its own, and print everything it shows.

Run as a script, so that nothing but the engine is imported: the least that a process per image can
do. It reads the directory and the options as a pickle on stdin, and writes a pickle on stdout: the
name of an error, or "" and all that was read.
"""

import os  # noqa: TID251 - the process ends without closing the store, as a killed one does
import pickle
import sys
from pathlib import Path

from wavetank.engine import FileStorage, LogEntry, NoSnapshotError, StorageConfig


def main() -> None:
    """Answer the question on stdin."""
    directory, options = pickle.load(sys.stdin.buffer)  # noqa: S301 - its own parent wrote it
    try:
        store = FileStorage(StorageConfig(directory=Path(directory)), options)
        bounds = store.log_bounds()
        entries: tuple[LogEntry, ...] = ()
        if bounds.first_index <= bounds.last_index:
            entries = tuple(store.get_log_entries(bounds.first_index, bounds.last_index + 1))
        try:
            snapshot = store.load_snapshot()
        except NoSnapshotError:
            snapshot = None
        answer: tuple[str, object] = ("", (store.load_state(), bounds, entries, snapshot))
    except Exception as error:  # noqa: BLE001 - whatever the engine raises is the answer
        answer = (type(error).__name__, None)
    sys.stdout.buffer.write(pickle.dumps(answer))
    sys.stdout.buffer.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
