"""What a power cut takes, said in few numbers: `Loss`, for those who draw or write it by hand.

A `Loss` counts back from what was issued last and names no op, so that it means something on any
disk, and a smaller number is a smaller loss. `Kept` is the exact name that it gets on one disk.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import field, frozen, validators

from wavetank.scenarios.exploration.op_words import describe_ops
from wavetank.sim import Dirent, Kept, PendingOps, Record, Tear, Tearing

__all__ = ["Loss", "kept_after", "told_lost"]


@frozen(kw_only=True)
class Loss:
    """What a power cut takes of the ops that are pending; by default nothing.

    Whatever must not be on the disk without a lost op is lost with it.

    Attributes:
        newest: this many of the newest ops are lost; all of them if there are fewer.
        also: these are lost too, counted back from the newest, which is 0.
        torn_sectors: bit k set: of the newest write that is left, the k-th sector of 512 bytes of
            its last block is lost.

    Raises:
        ValueError: a number is negative.
    """

    newest: int = field(default=0, validator=validators.ge(0))
    also: tuple[int, ...] = field(default=(), validator=validators.deep_iterable(validators.ge(0)))
    torn_sectors: int = field(default=0, validator=validators.ge(0))


def kept_after(pending: PendingOps, loss: Loss) -> Kept:
    """Return what is left of the pending ops after a loss: a legal set, whatever the loss.

    >>> from wavetank.sim import POSIX, SimDisk
    >>> disk = SimDisk()
    >>> inode = disk.create(1, "notes", path="/notes")
    >>> disk.write(inode, 0, b"milk", path="/notes")
    4
    >>> pending = PendingOps(disk.image, POSIX)
    >>> pending.take_all(disk.log)
    >>> [kept_after(pending, Loss(newest=count)).numbers for count in range(4)]
    [(0, 1, 2), (0, 1), (0,), ()]
    """
    if not pending.profile.keeps_unsynced:
        return Kept(())
    newest_first = [op.number for op in pending.ops][::-1]
    gone = set(newest_first[: loss.newest])
    gone |= {newest_first[place] for place in loss.also if place < len(newest_first)}
    lost = 0
    for number in gone:
        lost |= pending.dependents(number)
    left = pending.everything & ~lost
    return pending.kept(left, _tears(pending, left, loss.torn_sectors))


def _tears(pending: PendingOps, left: int, torn_sectors: int) -> tuple[Tear, ...]:
    writes = pending.writes_in(left) if torn_sectors else []
    if not writes:
        return ()
    op = writes[-1][-1]
    touched = sum(Tearing().sectors(op.start, len(op.content)))
    written = touched & ~torn_sectors
    return (Tear(op.number, written),) if 0 < written < touched else ()


def told_lost(log: tuple[Record, ...], pending: PendingOps, kept: Kept) -> Iterator[str]:
    """Yield what a crash lost or tore, and the sync that had not come; one call is told as one.

    Args:
        log: before the crash.
        pending: what was pending then.
        kept: what the crash kept of it.
    """
    texts = describe_ops(log)
    torn = {tear.number for tear in kept.tears}
    whole = set(kept.numbers) - torn
    told: dict[str, None] = {}
    for op in pending.ops:
        if op.number not in whole:
            of = f"the directory {op.path.rpartition('/')[0] or '/'}"
            synced = of if isinstance(op, Dirent) else f"the file {op.path}"
            how = " (torn)" if op.number in torn else ""
            told[f"{texts[op.number]}{how}: no sync of {synced} had come"] = None
    yield from told
