"""Whatever lies in a directory: a typed error or the truth, and a refusal changes nothing.

On the real filesystem, since links, FIFOs and sparse files are its business.
"""

import os
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from attrs import evolve
from engine_site import NOTHING_RETAINED, EngineSite, entries
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    CorruptedLogError,
    FileStorage,
    FileStorageOptions,
    OsFileSystem,
    PersistentState,
    RecoveryMode,
    SnapshotMetadata,
    StorageConfig,
    StorageError,
    StorageIOError,
    ThreadRuntime,
    dump_directory,
    verify_directory,
)

STATE: Final = PersistentState(4, "a")
ALL: Final = entries(1, 5)
SNAPSHOT: Final = (SnapshotMetadata(3, 1), b"three")
DOCUMENTS: Final = ("state.json", "state.copy.json", "metadata.json", "snapshot_meta.json")
FILES: Final = (*DOCUMENTS, "log.dat", "snapshot.dat", "LOCK")
LEFTOVERS: Final = (
    *(f"{name}.tmp" for name in FILES if name != "LOCK"),
    *("recovery.marker", "snapshot.marker"),
)
MEBIBYTE: Final = 1 << 20


def filled(directory: Path) -> Path:
    site = EngineSite(OsFileSystem(), ThreadRuntime, str(directory))
    with site.open(evolve(NOTHING_RETAINED, auto_truncate_on_snapshot=False)) as store:
        store.save_state(STATE)
        store.append_log_entries(ALL[:2])
        store.append_log_entries(ALL[2:])
        store.save_snapshot(*SNAPSHOT)
    return directory


def everything(root: Path) -> dict[str, tuple[int, str, int, bytes]]:
    """Return each name below `root` with kind and mode, link target, size and first bytes."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        target, content = "", b""
        if stat.S_ISLNK(status.st_mode):
            target = str(path.readlink())
        elif stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK):
            with path.open("rb") as file:
                content = file.read(MEBIBYTE)
        found[str(path.relative_to(root))] = (status.st_mode, target, status.st_size, content)
    return found


def opened(directory: Path, options: FileStorageOptions = NOTHING_RETAINED) -> FileStorage:
    return FileStorage(StorageConfig(directory=directory), options)


def refusal(directory: Path, options: FileStorageOptions = NOTHING_RETAINED) -> StorageError:
    """Open and be refused, with nothing changed and little memory taken."""
    before = everything(directory.parent)
    tracemalloc.start()
    try:
        with pytest.raises(StorageError) as caught:
            opened(directory, options)
        assert tracemalloc.get_traced_memory()[1] < 64 * MEBIBYTE
    finally:
        tracemalloc.stop()
    assert everything(directory.parent) == before
    return caught.value


# What is no file


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_link_outside(path: Path) -> None:
    outside = path.parent.parent / "outside"
    outside.write_bytes(b"outside")
    path.symlink_to(outside)


def make_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "to be made by whoever follows")


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_device_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


ODD: Final[tuple[Callable[[Path], None], ...]] = (
    Path.mkdir,
    make_fifo,
    make_link_outside,
    make_dangling_link,
    make_loop,
    make_device_link,
)


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", [*FILES, *LEFTOVERS])
def test_what_is_no_file_is_refused_and_left_alone(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    directory = filled(tmp_path / "store")
    (directory / name).unlink(missing_ok=True)
    make(directory / name)
    for mode in RecoveryMode:
        error = refusal(directory, evolve(NOTHING_RETAINED, recovery_mode=mode))
        assert isinstance(error, StorageIOError)
        assert name in str(error)
        assert error.__cause__ is not None


@pytest.mark.parametrize("make", ODD[1:], ids=lambda make: make.__name__)
def test_the_directory_itself_is_no_link_and_no_file(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """Names are made durable in it; behind a link they would be another directory's."""
    (tmp_path / "above").mkdir()
    make(tmp_path / "above" / "store")
    assert isinstance(refusal(tmp_path / "above" / "store"), StorageIOError)


def test_a_link_to_a_store_is_refused_with_a_way_on(tmp_path: Path) -> None:
    real = filled(tmp_path / "real")
    (tmp_path / "store").symlink_to(real)
    assert "link" in str(refusal(tmp_path / "store"))
    FileStorage(StorageConfig(directory=f"{tmp_path}/store/.")).close()


# Huge and deep


@pytest.mark.parametrize("name", [*FILES, "snapshot.dat.tmp", "log.dat.tmp"])
@pytest.mark.parametrize("marker", [True, False], ids=["killed", "clean"])
def test_a_file_of_a_tebibyte_is_not_read_to_its_end(
    tmp_path: Path, name: str, *, marker: bool
) -> None:
    directory = filled(tmp_path / "store")
    if marker:
        (directory / "recovery.marker").touch()
    (directory / name).touch()
    os.truncate(directory / name, 1 << 40)
    if name in ("log.dat", "snapshot.dat", "snapshot_meta.json"):
        assert name in str(refusal(directory))
    else:
        with opened(directory) as store:
            assert store.load_state() == STATE
            assert store.get_log_entries(1, 6) == ALL
            assert store.load_snapshot() == SNAPSHOT


def test_a_log_of_a_tebibyte_is_salvaged_on_demand(tmp_path: Path) -> None:
    directory = filled(tmp_path / "store")
    os.truncate(directory / "log.dat", 1 << 40)
    with opened(directory, evolve(NOTHING_RETAINED, recovery_mode="aggressive")) as store:
        assert store.get_log_entries(1, 6) == ALL
        assert [loss.first_index for loss in store.recovery_report.lost] == [6]
    assert (directory / "log.dat").stat().st_size < 1000


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 900_000,
        b'{"a":' * 180_000,
        b"[" + b"[]," * 300_000 + b"[]]",
        b'{"version":' + b"9" * 900_000 + b"}",
        b'"' + b"\\ud800" * 150_000 + b'"',
        b"\xff" * 900_000,
    ],
    ids=["deep list", "deep object", "wide", "long number", "surrogates", "no text"],
)
def test_a_hostile_document_costs_little(tmp_path: Path, name: str, content: bytes) -> None:
    directory = filled(tmp_path / "store")
    (directory / name).write_bytes(content)
    if name == "snapshot_meta.json":
        refusal(directory)
        return
    tracemalloc.start()
    try:
        with opened(directory) as store:
            assert store.load_state() == STATE
            assert store.get_log_entries(1, 6) == ALL
        assert tracemalloc.get_traced_memory()[1] < 64 * MEBIBYTE
    finally:
        tracemalloc.stop()


# Paths and permissions


@pytest.mark.parametrize("depth", [1, 3])
def test_a_path_too_long_is_refused_and_nothing_is_made(tmp_path: Path, depth: int) -> None:
    directory = tmp_path.joinpath(*["new"] * depth, "n" * 300)
    with pytest.raises(StorageIOError):
        opened(directory)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_whose_files_would_have_paths_too_long_is_not_left_behind(
    tmp_path: Path,
) -> None:
    directory = str(tmp_path)
    while len(directory) < 4000:
        directory += "/" + "d" * 200
    directory = directory[:4090].rstrip("/")
    with pytest.raises(StorageIOError):
        opened(Path(directory))
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_no_system_can_name_is_refused_by_the_option(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"StorageConfig\.directory"):
        StorageConfig(directory=f"{tmp_path}/\ud800")


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
@pytest.mark.parametrize("name", [*FILES, "."])
def test_without_permission_nothing_is_changed(tmp_path: Path, name: str) -> None:
    directory = filled(tmp_path / "store")
    mode = (directory / name).stat().st_mode
    (directory / name).chmod(0)
    try:
        assert isinstance(refusal(directory), StorageIOError)
    finally:
        (directory / name).chmod(mode)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
@pytest.mark.parametrize("lock", [True, False], ids=["LOCK there", "no LOCK"])
def test_without_write_permission_nothing_is_changed(tmp_path: Path, *, lock: bool) -> None:
    directory = filled(tmp_path / "store")
    if not lock:
        (directory / "LOCK").unlink()
    directory.chmod(0o500)
    try:
        assert isinstance(refusal(directory), StorageIOError)
    finally:
        directory.chmod(0o700)


# Refusals leave no trace


@pytest.mark.parametrize("damage", ["log.dat", "snapshot.dat", "both states", "newer"])
def test_a_refused_open_makes_no_lock_file(tmp_path: Path, damage: str) -> None:
    directory = filled(tmp_path / "store")
    (directory / "LOCK").unlink()
    if damage == "both states":
        (directory / "state.json").unlink()
        (directory / "state.copy.json").unlink()
    elif damage == "newer":
        newer = (directory / "state.json").read_bytes().replace(b'"version":1', b'"version":2')
        (directory / "state.json").write_bytes(newer)
    else:
        (directory / damage).write_bytes(b"garbage")
    refusal(directory)
    assert not (directory / "LOCK").exists()


def test_a_whole_store_without_its_lock_file_opens(tmp_path: Path) -> None:
    directory = filled(tmp_path / "store")
    (directory / "LOCK").unlink()
    with opened(directory) as store:
        assert store.get_log_entries(1, 6) == ALL
    assert (directory / "LOCK").exists()


# Anything


@contextmanager
def hostile(changes: list[tuple[str, Callable[[Path], None]]]) -> Iterator[Path]:
    with TemporaryDirectory() as scratch:
        directory = filled(Path(scratch) / "store")
        for name, change in changes:
            change(directory / name)
        yield directory


def replace_by(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        remove(path)
        make(path)

    return change


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def in_place(edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        if path.exists() and path.is_file() and path.stat().st_size < MEBIBYTE:
            path.write_bytes(edit(path.read_bytes()))
        elif not path.is_symlink() and not path.exists():
            path.write_bytes(edit(b""))

    return change


def stretch(path: Path) -> None:
    if path.is_file():
        os.truncate(path, 1 << 40)


def flipped(content: bytes, position: int) -> bytes:
    if not content:
        return b"x"
    changed = bytearray(content)
    changed[position % len(content)] ^= 1 << position % 8
    return bytes(changed)


CHANGES: Final = st.one_of(
    st.sampled_from([*map(replace_by, ODD), remove, stretch]),
    st.binary(max_size=200).map(lambda new: in_place(lambda _: new)),
    st.binary(max_size=200).map(lambda more: in_place(lambda content: content + more)),
    st.integers(0, 10**6).map(lambda at: in_place(lambda content: flipped(content, at))),
    st.integers(0, 600).map(lambda size: in_place(lambda content: content[:size])),
    st.integers(0, 600).map(lambda size: in_place(lambda content: content[size:])),
    st.integers(1, 5000).map(lambda depth: in_place(lambda _: b'{"a":' * depth)),
)


@examples(100)
@given(
    changes=st.lists(
        st.tuples(st.sampled_from([*FILES, *LEFTOVERS]), CHANGES), min_size=1, max_size=4
    ),
    mode=st.sampled_from(RecoveryMode),
)
def test_whatever_lies_there_a_typed_error_changes_nothing_and_a_store_shows_the_truth(
    changes: list[tuple[str, Callable[[Path], None]]], mode: RecoveryMode
) -> None:
    with hostile(changes) as directory:
        before = everything(directory.parent)
        look(directory)
        assert everything(directory.parent) == before
        try:
            store = opened(directory, evolve(NOTHING_RETAINED, recovery_mode=mode))
        except StorageError:
            assert everything(directory.parent) == before
            return
        with store:
            assert store.load_state() == STATE
            bounds = store.log_bounds()
            assert bounds.first_index in (1, 4)
            assert bounds.last_index <= 5
            held = ALL[bounds.first_index - 1 : bounds.last_index]
            if held:
                shown = store.get_log_entries(bounds.first_index, bounds.last_index + 1)
                assert shown == held
        outside = directory.parent / "outside"
        assert not outside.exists() or outside.read_bytes() == b"outside"
        assert {path.name for path in directory.parent.iterdir()} <= {"store", "outside"}


def look(directory: Path) -> None:
    """Look in each way that must change nothing."""
    with suppress(StorageError):
        opened(directory, evolve(NOTHING_RETAINED, read_only=True)).close()
    with suppress(StorageError):
        verify_directory(str(directory))
        for frame in dump_directory(str(directory)).frames():
            assert frame.offset >= 48


def test_a_newer_frame_kind_is_refused_by_name_and_not_cut(tmp_path: Path) -> None:
    directory = filled(tmp_path / "store")
    content = bytearray((directory / "log.dat").read_bytes())
    content[52] = 9
    (directory / "log.dat").write_bytes(content)
    assert isinstance(refusal(directory), CorruptedLogError)
