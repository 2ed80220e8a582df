"""What a filesystem promises about unsynced work: the persistence profile.

A profile is data. It answers, for any two pending micro-ops, whether the later may reach the disk
without the earlier, which neighbours reach it only together, and what a completed sync makes
durable. It knows nothing of contents, of tearing below a block, or of syncs that fail.

Read `Profile.must_precede` first: every rule of the table in docs/disk-model.md is one line there.

Sources: Pillai et al., OSDI'14 (ALICE), table 1; Bornholt et al., ASPLOS'16 (Ferrite), section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

from attrs import evolve, frozen

from wavetank.sim.ops import Attribute, Data, Dirent, MicroOp, Size, Sync, SyncKind

__all__ = ["DirentCover", "Profile"]


_RULES: Final = (
    "dirents_ordered",
    "metadata_ordered",
    "appends_atomic",
    "appends_ordered",
    "overwrites_before_metadata",
    "rename_after_source",
    "rename_atomic",
    "fsync_file_covers_sizes",
    "program_order",
)


class DirentCover(Enum):
    """Which pending directory ops a sync also makes durable."""

    ALL = "all"
    OWN = "own"
    NONE = "none"


@frozen(kw_only=True)
class Profile:
    """One filesystem's promises. Every field is one row of the table, named as there.

    Attributes:
        name: what the command line calls it.
        summary: one sentence for people.
        program_order: everything reaches the disk in program order.
        dirents_ordered: directory ops and attributes of different calls stay in order.
        metadata_ordered: directory ops, attributes and sizes of different calls stay in order.
        appends_atomic: an extending write's data and size go together, per block, data first.
        appends_ordered: extending writes to one file stay in order.
        overwrites_before_metadata: overwrites come before later directory ops and sizes.
        rename_after_source: a rename over a name comes after the source's data and sizes.
        rename_atomic: both halves of a rename, or neither.
        fsync_file_covers: directory ops that fsync of a file covers.
        fsync_file_covers_sizes: whether fsync of a file covers every earlier size.
        fsync_dir_covers: directory ops that fsync of a directory covers.
        tail_block_as_overwrite: growing a partly filled tail block counts as an overwrite.
        truncate_discards: what a truncation cut off may be gone when a later size shows it again.
        fsync_persists: whether what a sync covers is durable; if not, it only comes before all
            that follows the sync.
        full_fsync_persists: the same for F_FULLFSYNC.
        synchronous_dirents: directory ops and attributes are durable as soon as they are issued.
        data_at_once: data and sizes are durable as soon as they are issued.
        keeps_unsynced: whether anything that is not durable can be on disk after a crash.
        control: shipped to show what goes wrong, not to be safe on.
    """

    name: str
    summary: str
    program_order: bool = False
    dirents_ordered: bool = False
    metadata_ordered: bool = False
    appends_atomic: bool = False
    appends_ordered: bool = False
    overwrites_before_metadata: bool = False
    rename_after_source: bool = False
    rename_atomic: bool = True
    fsync_file_covers: DirentCover = DirentCover.NONE
    fsync_file_covers_sizes: bool = False
    fsync_dir_covers: DirentCover = DirentCover.OWN
    tail_block_as_overwrite: bool = False
    truncate_discards: bool = False
    fsync_persists: bool = True
    full_fsync_persists: bool = True
    synchronous_dirents: bool = False
    data_at_once: bool = False
    keeps_unsynced: bool = True
    control: bool = False

    def must_precede(self, first: MicroOp, second: MicroOp) -> bool:
        """Whether `second` on disk implies `first` on disk; `first` was issued earlier."""
        if self.program_order or first.target == second.target:
            return True
        if isinstance(second, Dirent):
            return self._precedes_dirent(first, second)
        if isinstance(second, Attribute):
            return self._precedes_attribute(first, second)
        if isinstance(second, Size) and self._precedes_size(first, second):
            return True
        return (
            self.appends_ordered
            and isinstance(first, (Data, Size))
            and first.inode == second.inode
            and self.extends(first)
            and self.extends(second)
        )

    def _precedes_attribute(self, first: MicroOp, second: Attribute) -> bool:
        """Attributes go through the journal where names do; sizes may wait for their data."""
        if isinstance(first, Data):
            return self._overwrite_comes_first(first)
        ordered = self.metadata_ordered or (self.dirents_ordered and not isinstance(first, Size))
        return ordered and first.call != second.call

    def _precedes_dirent(self, first: MicroOp, second: Dirent) -> bool:
        ordered = self.dirents_ordered or self.metadata_ordered
        if isinstance(first, (Dirent, Attribute)) and ordered and first.call != second.call:
            return True
        if isinstance(first, Dirent):
            return False
        if self.rename_after_source and second.replaces and first.inode == second.inode:
            return True
        if isinstance(first, Attribute):
            return False
        if isinstance(first, Size):
            return self.metadata_ordered and first.call != second.call
        return self._overwrite_comes_first(first)

    def _precedes_size(self, first: MicroOp, second: Size) -> bool:
        if isinstance(first, Data):
            return self._overwrite_comes_first(first)
        return self.metadata_ordered and first.call != second.call

    def _overwrite_comes_first(self, first: Data) -> bool:
        # An overwrite has no size to publish it, so only this rule ever orders one.
        return self.overwrites_before_metadata and not self.extends(first)

    def with_one_rule_more(self) -> Iterator[tuple[str, Profile]]:
        """Yield, for each promise that this profile does not make, its name and one that does."""
        for rule in _RULES:
            if not getattr(self, rule):
                fields: dict[str, Any] = {rule: True}
                yield rule, evolve(self, name=f"{self.name} with {rule}", **fields)
        if self.fsync_file_covers is not DirentCover.ALL:
            stronger = evolve(self, fsync_file_covers=DirentCover.ALL)
            yield "fsync_file_covers = all", stronger
        if self.fsync_dir_covers is not DirentCover.ALL:
            yield "fsync_dir_covers = all", evolve(self, fsync_dir_covers=DirentCover.ALL)
        if self.truncate_discards:
            yield "truncate_discards = no", evolve(self, truncate_discards=False)

    def extends(self, op: Data | Size) -> bool:
        """Whether `op` counts as a part of an append."""
        if not op.extends:
            return False
        return not (self.tail_block_as_overwrite and isinstance(op, Data) and op.tail_block)

    def joined(self, op: MicroOp) -> bool:
        """Whether `op` reaches the disk only together with the op after it."""
        if isinstance(op, (Size, Attribute)) or not op.joins_next:
            return False
        if isinstance(op, Dirent):
            return self.rename_atomic
        return self.appends_atomic and self.extends(op)

    def at_once(self, op: MicroOp) -> bool:
        """Whether `op` is durable as soon as it is issued."""
        is_data = isinstance(op, (Data, Size))
        return self.data_at_once if is_data else self.synchronous_dirents

    def persists(self, sync: Sync) -> bool:
        """Whether what `sync` covers is durable, and not merely ordered."""
        return self.full_fsync_persists if sync.kind is SyncKind.FULL else self.fsync_persists

    def covers(self, sync: Sync, op: MicroOp) -> bool:
        """Whether the completed `sync` names `op`; what must precede `op` comes with it."""
        if sync.kind is SyncKind.EVERYTHING:
            return True
        if isinstance(op, Dirent):
            return self._covers_dirent(sync, op)
        if isinstance(op, Attribute):
            return self._covers_attribute(sync, op)
        if sync.kind is SyncKind.DIRECTORY:
            return False
        if op.inode == sync.inode:
            return True
        return self.fsync_file_covers_sizes and isinstance(op, Size)

    def _covers_attribute(self, sync: Sync, op: Attribute) -> bool:
        """Attributes are in the inode, and in the journal; fdatasync asks for neither."""
        if sync.kind is SyncKind.DATA:
            return False
        if op.inode == sync.inode:
            return True
        is_of_directory = sync.kind is SyncKind.DIRECTORY
        covers = self.fsync_dir_covers if is_of_directory else self.fsync_file_covers
        return covers is DirentCover.ALL

    def _covers_dirent(self, sync: Sync, op: Dirent) -> bool:
        if sync.kind is SyncKind.DIRECTORY:
            return self.fsync_dir_covers is DirentCover.ALL or op.directory == sync.inode
        if sync.kind is SyncKind.DATA:
            return False
        if self.fsync_file_covers is DirentCover.OWN:
            return sync.inode == op.subject
        return self.fsync_file_covers is DirentCover.ALL
