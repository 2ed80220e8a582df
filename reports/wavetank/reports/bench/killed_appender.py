"""A process that opens a store, appends one entry, says its index, and is killed.

Run as ``python -m wavetank.reports.bench.killed_appender DIR``. It leaves what a killed
node leaves: every append is in the files, and nothing is closed.
"""

from __future__ import annotations

import os  # noqa: TID251 - it kills itself
import signal
import sys

from wavetank.engine import FileStorage, StorageConfig
from wavetank.reports.bench.entries import entry_of

__all__ = ["main"]


def main(directory: str) -> None:
    """Append to a store and be killed before it is closed.

    Args:
        directory: of the store.
    """
    store = FileStorage(StorageConfig(directory=directory))
    index = store.last_log_index + 1
    store.append_log_entries([entry_of(index)])
    sys.stdout.write(f"{index}\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
