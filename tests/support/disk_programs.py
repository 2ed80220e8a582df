"""Programs of system calls on three files, as small numbers, for tests of crashes."""

from random import Random

from wavetank.sim import ROOT_INODE, SimDisk, SyncKind

Program = list[tuple[int, int, int]]


def any_program(chance: Random) -> Program:
    length = chance.randrange(4, 30)
    return [(chance.randrange(11), chance.randrange(3), chance.randrange(3)) for _ in range(length)]


def run(program: Program, disk: SimDisk | None = None) -> SimDisk:
    """Run calls on three files in two directories, made where they are missing."""
    disk = SimDisk() if disk is None else disk
    folder = _made(disk, ROOT_INODE, "d", is_directory=True)
    places = [(ROOT_INODE, "a"), (ROOT_INODE, "b"), (folder, "c")]
    inodes = [_made(disk, *place) for place in places]
    kinds = list(SyncKind)
    for call, which, other in program:
        inode, (directory, name) = inodes[which], places[which]
        names = disk.entries(directory) or {}
        if call <= 2:
            disk.write(inode, disk.size(inode), b"n" * (100 + 4000 * call), path="")
        elif call == 3:
            disk.write(inode, 2000 * other, b"o" * (1000 + 3000 * other), path="")
        elif call == 4:
            disk.truncate(inode, 3000 * other, path="")
        elif call == 5 and name not in names:
            disk.link(directory, name, inodes[other], path="")
        elif call in {5, 6} and name in names and places[other] != places[which]:
            disk.rename((directory, name), places[other], source_path="", target_path="")
        elif call == 7 and name in names:
            disk.unlink(directory, name, path="")
        elif call >= 8:
            kind = kinds[(call + which + other) % len(kinds)]
            target = folder if kind is SyncKind.DIRECTORY and other else inode
            disk.sync(kind, ROOT_INODE if which == other else target, path="")
    return disk


def _made(disk: SimDisk, directory: int, name: str, *, is_directory: bool = False) -> int:
    names = disk.entries(directory)
    assert names is not None
    if name in names:
        return names[name]
    return disk.create(directory, name, path=name, is_directory=is_directory)
