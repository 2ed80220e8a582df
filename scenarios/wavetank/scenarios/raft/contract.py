"""What a store promises of a crash, clause by clause; options and faults relax single ones.

A store that was told not to sync its appends breaks no promise when it loses some, and one whose
disk lies cannot show what is not there. Whoever judges a store asks here what it had promised.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import evolve, fields, frozen

from wavetank.engine import CorruptedError, FileStorageOptions, RecoveryMode
from wavetank.faults import Fault, FaultPlan

__all__ = ["STORE_PROMISES", "Contract"]

STORE_PROMISES: Final = ("appends_durable", "opens_always", "snapshots_kept")
"""The clauses that are a store's own; the others follow from the faults of its disk."""


@frozen(kw_only=True)
class Contract:
    """A store's promises; each holds unless an option gives it up.

    Attributes:
        appends_durable: what was acknowledged survives a crash; off: of the appends since the log
            was last made durable a prefix survives.
        opens_always: a store opens whatever a crash left; off: it may refuse, with an error that
            says what is damaged. What it shows when it does open is right in any case.
        snapshots_kept: a snapshot that was replaced or is being written is there, old or new; off:
            a store that opens whatever is damaged may have given it up, if the log still covers it.
        media_sound: the disk shows what was written; off: the store may refuse, with an error that
            says what is damaged, and may lack what it names as gone (tolerated_losses.py).
        syncs_honest: what a sync said to be durable is; off: what the store shows may be older,
            but every part of it as it once was, and none after a hole.

    >>> Contract.of(FileStorageOptions(sync_on_append=False)).relaxed
    ('appends_durable',)
    """

    appends_durable: bool = True
    opens_always: bool = True
    snapshots_kept: bool = True
    media_sound: bool = True
    syncs_honest: bool = True

    @classmethod
    def of(
        cls,
        options: FileStorageOptions,
        faults: FaultPlan | None = None,
        changes: Iterable[tuple[str, bool]] = (),
    ) -> Contract:
        """Return what a store with these options promises on a disk with these faults.

        Args:
            options: of the store.
            faults: of its disk.
            changes: clauses by name that are demanded or given up all the same.
        """
        atomic, mode = options.features.atomic_writes, options.recovery_mode
        derived = cls(
            appends_durable=options.sync_on_append,
            opens_always=atomic and mode is not RecoveryMode.CONSERVATIVE,
            snapshots_kept=atomic or mode is not RecoveryMode.AGGRESSIVE,
            media_sound=not any(fault.damages_content for fault in _faults(faults)),
            syncs_honest=not any(fault.is_lying_sync for fault in _faults(faults)),
        )
        return evolve(derived, **dict(changes))

    @property
    def relaxed(self) -> tuple[str, ...]:
        """The clauses that are given up, by name."""
        return tuple(each.name for each in fields(Contract) if not getattr(self, each.name))

    def allows_refusal(self, error: Exception) -> bool:
        """Whether a store may end a recovery, or a first look at it, with this error."""
        return not self.opens_always and isinstance(error, CorruptedError)


def _faults(plan: FaultPlan | None) -> tuple[Fault, ...]:
    return () if plan is None else plan.faults
