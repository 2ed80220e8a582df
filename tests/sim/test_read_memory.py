"""What is remembered of one disk holds for every other that a program cannot tell from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import FileKind, OpenFlag
from wavetank.sim import (
    BLOCK_SIZE,
    POSIX,
    ROOT_INODE,
    DirectoryContent,
    DiskImage,
    FileContent,
    LinkContent,
    Node,
    PendingOps,
    ReadMemory,
    ReadTrace,
    SimDisk,
    SimFileSystem,
    all_images,
)

NAMES = ("a", "b", "c")

files = st.builds(
    FileContent,
    st.sampled_from([1, 2, BLOCK_SIZE + 1, BLOCK_SIZE + 2]),
    st.tuples(st.sampled_from([b"x", b"y", b"xyz"]), st.sampled_from([b"", b"x", b"yx"])),
)
nodes: st.SearchStrategy[Node] = st.one_of(
    files,
    files,
    files,
    st.builds(LinkContent, st.sampled_from(["a", "b"])),
    st.just(DirectoryContent({})),
)
names = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([2, 3, 4]), min_size=2)


@st.composite
def like_disks(draw: st.DrawFn) -> list[DiskImage]:
    """Some disks that differ in an inode or two, as the images of a crash do."""
    inodes: dict[int, Node] = {number: draw(nodes) for number in (2, 3, 4)}
    first = DiskImage({ROOT_INODE: DirectoryContent(draw(names)), **inodes}, next_inode=5)
    changes = st.dictionaries(st.sampled_from([2, 3, 4]), nodes, min_size=1, max_size=2)
    others = [first.derive(change) for change in draw(st.lists(changes, max_size=10))]
    return [first, *others, first.derive({ROOT_INODE: DirectoryContent(draw(names))})]


Program = int


def run(program: Program, image: DiskImage) -> tuple[str, ReadTrace]:
    """Do six things, each chosen by the program and by all that was found before."""
    trace = ReadTrace()
    disk = SimDisk(image, reads=trace)
    fs = SimFileSystem(disk)
    found: list[object] = [program]
    for _ in range(6):
        choice = sum(repr(found).encode())
        try:
            found.append(_do(fs, choice // 7 % 9, f"/{NAMES[choice % 3]}"))
        except OSError as error:
            found.append(error.errno)
    return repr((found, list(disk.log))), trace


def _do(fs: SimFileSystem, choice: int, path: str) -> object:  # noqa: PLR0911 - a table
    both = OpenFlag.READ | OpenFlag.WRITE
    match choice:
        case 0:
            return list(fs.listdir("/"))
        case 1:
            stat = fs.stat(path)
            return stat.kind, stat.size if stat.kind is FileKind.FILE else 0
        case 2:
            return fs.open(path, OpenFlag.READ).pread(1, 0)
        case 3:
            return fs.open(path, both | OpenFlag.CREATE).pwrite(b"w", 1)
        case 4:
            return fs.open(path, both).pread(BLOCK_SIZE, 1)
        case 5:
            return fs.readlink(path)
        case 6:
            fs.open(path, both).truncate(BLOCK_SIZE)
        case 7:
            fs.rename(path, "/a")
        case _:
            fs.unlink(path)
    return None


@given(program=st.integers(0, 99), images=like_disks())
@examples(300)
def test_what_is_recalled_is_what_would_come(program: Program, images: list[DiskImage]) -> None:
    memory: ReadMemory[str] = ReadMemory()
    for image in images:
        outcome, trace = run(program, image)
        assert memory.recall(image) in (None, outcome)
        memory.remember(image, trace.cells, outcome)
        assert memory.recall(image) == outcome
    for image in images:
        assert memory.recall(image) == run(program, image)[0]


def disk_of(**contents: bytes) -> DiskImage:
    files = dict(enumerate(contents.values(), start=2))
    names = dict(zip(contents, files, strict=True))
    inodes: dict[int, Node] = {
        number: FileContent(len(content), (content,)) for number, content in files.items()
    }
    return DiskImage({ROOT_INODE: DirectoryContent(names), **inodes}, next_inode=9)


def test_what_was_not_looked_at_may_differ() -> None:
    memory: ReadMemory[str] = ReadMemory()
    memory.remember(disk_of(a=b"x", b=b"x"), (("size", 3), ("data", 2, 0)), "known")
    assert memory.recall(disk_of(a=b"x", b=b"y")) == "known"
    assert memory.recall(disk_of(a=b"y", b=b"x")) is None
    assert memory.recall(disk_of(a=b"x", b=b"xx")) is None


def test_looks_may_go_different_ways_after_different_finds() -> None:
    memory: ReadMemory[str] = ReadMemory()
    memory.remember(disk_of(a=b"x", b=b"1"), (("data", 2, 0), ("size", 2), ("data", 3, 0)), "x1")
    memory.remember(disk_of(a=b"x", b=b"2"), (("data", 2, 0), ("size", 2), ("data", 3, 0)), "x2")
    memory.remember(disk_of(a=b"y", b=b"1"), (("data", 2, 0), ("size", 3)), "y")
    memory.remember(disk_of(a=b"z", b=b"1"), (("data", 2, 0),), "z")
    assert [
        memory.recall(disk_of(a=first, b=second))
        for first, second in ((b"x", b"1"), (b"x", b"2"), (b"x", b"3"), (b"y", b"9"), (b"z", b"9"))
    ] == ["x1", "x2", None, "y", "z"]


@pytest.mark.parametrize("grow", ["truncate", "write"])
def test_bytes_beyond_the_end_count_where_a_file_grows_over_them(grow: str) -> None:
    """Kernels zero them then, and the log says so."""

    def trace_of(image: DiskImage) -> ReadTrace:
        trace = ReadTrace()
        file = SimFileSystem(SimDisk(image, reads=trace)).open("/a", OpenFlag.WRITE)
        if grow == "write":
            file.pwrite(b"w", 2)
        else:
            file.truncate(2)
        return trace

    stale, clean = (
        disk_of(a=b"x").derive({2: FileContent(1, (content,))}) for content in (b"xyz", b"x")
    )
    memory: ReadMemory[str] = ReadMemory()
    memory.remember(stale, trace_of(stale).cells, "one zero written")
    assert memory.recall(clean) is None


def test_where_a_log_begins_and_which_inode_comes_next_are_part_of_what_is_known() -> None:
    image = disk_of(a=b"x")
    memory: ReadMemory[str] = ReadMemory()
    memory.remember(image, (("data", 2, 0),), "from the start", first=0)
    assert memory.recall(image, first=7) is None
    assert memory.recall(image.derive({9: FileContent(0, ())})) is None


def test_a_program_that_looks_elsewhere_after_the_same_finds_is_not_believed() -> None:
    memory: ReadMemory[str] = ReadMemory()
    memory.remember(disk_of(a=b"x", b=b"1"), (("data", 2, 0),), "first")
    memory.remember(disk_of(a=b"x", b=b"2"), (("data", 3, 0),), "second")
    assert memory.recall(disk_of(a=b"x", b=b"2")) == "first"


def test_a_crash_before_a_temporary_file_is_read_needs_one_look_for_all_its_images() -> None:
    """The names are read and not the torn file: two ways to go for all that a crash leaves."""
    disk = SimDisk()
    fs = SimFileSystem(disk)
    fs.open("/f.tmp", OpenFlag.WRITE | OpenFlag.CREATE).pwrite(b"content" * 100, 0)
    pending = PendingOps(disk.image, POSIX)
    pending.take_all(disk.log)
    images = {
        image.digest(): image for image in map(pending.image, all_images(pending, limit=512).images)
    }
    memory: ReadMemory[object] = ReadMemory()
    looks = 0
    for image in images.values():
        if memory.recall(image) is None:
            looks += 1
            trace = ReadTrace()
            names = SimFileSystem(SimDisk(image, reads=trace)).listdir("/")
            memory.remember(image, trace.cells, names)
    assert (len(images), looks) == (14, 2)
