"""The order rules of docs/disk-model.md read literally: a brute-force twin of the simulator.

Written from the table and not from the simulator's code: it knows the profile's fields and the
op log's records, tries every subset of the micro-ops, and asks each rule of each pair.
"""

from itertools import combinations

from wavetank.sim import (
    BLOCK_SIZE,
    Data,
    Dirent,
    DirentCover,
    Mark,
    MicroOp,
    Profile,
    Record,
    Size,
    Sync,
    SyncKind,
)


def micro_ops(records: list[Record]) -> list[MicroOp]:
    return [record for record in records if not isinstance(record, (Sync, Mark))]


def idle_writes(records: list[Record]) -> set[int]:
    """Writes of bytes that programs saw there already; no disk tells whether they were kept."""
    seen: dict[tuple[int, int], int] = {}
    idle = set()
    for op in micro_ops(records):
        if not isinstance(op, Data):
            continue
        first = op.block * BLOCK_SIZE + op.start
        cells = {(op.inode, first + place): byte for place, byte in enumerate(op.content)}
        if all(seen.get(cell) == byte for cell, byte in cells.items()):
            idle.add(op.number)
        seen.update(cells)
    return idle


def legal_sets(records: list[Record], profile: Profile) -> set[frozenset[int]]:
    """Every set of micro-ops, by number, that may be on disk after all of `records`."""
    ops = micro_ops(records)
    must = durable(records, profile)
    if not profile.keeps_unsynced:
        return {frozenset(must)}
    waiting = [op for op in ops if op.number not in must]
    found = set()
    for count in range(len(waiting) + 1):
        for chosen in combinations(waiting, count):
            present = must | {op.number for op in chosen}
            if all(requirements(op, records, profile) <= present for op in chosen):
                found.add(frozenset(present))
    return found


def undecided(records: list[Record], profile: Profile) -> set[int]:
    return {op.number for op in micro_ops(records)} - durable(records, profile)


def durable(records: list[Record], profile: Profile) -> set[int]:
    """What completed syncs cover, with all that must come before it."""
    found: set[int] = set()
    for place, record in enumerate(records):
        past = records[:place]
        if isinstance(record, Sync) and profile.persists(record):
            found |= covered(record, past, profile)
        elif isinstance(record, (Dirent, Data, Size)) and at_once(record, profile):
            found |= closure({record.number}, records, profile)
    return found


def at_once(op: MicroOp, profile: Profile) -> bool:
    return profile.synchronous_dirents if isinstance(op, Dirent) else profile.data_at_once


def covered(sync: Sync, past: list[Record], profile: Profile) -> set[int]:
    named = {op.number for op in micro_ops(past) if names(sync, op, profile)}
    return closure(named, past, profile)


def names(sync: Sync, op: MicroOp, profile: Profile) -> bool:
    if sync.kind is SyncKind.EVERYTHING:
        return True
    of_directory = sync.kind is SyncKind.DIRECTORY
    if isinstance(op, Dirent):
        if of_directory:
            return profile.fsync_dir_covers is DirentCover.ALL or op.directory == sync.inode
        if sync.kind is SyncKind.DATA or profile.fsync_file_covers is DirentCover.NONE:
            return False
        return profile.fsync_file_covers is DirentCover.ALL or op.subject == sync.inode
    if of_directory:
        return False
    return op.inode == sync.inode or (isinstance(op, Size) and profile.fsync_file_covers_sizes)


def closure(numbers: set[int], records: list[Record], profile: Profile) -> set[int]:
    by_number = {op.number: op for op in micro_ops(records)}
    found, todo = set(numbers), list(numbers)
    while todo:
        for other in requirements(by_number[todo.pop()], records, profile) - found:
            found.add(other)
            todo.append(other)
    return found


def requirements(op: MicroOp, records: list[Record], profile: Profile) -> set[int]:
    """The other micro-ops that must be on disk whenever `op` is: before it, or in its group."""
    ops = micro_ops(records)
    earlier = {
        other.number for other in ops if other.number < op.number and precedes(other, op, profile)
    }
    mates = {other.number for other in ops if other is not op and one_group(other, op, profile)}
    ordered: set[int] = set()
    for place, record in enumerate(records):
        if isinstance(record, Sync) and not profile.persists(record):
            before = micro_ops(records[:place])
            if op.number not in {other.number for other in before}:
                ordered |= covered(record, records[:place], profile)
    return earlier | mates | ordered


def one_group(x: MicroOp, y: MicroOp, profile: Profile) -> bool:
    if x.call != y.call:
        return False
    if isinstance(x, Dirent) and isinstance(y, Dirent):
        return profile.rename_atomic
    if isinstance(x, Size) and isinstance(y, Data):
        x, y = y, x
    return (
        isinstance(x, Data)
        and isinstance(y, Size)
        and y.number == x.number + 1
        and profile.appends_atomic
        and extends(x, profile)
    )


def extends(op: MicroOp, profile: Profile) -> bool:
    if not isinstance(op, (Data, Size)) or not op.extends:
        return False
    return not (profile.tail_block_as_overwrite and isinstance(op, Data) and op.tail_block)


def precedes(x: MicroOp, y: MicroOp, profile: Profile) -> bool:
    """The table, row by row; x was issued before y."""
    other_call = x.call != y.call
    metadata = (Dirent, Size)
    rows = [
        x.target == y.target,
        profile.program_order,
        profile.dirents_ordered and isinstance(x, Dirent) and isinstance(y, Dirent) and other_call,
        profile.metadata_ordered
        and isinstance(x, metadata)
        and isinstance(y, metadata)
        and other_call,
        profile.appends_ordered
        and not isinstance(x, Dirent)
        and not isinstance(y, Dirent)
        and x.inode == y.inode
        and extends(x, profile)
        and extends(y, profile),
        profile.overwrites_before_metadata
        and isinstance(x, Data)
        and not extends(x, profile)
        and isinstance(y, metadata),
        profile.rename_after_source
        and isinstance(y, Dirent)
        and y.replaces
        and not isinstance(x, Dirent)
        and x.inode == y.inode,
    ]
    return any(rows)
