"""What an open hands to the services: `RecoveredStore`. Left out: how it came about."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from wavetank.engine._active_log import ActiveLog
from wavetank.engine._directory import let_go
from wavetank.engine._health import Part
from wavetank.engine._metadata import LogMetadata
from wavetank.engine._snapshot_recovery import SnapshotFinding
from wavetank.engine._state import StateRecord
from wavetank.engine.errors import CorruptedError
from wavetank.engine.report import RecoveryReport

__all__ = ["RecoveredStore"]


@frozen(kw_only=True)
class RecoveredStore:
    """A directory ready for use.

    Attributes:
        state: what both copies of the state hold.
        log: log.dat, open.
        metadata: what metadata.json says.
        snapshot: the current snapshot with its open data.
        report: what was found and done.
        damage: parts that cannot be read, where nothing may be repaired; what stands for them above
            means nothing.
    """

    state: StateRecord
    log: ActiveLog
    metadata: LogMetadata | None
    snapshot: SnapshotFinding
    report: RecoveryReport
    damage: Mapping[Part, CorruptedError] = field(factory=dict)

    def close(self) -> None:
        """Let go of the files of a store that is not used after all."""
        let_go(self.log.file)
        if self.snapshot.file is not None:
            let_go(self.snapshot.file)
