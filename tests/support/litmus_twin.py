"""Litmus states read off the rules of docs/disk-model.md: a brute-force twin of the simulator.

It makes the micro-ops of the table itself, without a disk, asks order_rules.py which subsets a
crash may keep, and writes down what each of them shows. Paths have at most one directory.
"""

from typing import Final

from attrs import evolve
from order_rules import legal_sets, micro_ops

from wavetank.sim import (
    ROOT_INODE,
    UNWRITTEN,
    Data,
    Dirent,
    LitmusOp,
    LitmusState,
    LitmusTest,
    Mark,
    MicroOp,
    Profile,
    Record,
    Size,
    Sync,
    SyncKind,
)

SYNCS: Final = {"fsync": SyncKind.FILE, "fdatasync": SyncKind.DATA}
FIRST_INODE: Final = 10


def twin_states(test: LitmusTest, profile: Profile) -> set[LitmusState]:
    """Every state, at every call of the program; all subsets of its micro-ops are tried."""
    machine = Machine(test.folders)
    for op in test.setup:
        machine.do(op)
    durable = micro_ops(machine.records)
    marks = tuple(record.word for record in machine.records if isinstance(record, Mark))
    start = len(machine.records)
    found = {machine.shown(durable, [], marks)}
    readings = {False, profile.truncate_discards}
    for op in test.program:
        machine.do(op)
        past = machine.records[start:]
        said = (*marks, *(record.word for record in past if isinstance(record, Mark)))
        for kept in legal_sets(past, profile):
            chosen = [each for each in micro_ops(past) if each.number in kept]
            found |= {machine.shown(durable, chosen, said, forgets=each) for each in readings}
    return found


class Machine:
    """What programs see, and the records of it."""

    def __init__(self, folders: tuple[str, ...]) -> None:
        self.records: list[Record] = []
        self.folders = {folder: number for number, folder in enumerate(folders, ROOT_INODE + 1)}
        self.inodes: dict[str, int] = {}
        self.names: dict[tuple[int, str], int] = {}
        self.sizes: dict[int, int] = {}
        self.calls = 0

    def do(self, op: LitmusOp) -> None:
        self.calls += 1
        words = [str(argument) for argument in op.arguments]
        match op.name:
            case "create":
                inode = self.inodes[words[1]] = FIRST_INODE + len(self.inodes)
                self.sizes[inode] = 0
                self.set_name(words[0], inode, subject=inode)
            case "link":
                inode = self.names[self.place(words[0])]
                self.set_name(words[1], inode, subject=inode)
            case "unlink":
                self.set_name(words[0], None, subject=self.names[self.place(words[0])])
            case "rename":
                self.rename(*words)
            case "mark":
                self.records.append(Mark(words[0]))
            case "fsyncdir":
                folder = ROOT_INODE if words[0] == "." else self.folders[words[0]]
                self.sync(SyncKind.DIRECTORY, folder)
            case "sync":
                self.sync(SyncKind.EVERYTHING, 0)
            case _:
                self.use_file(op.name, self.inodes[words[0]], words[1:])

    def use_file(self, name: str, inode: int, words: list[str]) -> None:
        match name:
            case "append":
                self.write(inode, self.sizes[inode], words[0])
            case "overwrite":
                self.write(inode, int(words[0]), words[1])
            case "truncate":
                self.set_size(inode, int(words[0]), extends=False)
            case _:
                self.sync(SYNCS[name], inode)

    def sync(self, kind: SyncKind, inode: int) -> None:
        self.records.append(Sync(kind=kind, call=self.calls, inode=inode))

    def rename(self, source: str, target: str) -> None:
        inode, replaced = (self.names.get(self.place(path)) for path in (source, target))
        if inode == replaced:
            return
        if replaced is not None:
            self.set_name(target, None, subject=inode)
        self.set_name(target, inode, subject=inode, replaces=replaced is not None)
        self.set_name(source, None, subject=inode)

    def write(self, inode: int, block: int, letter: str) -> None:
        grows = block >= self.sizes[inode]
        self.add(
            Data(
                number=0,
                call=self.calls,
                inode=inode,
                block=block,
                start=0,
                content=letter.encode(),
                extends=grows,
            )
        )
        if grows:
            self.set_size(inode, block + 1, extends=True)

    def set_size(self, inode: int, blocks: int, *, extends: bool) -> None:
        if blocks != self.sizes[inode]:
            self.sizes[inode] = blocks
            self.add(Size(number=0, call=self.calls, inode=inode, size=blocks, extends=extends))

    def set_name(
        self, path: str, inode: int | None, *, subject: int | None, replaces: bool = False
    ) -> None:
        assert subject is not None
        directory, name = self.place(path)
        if inode is None:
            del self.names[directory, name]
        else:
            self.names[directory, name] = inode
        self.add(
            Dirent(
                number=0,
                call=self.calls,
                directory=directory,
                name=name,
                inode=inode,
                subject=subject,
                replaces=replaces,
            )
        )

    def add(self, op: MicroOp) -> None:
        self.records.append(evolve(op, number=len(micro_ops(self.records))))

    def place(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        return (self.folders[folder] if folder else ROOT_INODE), name

    def shown(  # noqa: C901 - op by op
        self,
        durable: list[MicroOp],
        kept: list[MicroOp],
        marks: tuple[str, ...],
        *,
        forgets: bool = False,
    ) -> LitmusState:
        """What is on disk if exactly these ops are; truncations of the setup forget nothing."""
        names: dict[tuple[int, str], int | None] = {}
        sizes: dict[int, int] = {}
        blocks: dict[tuple[int, int], str] = {}
        for number, op in enumerate([*durable, *kept]):
            if forgets and number == len(durable):
                for inode, block in set(blocks):
                    if block >= sizes.get(inode, 0):
                        del blocks[inode, block]
            if isinstance(op, Dirent):
                names[op.directory, op.name] = op.inode
            elif isinstance(op, Size):
                sizes[op.inode] = op.size
                if forgets and number >= len(durable) and not op.extends:
                    for inode, block in set(blocks):
                        if inode == op.inode and block >= op.size:
                            del blocks[inode, block]
            elif isinstance(op, Data):
                blocks[op.inode, op.block] = op.content.decode()
        prefixes = {ROOT_INODE: ""} | {number: f"{path}/" for path, number in self.folders.items()}
        return LitmusState.of(
            {
                prefixes[directory] + name: "".join(
                    blocks.get((inode, block), UNWRITTEN) for block in range(sizes.get(inode, 0))
                )
                for (directory, name), inode in names.items()
                if inode is not None
            },
            *marks,
        )
