"""An error that is no StorageError strikes where a thread waits for another, or wakes it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event, current_thread
from typing import Final

import pytest
from attrs import define, field
from engine_site import entries
from interrupting import InterruptedFileSystem, InterruptedRuntime, Interruption, Moment

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    OsFileSystem,
    StorageConfig,
    StoragePoisonedError,
    ThreadRuntime,
)

PATIENCE_S: Final = 20


class Struck(BaseException):
    """An error that nobody can have expected."""


@define
class Meeting:
    """The first thread stops in a call until the second waits for it, or has ended.

    Args:
        stops_at: the call in which the first one stops.
        strikes: whose moment the error takes: `first` or `second`, and which moment.
    """

    stops_at: Moment
    strikes: tuple[str, Moment]
    stopped: Event = field(factory=Event)
    opened: Event = field(factory=Event)
    struck: bool = False

    def passing(self, moment: Moment) -> None:
        who = current_thread().name.partition("_")[0]
        if (who, moment) == ("first", self.stops_at) and not self.stopped.is_set():
            self.stopped.set()
            assert self.opened.wait(PATIENCE_S)
        strikes = (who, moment) == self.strikes and not self.struck
        if strikes and self.stopped.is_set():
            self.struck = True
            self.opened.set()
            raise Struck
        if (who, moment) == ("second", Moment("wait", "", after=False)):
            self.opened.set()


@define(eq=False)
class MeetingInterruption(Interruption):
    """Lets threads meet at the moments that pass."""

    meeting: Meeting | None = None

    def passing(self, call: str, name: str, *, after: bool) -> None:
        if self.meeting is not None:
            self.meeting.passing(Moment(call, name, after))


def meet(
    meeting: Meeting,
    directory: Path,
    first: Callable[[FileStorage], object],
    second: Callable[[FileStorage], object],
) -> tuple[FileStorage, InterruptedFileSystem, list[BaseException | None]]:
    """Let two threads meet; return the store, its files, and what ended each of them."""
    interruption = MeetingInterruption()
    filesystem = InterruptedFileSystem(OsFileSystem(), interruption)
    store = FileStorage(
        StorageConfig(directory=directory),
        FileStorageOptions(lock_timeout=PATIENCE_S),
        fs=filesystem,
        runtime=InterruptedRuntime(ThreadRuntime(), interruption),
    )
    store.append_log_entries(entries(1, 3))
    interruption.meeting = meeting
    with (
        ThreadPoolExecutor(1, thread_name_prefix="first") as one,
        ThreadPoolExecutor(1, thread_name_prefix="second") as two,
    ):
        firsts = one.submit(first, store)
        assert meeting.stopped.wait(PATIENCE_S)
        seconds: Future[object] = two.submit(second, store)
        seconds.add_done_callback(lambda _: meeting.opened.set())
        ended = [seconds.exception(PATIENCE_S), firsts.exception(PATIENCE_S)]
    interruption.meeting = None
    assert meeting.struck
    return store, filesystem, ended[::-1]


FIRST_WAKES: Final = [
    ("first", Moment("acquire", "", after=False)),
    ("first", Moment("notify_all", "", after=False)),
    ("first", Moment("notify_all", "", after=True)),
    ("first", Moment("release", "", after=True)),
]
SECOND_WAITS: Final = [
    ("second", Moment("acquire", "", after=False)),
    ("second", Moment("wait", "", after=False)),
    ("second", Moment("wait", "", after=True)),
    ("second", Moment("release", "", after=True)),
]


@pytest.mark.parametrize("strikes", FIRST_WAKES + SECOND_WAITS, ids=str)
@pytest.mark.parametrize("call", ["pwrite", "datasync"])
def test_appends_that_wait_for_each_other(
    tmp_path: Path, call: str, strikes: tuple[str, Moment]
) -> None:
    meeting = Meeting(Moment(call, "log.dat", after=False), strikes)
    store, filesystem, ended = meet(
        meeting,
        tmp_path / "store",
        lambda store: store.append_log_entries(entries(4, 4)),
        lambda store: store.append_log_entries(entries(5, 5)),
    )
    struck = ("first", "second").index(strikes[0])
    assert isinstance(ended[struck], Struck)
    other = ended[1 - struck]
    assert other is None or isinstance(other, StoragePoisonedError)
    least = 5 if ended[1] is None else 4 if ended[0] is None else 3
    last = store.last_log_index
    assert last >= least
    assert list(store) == entries(1, last)
    try:
        store.append_log_entries(entries(last + 1, last + 1))
        least = last + 1
    except StoragePoisonedError as refusal:
        assert "Struck" in str(refusal)  # noqa: PT017 - one of two right outcomes
    store.close()
    assert filesystem.open_files == []
    with FileStorage(StorageConfig(directory=tmp_path / "store")) as store:
        assert store.last_log_index >= least
        assert list(store) == entries(1, store.last_log_index)


@pytest.mark.parametrize("strikes", FIRST_WAKES + SECOND_WAITS, ids=str)
def test_a_close_that_waits_for_a_reader(tmp_path: Path, strikes: tuple[str, Moment]) -> None:
    found: list[object] = []
    meeting = Meeting(Moment("pread", "log.dat", after=False), strikes)
    store, filesystem, ended = meet(
        meeting,
        tmp_path / "store",
        lambda store: found.append(store.get_log_entry(2)),
        lambda store: store.close(),
    )
    struck = ("first", "second").index(strikes[0])
    assert isinstance(ended[struck], Struck)
    assert ended[1 - struck] is None
    if ended[0] is None:
        assert found == entries(2, 2)
    store.close()
    assert filesystem.open_files == []
    with FileStorage(StorageConfig(directory=tmp_path / "store")) as store:
        assert list(store) == entries(1, 3)


@pytest.mark.parametrize("strikes", FIRST_WAKES, ids=str)
def test_an_append_that_is_struck_once_it_is_durable_is_there_and_stays(
    tmp_path: Path, strikes: tuple[str, Moment]
) -> None:
    store, filesystem, ended = meet(
        Meeting(Moment("pwrite", "log.dat", after=False), strikes),
        tmp_path / "store",
        lambda store: store.append_log_entries(entries(4, 4)),
        lambda store: store.verify(),
    )
    assert isinstance(ended[0], Struck)
    assert list(store) == entries(1, 4)
    store.append_log_entries(entries(5, 5))
    store.close()
    assert filesystem.open_files == []
    with FileStorage(StorageConfig(directory=tmp_path / "store")) as store:
        assert list(store) == entries(1, 5)
