"""A litmus test's operations, done on a simulated disk through the filesystem seam.

Left out: what a crash leaves of them (litmus_run.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import evolve, frozen

from wavetank.engine import OpenFlag
from wavetank.sim.crashes._apply import apply
from wavetank.sim.disk.filesystem import SimFileSystem
from wavetank.sim.disk.sim_disk import SimDisk
from wavetank.sim.disk.sim_file import SimFile
from wavetank.sim.image import DiskImage
from wavetank.sim.litmus.program import LitmusError, LitmusOp, LitmusTest
from wavetank.sim.ops import BLOCK_SIZE, Data, Mark, Record, Sync, SyncKind

__all__ = ["LitmusRecording", "record_litmus"]

_NEW: Final = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.EXCLUSIVE


@frozen(kw_only=True)
class LitmusRecording:
    """What a litmus test did to the disk.

    Attributes:
        image: the durable content when the program starts.
        setup_marks: marks made before that.
        records: the op log of the program.
    """

    image: DiskImage
    setup_marks: tuple[str, ...]
    records: tuple[Record, ...]


def record_litmus(test: LitmusTest, place: str = "$") -> LitmusRecording:
    """Run setup and program once.

    Args:
        test: the test.
        place: where it stands in its file, for errors.

    Raises:
        LitmusError: an operation cannot be done.
    """
    disk = SimDisk()
    machine = _Machine(disk)
    for folder in test.folders:
        machine.make_folder(folder, place)
    machine.run(test.setup, f"{place}.setup")
    setup = _without_hiding(list(disk.log))
    machine.run(test.program, f"{place}.program")
    return LitmusRecording(
        image=apply(disk.image, [op for op in setup if not isinstance(op, Mark | Sync)]),
        setup_marks=tuple(record.word for record in setup if isinstance(record, Mark)),
        records=_without_hiding(list(disk.log))[len(setup) :],
    )


def _without_hiding(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the records without the zeros that a kernel writes over stale blocks before growth.

    The micro-op table knows a size there and nothing else, and a litmus state shows the last data
    that was kept for a block, also after a truncation and new growth. No letter is a zero.
    """
    kept: list[Record] = []
    for record in records:
        if isinstance(record, Data) and not record.content.strip(b"\0"):
            continue
        if isinstance(record, Sync | Mark):
            kept.append(record)
        else:
            kept.append(evolve(record, number=len(kept)))
    return tuple(kept)


class _Machine:
    """A filesystem, and the file that each inode's name stands for, open since its creation."""

    __slots__ = ("_disk", "_files", "_fs")

    def __init__(self, disk: SimDisk) -> None:
        self._disk = disk
        self._fs = SimFileSystem(disk)
        self._files: dict[str, SimFile] = {}

    def make_folder(self, path: str, place: str) -> None:
        """Make a directory that paths name, before anything else."""
        try:
            self._fs.mkdir(f"/{path}")
        except OSError as error:
            raise LitmusError(f"{place}: expected directories, got {path!r}: {error}") from error

    def run(self, ops: Sequence[LitmusOp], place: str) -> None:
        """Do operations in order; `place` says where they stand in their file."""
        for number, op in enumerate(ops):
            try:
                self._do(op)
            except (LitmusError, OSError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                words = [op.name, *op.arguments]
                raise LitmusError(
                    f"{place}[{number}]: expected an operation that succeeds, "
                    f"got {words!r}: {reason}"
                ) from error

    def _do(self, op: LitmusOp) -> None:
        match op.name, *op.arguments:
            case "mark", str(word):
                self._disk.mark(word)
            case ("sync",):
                self._disk.sync(SyncKind.EVERYTHING, 0, path="")
            case "create", str(path), str(inode):
                if inode in self._files:
                    raise LitmusError(f"the inode {inode!r} was made before")
                self._files[inode] = self._fs.open(f"/{path}", _NEW)
            case "append" | "overwrite" | "truncate" | "fsync" | "fdatasync", str(inode), *_:
                if inode not in self._files:
                    made = ", ".join(self._files) or "none"
                    raise LitmusError(f"{inode!r} is none of the inodes made so far: {made}")
                _use_file(self._files[inode], op)
            case _:
                self._use_names(op)

    def _use_names(self, op: LitmusOp) -> None:
        match op.name, *op.arguments:
            case "rename", str(source), str(target):
                self._fs.rename(f"/{source}", f"/{target}")
            case "exchange", str(first), str(second):
                self._fs.exchange(f"/{first}", f"/{second}")
            case "link", str(source), str(target):
                self._fs.link(f"/{source}", f"/{target}")
            case "unlink", str(path):
                self._fs.unlink(f"/{path}")
            case "mkdir", str(path):
                self._fs.mkdir(f"/{path}")
            case "rmdir", str(path):
                self._fs.rmdir(f"/{path}")
            case "fsyncdir", str(path):
                self._fs.fsync_dir(f"/{path}")
            case _:
                raise LitmusError("no such operation")


def _use_file(file: SimFile, op: LitmusOp) -> None:
    match op.name, *op.arguments[1:]:
        case "append", str(letter):
            file.append(_block(letter))
        case "overwrite", int(block), str(letter):
            file.pwrite(_block(letter), block * BLOCK_SIZE)
        case "truncate", int(blocks):
            file.truncate(blocks * BLOCK_SIZE)
        case ("fsync",):
            file.fsync()
        case ("fdatasync",):
            file.datasync()
        case _:
            raise LitmusError("no such operation")


def _block(letter: str) -> bytes:
    return letter.encode("ascii") * BLOCK_SIZE
