"""A disk for any code: what is synced stays, what is not can go, and only then."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from wavetank.engine import OpenFlag
from wavetank.scenarios import CrashDisk, Loss, crash_test
from wavetank.sim import LAZYFS, POSIX, PROCESS_KILL
from wavetank.sim.python_files import PythonFilesError, UnroutedCallError

WRITE = OpenFlag.WRITE | OpenFlag.CREATE


def write(disk: CrashDisk, name: str, *, sync: bool) -> None:
    file = disk.fs.open(f"{disk.directory}/{name}", WRITE)
    file.pwrite(b"milk", 0)
    if sync:
        file.fsync()
        disk.fs.fsync_dir(disk.directory)
    file.close()
    disk.acknowledge(name)


@pytest.mark.parametrize("sync", [True, False])
def test_a_crash_takes_what_was_not_synced(*, sync: bool) -> None:
    disk = CrashDisk()
    write(disk, "notes", sync=sync)
    disk.crash()
    assert list(disk.fs.listdir(disk.directory)) == (["notes"] if sync else [])
    assert disk.acknowledged == ("notes",)


def test_a_kill_takes_nothing() -> None:
    disk = CrashDisk(POSIX)
    write(disk, "notes", sync=False)
    disk.kill()
    assert list(disk.fs.listdir(disk.directory)) == ["notes"]
    disk.crash()
    assert list(disk.fs.listdir(disk.directory)) == []


def test_the_profile_says_what_may_be_lost() -> None:
    disk = CrashDisk(PROCESS_KILL)
    write(disk, "notes", sync=False)
    disk.crash()
    assert list(disk.fs.listdir(disk.directory)) == ["notes"]


def test_a_crash_before_an_acknowledgement_takes_that_back() -> None:
    disk = CrashDisk(LAZYFS)
    write(disk, "first", sync=True)
    write(disk, "second", sync=True)
    disk.crash(Loss(), back=1)
    assert disk.acknowledged == ("first",)
    assert sorted(disk.fs.listdir(disk.directory)) == ["first", "second"]
    disk.crash()
    assert disk.acknowledged == ("first",)
    with pytest.raises(ValueError, match="back: expected records >= 0 but got -1"):
        disk.crash(back=-1)


@pytest.mark.slow
def test_unmodified_code_sees_the_same_disk() -> None:
    with CrashDisk() as disk:
        with disk.process():
            notes = Path(disk.directory, "notes").open("w")  # noqa: SIM115 - never closed
            notes.write("milk")
        assert disk.fs.stat(f"{disk.directory}/notes").size == 0, "a kill takes what is in buffers"
        with disk.process():
            assert Path(disk.directory, "notes").read_text() == ""
    assert not Path(disk.directory).exists()


def swallowing_a_refusal(disk: CrashDisk) -> None:
    with disk.process(), suppress(UnroutedCallError):
        os.fork()


@pytest.mark.slow
def test_a_call_that_no_disk_sees_is_refused_even_if_swallowed() -> None:
    with CrashDisk() as disk, pytest.raises(UnroutedCallError):
        swallowing_a_refusal(disk)


@pytest.mark.slow
def test_two_disks_cannot_have_pythons_files_at_once() -> None:
    with CrashDisk() as first, CrashDisk() as second:
        with first.process():
            pass
        with pytest.raises(PythonFilesError, match="close it first"), second.process():
            pass
        first.close()
        with second.process():
            pass
    crash_test(lambda directory, _: Path(directory, "f").touch(), lambda _, __: None)
