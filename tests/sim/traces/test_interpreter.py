"""What the order of lines means, and which lines cannot be trusted: traces by hand."""

import pytest

from wavetank.sim import DiskImage, Mark, Sync
from wavetank.sim.image import ROOT_INODE, DirectoryContent, FileContent
from wavetank.sim.traces import TraceError, TraceInterpreter

IMAGE = DiskImage(
    {
        ROOT_INODE: DirectoryContent({"d": 2}),
        2: DirectoryContent({"old": 3}),
        3: FileContent.of(b"before"),
    },
    next_inode=4,
)


def hexed(text: str) -> str:
    """Write what stands between backquotes as strace -xx does."""
    parts = text.split("`")
    parts[1::2] = ["".join(f"\\x{byte:02x}" for byte in part.encode()) for part in parts[1::2]]
    return "".join(parts)


def interpreter(**options: object) -> TraceInterpreter:
    return TraceInterpreter(IMAGE, b"/r/d", cwd=b"/r", **options)  # type: ignore[arg-type]


def applied(text: str, **options: object) -> TraceInterpreter:
    reader = interpreter(**options)
    for line in hexed(text).strip("\n").split("\n"):
        reader.read(line)
    reader.finish()
    return reader


def log(text: str, **options: object) -> list[str]:
    """Return the log in short."""
    found = []
    for each in applied(text, **options).disk.log:
        if isinstance(each, Mark):
            found.append(each.word)
        elif isinstance(each, Sync):
            found.append(f"{each.kind.value} {each.path}")
        else:
            found.append(f"{type(each).__name__} {each.path}")
    return found


OPEN = '7 openat(AT_FDCWD<`/r`>, "`d/old`", O_RDWR) = 3<`/r/d/old`>\n'
THREAD = "7 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, exit_signal=0}, 88) = 8\n"
ENDS = "8 +++ exited with 0 +++\n7 +++ exited with 0 +++\n"


def test_a_sync_counts_where_it_began_and_a_write_where_it_ended() -> None:
    text = f"""{OPEN}{THREAD}
7 fsync(3<`/r/d/old`> <unfinished ...>
8 pwrite64(3<`/r/d/old`>, "`x`", 1, 0) = 1
7 <... fsync resumed>) = 0
8 pwrite64(3<`/r/d/old`>, "`y`", 1, 4096 <unfinished ...>
7 fdatasync(3<`/r/d/old`>) = 0
8 <... pwrite64 resumed>) = 1
{ENDS}"""
    assert log(text.replace("\n\n", "\n")) == [
        *("fsync /d/old", "Data /d/old", "fdatasync /d/old", "Data /d/old", "Size /d/old"),
    ]


def test_an_unfinished_write_that_syncs_counts_where_it_began() -> None:
    text = f"""{OPEN.replace("O_RDWR", "O_RDWR|O_DSYNC")}{THREAD}
7 pwrite64(3<`/r/d/old`>, "`x`", 1, 0 <unfinished ...>
8 mkdir("`d/sub`", 0777) = 0
7 <... pwrite64 resumed>) = 1
{ENDS}"""
    assert log(text.replace("\n\n", "\n")) == ["Data /d/old", "fdatasync /d/old", "Dirent /d/sub"]


def test_a_sync_that_never_returned_covers_nothing() -> None:
    text = f"""{OPEN}{THREAD}
8 fsync(3<`/r/d/old`> <unfinished ...>
7 pwrite64(3<`/r/d/old`>, "`x`", 1, 0) = 1
8 <... fsync resumed>) = ?
{ENDS}"""
    assert log(text.replace("\n\n", "\n")) == ["Data /d/old"]


def test_a_child_may_be_seen_before_its_fork_returns() -> None:
    text = f"""{OPEN}
7 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD <unfinished ...>
8 write(3<`/r/d/old`>, "`ab`", 2) = 2
7 <... clone resumed>, child_tidptr=0x7f) = 8
7 write(3<`/r/d/old`>, "`c`", 1) = 1
8 close(3<`/r/d/old`>) = 0
7 write(3<`/r/d/old`>, "`d`", 1) = 1
{ENDS}"""
    reader = applied(text.replace("\n\n", "\n"))
    assert reader.disk.read(3, 0, 9) == b"abcdre"


def test_children_of_two_forks_at_once_wait_for_them() -> None:
    text = f"""{OPEN}7 fork() = 8
7 fork( <unfinished ...>
8 fork( <unfinished ...>
9 mkdir("`d/nine`", 0777) = 0
10 mkdir("`d/ten`", 0777) = 0
8 <... fork resumed>) = 9
7 <... fork resumed>) = 10
9 +++ exited with 0 +++
10 +++ exited with 0 +++
{ENDS}"""
    assert log(text) == ["Dirent /d/nine", "Dirent /d/ten"]


def test_a_process_of_another_name_space_is_known_by_its_fork() -> None:
    text = f"""{OPEN}7 fork() = 2
8 write(3<`/r/d/old`>, "`ab`", 2) = 2
{ENDS}"""
    assert log(text) == ["Data /d/old"]


def test_a_call_waits_for_what_another_thread_is_just_making() -> None:
    text = f"""{OPEN}{THREAD}
7 openat(AT_FDCWD<`/r`>, "`d/new`", O_WRONLY|O_CREAT, 0600 <unfinished ...>
8 rename("`d/new`", "`d/newer`") = 0
8 mkdir("`d/later`", 0777) = 0
7 <... openat resumed>) = 4<`/r/d/newer`>
{ENDS}"""
    assert log(text.replace("\n\n", "\n")) == [
        *("Dirent /d/new", "Dirent /d/newer", "Dirent /d/new", "Dirent /d/later")
    ]


def test_an_exec_closes_what_is_to_be_closed() -> None:
    text = """
7 openat(AT_FDCWD<`/r`>, "`d/a`", O_WRONLY|O_CREAT|O_CLOEXEC, 0600) = 3<`/r/d/a`>
7 openat(AT_FDCWD<`/r`>, "`d/b`", O_WRONLY|O_CREAT, 0600) = 4<`/r/d/b`>
7 execve("`/p`", ["`p`"], 0x7f /* 3 vars */) = 0
7 write(4<`/r/d/b`>, "`x`", 1) = 1
7 write(3<`/out`>, "`x`", 1) = 1
7 +++ exited with 0 +++
"""
    reader = applied(text)
    assert reader.outside == ("/out",)
    assert reader.calls == 5


def test_a_driver_reads_on_until_an_answer_has_come() -> None:
    reader = interpreter(acks=1)
    lines = hexed(f"""{OPEN}7 write(3<`/r/d/old`>, "`x`", 1) = 1
7 write(1<`pipe:[5]`>, "`ok`", 2) = 2
7 write(1<`pipe:[5]`>, "`\n`", 1) = 1""").split("\n")
    heard = []
    for line in lines:
        [call] = reader.read(line)
        heard.append((call.name, reader.heard, len(reader.disk.log)))
    assert heard == [
        *(("openat", b"", 0), ("write", b"", 1), ("write", b"ok", 1), ("write", b"ok\n", 1)),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('7 frobnicate("`/r/d/old`") = 0', "a system call that is known"),
        ("7 frobnicate(3<`/r/d/old`>) = 0", "a system call that is known"),
        ("7 io_uring_setup(8, {flags=0}) = 4<`anon_inode:[io_uring]`>", "plain system calls but"),
        ("7 io_submit(0x7f, 1, [{aio_fildes=3<`/r/d/old`>, aio_nbytes=1}]) = 1", "no io_submit"),
        ('7 write(3<`/r/d/old`>, "`xy`"..., 9) = 9', "all bytes of a buffer"),
        ('7 write(3<`/r/d/old`>, "xy", 2) = 2', "in hexadecimal"),
        ('7 write(9<`/r/d/old`>, "`x`", 1) = 1', "that the program opened itself but 9"),
        ('7 chroot("`/r`") = 0', "one root directory"),
        ('7 unlink("`d/no`") = 0', "'/d/no' is not there"),
        ('7 mkdir("`d/old`", 0777) = 0', "'/d/old' is there already"),
        ('7 rmdir("`d`") = 0', "a directory that stays"),
        ("7 fallocate(3<`/r/d/old`>, FALLOC_FL_COLLAPSE_RANGE, 0, 4096) = 0", "COLLAPSE_RANGE"),
        ('7 renameat2(AT_FDCWD, "`d/old`", AT_FDCWD, "`d/x`", RENAME_WHITEOUT) = 0', "WHITEOUT"),
        ("7 ioctl(3<`/r/d/old`>, BTRFS_IOC_CLONE or FICLONE, 4<`/x`>) = 0", "clones of files"),
        ("7 splice(5<`pipe:[9]`>, NULL, 3<`/r/d/old`>, NULL, 4, 0) = 4", "expected splice between"),
    ],
)
def test_lines_that_cannot_be_followed_are_named(line: str, message: str) -> None:
    with pytest.raises(TraceError, match=rf"line 2: .*{message}"):
        applied(f"{OPEN}{line}")


def test_the_refused_line_is_shown_in_letters() -> None:
    expected = "line 1: '/d/no' is not there: 7 unlinkat(AT_FDCWD</r>, \"d/no\", 0) = 0 "
    with pytest.raises(TraceError) as caught:
        applied('7 unlinkat(AT_FDCWD<`/r`>, "`d/no`", 0) = 0')
    assert str(caught.value) == expected


def test_a_trace_that_was_cut_is_refused() -> None:
    with pytest.raises(TraceError, match="line 1: expected the end of all processes but 7 goes on"):
        applied(OPEN)
    with pytest.raises(TraceError, match=r"line 2: .*process 9 came from nowhere"):
        applied(f"{OPEN}9 close(3) = 0")


def test_clones_and_ranges_within_the_directory() -> None:
    part = "{src_fd=3<`/r/d/old`>, src_offset=2, src_length=0, dest_offset=6}"
    text = f"""{OPEN}7 openat(AT_FDCWD<`/r`>, "`d/new`", O_RDWR|O_CREAT, 0600) = 4<`/r/d/new`>
7 ioctl(4<`/r/d/new`>, BTRFS_IOC_CLONE or FICLONE, 3<`/r/d/old`>) = 0
7 ioctl(4<`/r/d/new`>, BTRFS_IOC_CLONE_RANGE or FICLONERANGE, {part}) = 0
7 close_range(3, 4294967295, CLOSE_RANGE_CLOEXEC) = 0
7 +++ exited with 0 +++
"""
    assert applied(text).disk.read(4, 0, 99) == b"beforefore"


def test_a_number_is_free_when_its_close_begins() -> None:
    text = f"""{OPEN}{THREAD}7 close(3<`/r/d/old`> <unfinished ...>
8 openat(AT_FDCWD<`/r`>, "`d/new`", O_WRONLY|O_CREAT, 0600) = 3<`/r/d/new`>
7 <... close resumed>) = 0
8 write(3<`/r/d/new`>, "`x`", 1) = 1
{ENDS}"""
    assert log(text) == ["Dirent /d/new", "Data /d/new", "Size /d/new"]


def test_a_directory_is_removed_after_what_was_in_it() -> None:
    text = f"""{OPEN}{THREAD}7 mkdir("`d/s`", 0777) = 0
7 mkdir("`d/s/t`", 0777) = 0
7 rmdir("`d/s/t`" <unfinished ...>
8 rmdir("`d/s`") = 0
7 <... rmdir resumed>) = 0
{ENDS}"""
    assert log(text)[2:] == ["Dirent /d/s/t", "Dirent /d/s"]


def test_writes_that_were_under_way_at_once_are_noted() -> None:
    text = f"""{OPEN}{THREAD}7 pwrite64(3<`/r/d/old`>, "`x`", 1, 0) = 1
7 pwrite64(3<`/r/d/old`>, "`x`", 1, 0 <unfinished ...>
8 pwrite64(3<`/r/d/old`>, "`y`", 1, 0) = 1
7 <... pwrite64 resumed>) = 1
{ENDS}"""
    assert applied(text).overlaps == {"/d/old": (5, 6)}


MAP = "7 mmap(NULL, 8192, PROT_READ, MAP_SHARED, 3<`/r/d/old`>, 0) = 0x10000\n"


@pytest.mark.parametrize(
    ("calls", "is_refused"),
    [
        ("7 mprotect(0x11000, 4096, PROT_READ|PROT_WRITE) = 0", True),
        ("7 mprotect(0x12000, 4096, PROT_READ|PROT_WRITE) = 0", False),
        ("7 munmap(0x11000, 4096) = 0\n7 mprotect(0x11000, 4096, PROT_WRITE) = 0", False),
        ("7 munmap(0x11000, 4096) = 0\n7 mprotect(0x10000, 4096, PROT_WRITE) = 0", True),
        (
            (
                "7 mremap(0x10000, 8192, 16384, MREMAP_MAYMOVE) = 0x20000\n"
                "7 mprotect(0x22000, 4096, PROT_WRITE) = 0"
            ),
            True,
        ),
        ('7 execve("`/p`", [], 0x7f) = 0\n7 mprotect(0x10000, 4096, PROT_WRITE) = 0', False),
    ],
)
def test_mappings_become_writable(calls: str, is_refused: bool) -> None:  # noqa: FBT001 - a column
    text = f"{OPEN}{MAP}{calls}\n7 +++ exited with 0 +++"
    if is_refused:
        with pytest.raises(TraceError, match="shared writable mapping of '/d/old'"):
            applied(text)
    else:
        assert log(text) == []
