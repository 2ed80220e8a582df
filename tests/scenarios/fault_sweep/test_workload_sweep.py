"""Every operation of a workload fails in every way; and stores that handle failures wrongly."""

import errno
from collections.abc import Sequence

import pytest
from attrs import evolve

from wavetank.engine import (
    Buffer,
    File,
    FileStat,
    FileStorage,
    FileSystem,
    OpenFlag,
    Storage,
    StorageConfig,
)
from wavetank.faults import parse_fault
from wavetank.scenarios import (
    BUILTIN,
    SCENARIOS,
    Site,
    StoreAdapter,
    shorten,
    sweep_operations,
)

# A sweep ends with a fault behind the last operation.
pytestmark = pytest.mark.idle_faults

ENGINE = BUILTIN


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mixed", "log-conflict"])
def test_the_engine_copes_with_each_fault_at_each_operation(name: str) -> None:
    workload = shorten(SCENARIOS[name].workload(seed=1), ENGINE, 40)
    sweep = sweep_operations(workload, ENGINE)
    assert sweep.problems == ()
    assert sweep.faults > 40 * 8
    assert sweep.refused > 40 * 7


@pytest.mark.slow
def test_a_snapshot_and_its_compaction_fail_at_each_operation() -> None:
    workload = shorten(SCENARIOS["snapshot-compaction"].workload(seed=1), ENGINE, 100)
    assert {"SaveSnapshot", "TruncatePrefix"} <= set(workload.kinds())
    faults = [parse_fault("any: fail EIO"), parse_fault("any: fail ENOSPC after effect")]
    assert sweep_operations(workload, ENGINE, faults).problems == ()


@pytest.mark.minutes
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_engine_copes_with_each_fault_at_each_of_150_operations(name: str) -> None:
    workload = shorten(SCENARIOS[name].workload(seed=1), ENGINE)
    assert sweep_operations(workload, ENGINE).problems == ()


def test_a_workload_is_cut_before_the_step_that_needs_too_many_operations() -> None:
    whole = SCENARIOS["mixed"].workload(seed=1)
    assert shorten(whole, ENGINE, 100_000) == whole
    short, longer = shorten(whole, ENGINE, 60), shorten(whole, ENGINE, 90)
    assert 1 < len(short.steps) < len(longer.steps) < len(whole.steps)
    assert whole.steps[: len(longer.steps)] == longer.steps


def test_a_workload_in_which_nothing_fits_is_refused() -> None:
    with pytest.raises(ValueError, match="operations: expected enough for opening"):
        shorten(SCENARIOS["mixed"].workload(seed=1), ENGINE, 3)


class SwallowingFile:
    """A file whose failed writes and syncs claim to have been done."""

    def __init__(self, inner: File) -> None:
        self._inner = inner

    def pread(self, length: int, offset: int) -> bytes:
        return self._inner.pread(length, offset)

    def pwrite(self, data: Buffer, offset: int) -> int:
        try:
            return self._inner.pwrite(data, offset)
        except OSError:
            return memoryview(data).nbytes

    def append(self, data: Buffer) -> int:
        return self._inner.append(data)

    def truncate(self, size: int) -> None:
        self._inner.truncate(size)

    def size(self) -> int:
        return self._inner.size()

    def fsync(self) -> None:
        self._inner.fsync()

    def datasync(self) -> None:
        self._inner.datasync()

    def preallocate(self, offset: int, length: int) -> None:
        self._inner.preallocate(offset, length)

    def advise_dont_need(self) -> None:
        self._inner.advise_dont_need()

    def lock(self) -> None:
        self._inner.lock()

    def close(self) -> None:
        self._inner.close()


class SwallowingFileSystem:
    """A filesystem of such files."""

    def __init__(self, inner: FileSystem) -> None:
        self._inner = inner

    def open(self, path: str, flags: OpenFlag) -> File:
        return SwallowingFile(self._inner.open(path, flags))

    def rename(self, source: str, target: str) -> None:
        self._inner.rename(source, target)

    def unlink(self, path: str) -> None:
        self._inner.unlink(path)

    def link(self, source: str, target: str) -> None:
        self._inner.link(source, target)

    def mkdir(self, path: str) -> None:
        self._inner.mkdir(path)

    def rmdir(self, path: str) -> None:
        self._inner.rmdir(path)

    def listdir(self, path: str) -> Sequence[str]:
        return self._inner.listdir(path)

    def stat(self, path: str) -> FileStat:
        return self._inner.stat(path)

    def fsync_dir(self, path: str) -> None:
        self._inner.fsync_dir(path)


def test_a_store_that_takes_a_failed_write_for_done_is_found_out() -> None:
    def opened(site: Site) -> FileStorage:
        return FileStorage(
            StorageConfig(directory=site.directory),
            site.options,
            fs=SwallowingFileSystem(site.fs),
            runtime=site.runtime,
        )

    backend: StoreAdapter = evolve(BUILTIN, name="swallows", summary="", factory=opened)
    workload = shorten(SCENARIOS["mixed"].workload(seed=1), backend, 60)
    sweep = sweep_operations(workload, backend, [parse_fault("write: fail EIO")])
    assert any("opened again: O2" in str(problem) for problem in sweep.problems), sweep


def test_a_store_whose_errors_do_not_name_their_cause_is_found_out() -> None:
    def opened(site: Site) -> Storage:
        try:
            return ENGINE.open(site)
        except OSError as error:
            raise OSError(errno.EIO, "something went wrong") from error

    backend: StoreAdapter = evolve(BUILTIN, name="untyped", summary="", factory=opened)
    workload = shorten(SCENARIOS["mixed"].workload(seed=1), backend, 60)
    sweep = sweep_operations(workload, backend, [parse_fault("open: fail EMFILE")])
    assert any("untyped error, OSError" in str(problem) for problem in sweep.problems)
