"""Each machine of failing syncs, and the four ways in which things go on: exact contents."""

import errno
from collections.abc import Callable, Iterator

import pytest

from wavetank.engine import OpenFlag
from wavetank.sim import (
    BLOCK_SIZE,
    EXT4_ORDERED,
    POSIX,
    SAFE_PROFILES,
    STALE_WORD,
    FsyncFailure,
    PendingOps,
    Profile,
    SimDisk,
    SimFile,
    SimFileSystem,
    all_images,
)

CREATE = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE
READ_WRITE = OpenFlag.READ | OpenFlag.WRITE
LIMIT = 1 << 12
OLD, NEW, ZERO = (letter * BLOCK_SIZE for letter in (b"o", b"n", b"\0"))
STALE = (STALE_WORD * BLOCK_SIZE)[:BLOCK_SIZE]
REPORTING_NOW = [FsyncFailure.EXT4, FsyncFailure.BTRFS]


class Machine:
    """One durable block of a file overwritten, another appended, and a sync armed to fail."""

    def __init__(self, failure: FsyncFailure, blocks: tuple[int, ...] | None = None) -> None:
        self.disk = SimDisk()
        self.fs = SimFileSystem(self.disk)
        self.file = self.fs.open("/f", CREATE)
        self.file.append(OLD)
        self.fs.sync()
        self.file.pwrite(NEW, 0)
        self.file.append(NEW)
        self.disk.fail_next_sync(failure, path="/f", blocks=blocks)

    def evict(self) -> None:
        self.disk.evict(self.fs.stat("/f").inode)

    def restart(self) -> SimFile:
        return SimFileSystem(self.disk.process_kill()).open("/f", READ_WRITE)

    def cut(self, profile: Profile = POSIX) -> set[bytes]:
        """The file after each legal power cut, without tears."""
        return set(after_cut(self.disk, profile, "/f"))


def after_cut(disk: SimDisk, profile: Profile, path: str) -> Iterator[bytes]:
    pending = PendingOps(disk.image, profile)
    pending.take_all(disk.log)
    images = all_images(pending, limit=LIMIT)
    assert images.complete
    for kept in images.images:
        if not kept.tears:
            yield pending.image(kept).files().get(path, b"no such file")


def content(file: SimFile) -> bytes:
    return file.pread(file.size(), 0)


def fails(call: Callable[[], object], number: int = errno.EIO) -> bool:
    try:
        call()
    except OSError as error:
        return error.errno == number
    return False


def test_xfs_is_the_machine_of_ext4() -> None:
    assert FsyncFailure["XFS"] is FsyncFailure.EXT4


# ext4 and xfs


def test_ext4_shows_the_new_and_a_retry_writes_nothing() -> None:
    machine = Machine(FsyncFailure.EXT4)
    assert fails(machine.file.fsync)
    assert content(machine.file) == NEW + NEW
    machine.file.fsync()
    assert content(machine.file) == NEW + NEW
    assert machine.cut() == {OLD + ZERO, OLD + STALE}


@pytest.mark.parametrize("profile", [POSIX, EXT4_ORDERED], ids=lambda profile: profile.name)
def test_ext4_commits_the_size_of_a_block_that_was_never_written(profile: Profile) -> None:
    machine = Machine(FsyncFailure.EXT4)
    assert fails(machine.file.fsync)
    assert machine.cut(profile) == {OLD, OLD + ZERO, OLD + STALE}


def test_ext4_shows_the_new_to_the_next_process_and_the_old_once_evicted() -> None:
    machine = Machine(FsyncFailure.EXT4)
    assert fails(machine.file.fsync)
    restarted = machine.restart()
    assert content(restarted) == NEW + NEW
    restarted.fsync()
    restarted.advise_dont_need()
    assert content(restarted) == OLD + ZERO
    assert content(machine.file) == NEW + NEW
    machine.evict()
    assert content(machine.file) == OLD + ZERO


def test_ext4_drops_only_the_blocks_that_failed() -> None:
    machine = Machine(FsyncFailure.EXT4, blocks=(0,))
    assert fails(machine.file.fsync)
    machine.file.fsync()
    assert machine.cut() == {OLD + NEW}
    machine.evict()
    assert content(machine.file) == OLD + NEW


def test_a_page_that_is_written_to_again_takes_all_it_holds_to_the_disk() -> None:
    machine = Machine(FsyncFailure.EXT4)
    assert fails(machine.file.fsync)
    machine.file.pwrite(b"x", BLOCK_SIZE)
    machine.file.fsync()
    assert machine.cut() == {OLD + b"x" + NEW[1:]}
    machine.evict()
    assert content(machine.file) == OLD + b"x" + NEW[1:]


def test_every_descriptor_that_was_open_is_told_once_and_no_later_one() -> None:
    machine = Machine(FsyncFailure.EXT4)
    other = machine.fs.open("/f", READ_WRITE)
    assert fails(machine.file.fsync)
    later = machine.fs.open("/f", READ_WRITE)
    later.fsync()
    assert fails(other.datasync)
    for file in (machine.file, other, later):
        file.fsync()


# ext4 with journalled data


def test_journalled_data_fails_one_sync_late() -> None:
    machine = Machine(FsyncFailure.EXT4_DATA_JOURNAL)
    machine.file.fsync()
    assert content(machine.file) == NEW + NEW
    assert machine.cut() == {OLD + ZERO, OLD + STALE}
    assert content(machine.restart()) == NEW + NEW
    assert fails(machine.file.fsync)
    machine.file.fsync()
    machine.evict()
    assert content(machine.file) == OLD + ZERO
    assert machine.cut() == {OLD + ZERO, OLD + STALE}


def test_a_late_error_is_told_to_a_descriptor_opened_before_anybody_knew() -> None:
    machine = Machine(FsyncFailure.EXT4_DATA_JOURNAL)
    machine.file.fsync()
    assert fails(machine.restart().fsync)
    assert fails(machine.fs.open("/f", READ_WRITE).fsync)


def test_the_sync_that_tells_of_the_late_error_makes_nothing_durable() -> None:
    machine = Machine(FsyncFailure.EXT4_DATA_JOURNAL)
    machine.file.fsync()
    machine.file.pwrite(b"x" * BLOCK_SIZE, 2 * BLOCK_SIZE)
    assert fails(machine.file.fsync)
    grown = b"x" * BLOCK_SIZE
    assert {each[2 * BLOCK_SIZE :] for each in machine.cut()} == {b"", ZERO, STALE, grown}
    machine.file.fsync()
    assert {each[2 * BLOCK_SIZE :] for each in machine.cut()} == {grown}


# btrfs


def test_btrfs_reverts_everything_at_once() -> None:
    machine = Machine(FsyncFailure.BTRFS)
    assert fails(machine.file.fsync)
    assert content(machine.file) == OLD
    machine.file.fsync()
    assert content(machine.restart()) == OLD
    machine.evict()
    assert content(machine.file) == OLD
    assert machine.cut() == {OLD}


def test_btrfs_leaves_a_hole_where_a_program_goes_on_at_its_old_offset() -> None:
    machine = Machine(FsyncFailure.BTRFS)
    assert fails(machine.file.fsync)
    machine.file.pwrite(b"next", 2 * BLOCK_SIZE)
    machine.file.fsync()
    assert content(machine.file) == OLD + ZERO + b"next"
    assert machine.cut() == {OLD + ZERO + b"next"}


def test_btrfs_takes_no_choice_of_blocks() -> None:
    with pytest.raises(ValueError, match="blocks: expected None"):
        SimDisk().fail_next_sync(FsyncFailure.BTRFS, blocks=[1])


# All


@pytest.mark.parametrize("failure", FsyncFailure, ids=lambda failure: failure.value)
def test_what_was_synced_before_and_other_files_are_left_alone(failure: FsyncFailure) -> None:
    machine = Machine(failure)
    other = machine.fs.open("/other", CREATE)
    other.append(b"mine")
    other.fsync()
    machine.fs.fsync_dir("/")
    machine.disk.fail_next_sync(failure, path="/elsewhere")
    assert set(after_cut(machine.disk, POSIX, "/other")) == {b"mine"}


@pytest.mark.parametrize("profile", SAFE_PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("failure", FsyncFailure, ids=lambda failure: failure.value)
def test_no_profile_lets_dropped_data_reach_the_disk_after_all(
    failure: FsyncFailure, profile: Profile
) -> None:
    machine = Machine(failure)
    if failure in REPORTING_NOW:
        assert fails(machine.file.fsync)
    else:
        machine.file.fsync()
    if not profile.data_at_once:
        assert all(NEW not in each for each in machine.cut(profile))


@pytest.mark.parametrize("failure", REPORTING_NOW, ids=lambda failure: failure.value)
def test_a_number_of_syncs_may_succeed_first(failure: FsyncFailure) -> None:
    fs = SimFileSystem(disk := SimDisk())
    file = fs.open("/f", CREATE)
    disk.fail_next_sync(failure, skip=2)
    file.fsync()
    fs.fsync_dir("/")
    file.datasync()
    assert fails(file.fsync)
    file.fsync()


def test_syncs_cannot_be_skipped_backwards() -> None:
    with pytest.raises(ValueError, match="skip: expected syncs >= 0 but got -1"):
        SimDisk().fail_next_sync(FsyncFailure.EXT4, skip=-1)


# The journal


def test_a_journal_that_fails_makes_the_filesystem_read_only() -> None:
    fs = SimFileSystem(disk := SimDisk())
    fs.mkdir("/d")
    kept = fs.open("/d/kept", CREATE)
    kept.append(b"kept")
    fs.sync()
    kept.append(b" lost")
    fs.open("/d/lost", CREATE)
    disk.fail_next_commit(path="/d")
    assert fails(lambda: fs.fsync_dir("/d"))
    refused: list[Callable[[], object]] = [
        lambda: fs.fsync_dir("/d"),
        kept.fsync,
        lambda: kept.append(b"x"),
        lambda: kept.truncate(0),
        lambda: fs.open("/d/new", CREATE),
        lambda: fs.open("/d/kept", OpenFlag.WRITE),
        lambda: fs.rename("/d/kept", "/d/moved"),
        lambda: fs.unlink("/d/kept"),
        lambda: fs.mkdir("/e"),
    ]
    assert [fails(call, errno.EROFS) for call in refused] == [True] * len(refused)
    after_kill = SimFileSystem(disk.process_kill())
    assert content(after_kill.open("/d/kept", OpenFlag.READ)) == b"kept lost"
    assert fails(lambda: after_kill.unlink("/d/kept"), errno.EROFS)
    assert set(after_cut(disk, POSIX, "/d/kept")) == {b"kept"}
    assert set(after_cut(disk, POSIX, "/d/lost")) == {b"no such file"}


def test_a_journal_that_fails_at_a_file_does_not_take_its_overwritten_blocks_along() -> None:
    fs = SimFileSystem(disk := SimDisk())
    file = fs.open("/f", CREATE)
    file.append(OLD)
    fs.sync()
    file.pwrite(NEW, 0)
    file.append(NEW)
    disk.fail_next_commit()
    assert fails(file.fsync)
    assert set(after_cut(disk, POSIX, "/f")) == {OLD, NEW}
