"""Opens of a long log, after a kill and after a clean close, against a bare read of its file.

After a kill an open must read and verify all of the log, so a read of the whole file in chunks is
its limit. The file is in the page cache for both.

Run as ``python -m wavetank.reports.bench.opens DIR``, this module leaves what a killed node leaves:
it opens the store in DIR, appends an entry, prints its index, and kills itself before it closes.
"""

from __future__ import annotations

import os  # noqa: TID251 - the process that is killed kills itself
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from wavetank.engine import FileStorage, StorageConfig
from wavetank.reports.bench.comparison import ENGINE, RAW, Comparison, Site, Work
from wavetank.reports.bench.logs import FRAME_ENTRIES, check_equal, check_log, engine_log, entry_of

__all__ = ["AppenderFailedError", "compare_opens"]

_CHUNK_BYTES: Final = 4 << 20
_LOG_NAME: Final = "log.dat"


class AppenderFailedError(Exception):
    """The process that should append and be killed ended before that."""


@contextmanager
def compare_opens(site: Site, *, killed: bool) -> Iterator[Comparison]:
    """Compare an open of the engine with a read of the log in chunks.

    Args:
        site: where.
        killed: a process that had the store open was killed before each open.
    """
    directory = engine_log(site)
    attempt = _open_after_kill if killed else _open_after_close
    yield Comparison(
        contenders=lambda _: {
            ENGINE: partial(attempt, directory),
            RAW: partial(_raw_read, directory),
        },
        describe=lambda _: (
            f"a log of {site.scale.log_entries:,} entries in frames of {FRAME_ENTRIES}, cached"
        ),
    )


@contextmanager
def _open_after_kill(directory: Path) -> Iterator[Work]:
    done = subprocess.run(  # noqa: S603 - this interpreter, a module of ours
        [sys.executable, "-m", __spec__.name, str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != -signal.SIGKILL:
        # The last line of a traceback is the error itself.
        reason = done.stderr.strip().rpartition("\n")[2]
        raise AppenderFailedError(
            f"{ENGINE}, in a process to be killed: expected an append, got {reason}"
        )
    with _opening(directory, clean=False, last_index=int(done.stdout)) as work:
        yield work


@contextmanager
def _open_after_close(directory: Path) -> Iterator[Work]:
    with FileStorage(StorageConfig(directory=directory)) as store:
        last_index = store.last_log_index
    with _opening(directory, clean=True, last_index=last_index) as work:
        yield work


@contextmanager
def _opening(directory: Path, *, clean: bool, last_index: int) -> Iterator[Work]:
    opened: list[FileStorage] = []
    try:
        yield lambda: opened.append(FileStorage(StorageConfig(directory=directory)))
        (store,) = opened
        check_equal(store.recovery_report.clean, clean, f"{ENGINE}, closed cleanly before")
        check_log(store, last_index, who=ENGINE)
    finally:
        for store in opened:
            store.close()


@contextmanager
def _raw_read(directory: Path) -> Iterator[Work]:
    path = directory / _LOG_NAME
    buffer = bytearray(_CHUNK_BYTES)

    def work() -> None:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    yield work


def _append_and_be_killed(directory: str) -> None:
    store = FileStorage(StorageConfig(directory=directory))
    index = store.last_log_index + 1
    store.append_log_entries([entry_of(index)])
    sys.stdout.write(f"{index}\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _append_and_be_killed(sys.argv[1])
