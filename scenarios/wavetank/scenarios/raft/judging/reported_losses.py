"""What a store's own report names as gone: `ReportedLosses`.

Two judges ask it: of a store on a disk that lies, which must be right as far as the report goes
(loss_rules.py), and of a damage whose right answer is known to the byte
(wavetank.scenarios.corruption). What they make of it differs: the first knows all states that may
have been, and nothing of the damage; the second knows the one answer that is right in each mode.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from wavetank.engine import RecoveryReport

__all__ = ["ReportedLosses"]

_LOG: Final = "log.dat"
_SNAPSHOT_FILES: Final = ("snapshot.dat", "snapshot_meta.json")


@frozen(kw_only=True)
class ReportedLosses:
    """What a report names as gone.

    Attributes:
        log_lost_from: the first index of acknowledged entries that are gone, 0 if it is not known;
            None if none are.
        log_cut_from: the first index of a tail that was cut, and may have been acknowledged or
            not; 0 if it is not known, None if there was none.
        snapshot_gone: whether the snapshot is given up.

    >>> ReportedLosses(log_lost_from=7, log_cut_from=None, snapshot_gone=False).log_gone_from
    7
    """

    log_lost_from: int | None
    log_cut_from: int | None
    snapshot_gone: bool

    @property
    def log_gone_from(self) -> int | None:
        """The first index that is gone, acknowledged or perhaps so; None if none is."""
        named = [each for each in (self.log_lost_from, self.log_cut_from) if each is not None]
        return min(named, default=None)

    @classmethod
    def of(cls, report: RecoveryReport, directory: str) -> ReportedLosses:
        """Return what the report on the opening of a directory names."""
        log = [each for each in report.lost if each.path == f"{directory}/{_LOG}"]
        snapshot = {f"{directory}/{name}" for name in _SNAPSHOT_FILES}
        cut = report.cut if report.cut is not None and report.cut.ambiguous else None
        return cls(
            log_lost_from=min((each.first_index or 0 for each in log), default=None),
            log_cut_from=None if cut is None else cut.first_index or 0,
            snapshot_gone=any(each.path in snapshot for each in report.lost),
        )
