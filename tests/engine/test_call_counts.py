"""How many Python calls of the engine's own stand behind one operation, with the default options.

Each call costs time however fast the disk is, and each module is one more to read for whoever
follows an operation. Counts do not depend on the machine, so they can be held to a limit.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

import wavetank.engine
from wavetank.engine import FileStorage, LogEntry, StorageConfig

ENGINE: Final = str(Path(wavetank.engine.__file__).parent)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStorage]:
    with FileStorage(StorageConfig(directory=tmp_path / "store")) as opened:
        opened.append_log_entries([LogEntry(1, 1, b"first"), LogEntry(2, 1, b"second")])
        yield opened


def modules_called(operation: Callable[[], object]) -> list[str]:
    """Run an operation; return the engine's module of each of its Python calls, in order."""
    called: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(ENGINE):
            called.append(Path(frame.f_code.co_filename).relative_to(ENGINE).as_posix())

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        operation()
    finally:
        sys.setprofile(before)
    return called


def test_calls_are_counted_by_module(store: FileStorage) -> None:
    called = modules_called(store.load_state)
    assert "file_storage.py" in called
    assert modules_called(lambda: None) == []


def test_an_append_of_one_takes_at_most_25_calls_in_6_modules(store: FileStorage) -> None:
    batch = [LogEntry(3, 1, b"third")]
    called = modules_called(lambda: store.append_log_entries(batch))
    assert store.get_log_entry(3) == batch[0]
    assert 0 < len(called) <= 25, called
    assert len(set(called)) <= 6, sorted(set(called))


def test_a_point_read_takes_at_most_15_calls_in_6_modules(store: FileStorage) -> None:
    found: list[LogEntry] = []
    called = modules_called(lambda: found.append(store.get_log_entry(1)))
    assert found == [LogEntry(1, 1, b"first")]
    assert 0 < len(called) <= 15, called
    assert len(set(called)) <= 6, sorted(set(called))
