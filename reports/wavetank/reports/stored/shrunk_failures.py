"""Stored failures made smaller, by `wavetank shrink` and by the runs that find them."""

from __future__ import annotations

from attrs import evolve

from wavetank.reports._version import version
from wavetank.reports.runs.session import Session
from wavetank.reports.stored.failures import StoredFailure
from wavetank.scenarios.shrinking import (
    ClusterCaseError,
    NotShownError,
    Shrinking,
    shrink,
    tell_shrunk,
)

__all__ = ["made_smaller", "with_first_made_smaller"]


def made_smaller(failure: StoredFailure, *, budget: int) -> StoredFailure:
    """Return a failure made smaller, from where it was left; its id stays the same.

    Args:
        failure: as it is stored.
        budget: images and runs that may be judged.

    Raises:
        ClusterCaseError: it is one of a cluster.
        NotShownError: it does not show any more.
    """
    found = failure.found or failure.case
    now = shrink(failure.shrinking or Shrinking(case=failure.case), budget=budget)
    story = evolve(tell_shrunk(found, now), id=failure.violation.id)
    return evolve(failure, case=now.case, violation=story, found=found, shrinking=now)


def with_first_made_smaller(
    session: Session, *, budget: int
) -> tuple[Session, StoredFailure | None]:
    """Return a session with its first finding made smaller, and that finding, if it has one.

    The finding stays as it is if Ctrl-C or an error comes meanwhile; the session says so.

    Args:
        session: of a run.
        budget: images and runs that may be judged.
    """
    if session.is_broken_off or not session.violations:
        return session, None
    case, violation = session.violations[0]
    try:
        small = made_smaller(
            StoredFailure(case=case, violation=violation, version=version()), budget=budget
        )
    except (NotShownError, ClusterCaseError):
        return session, None  # a store that is not deterministic, or a cluster
    except KeyboardInterrupt:
        return evolve(session, interrupted=True), None
    except Exception as error:  # noqa: BLE001 - told behind what was found
        return evolve(session, error=error), None
    return session.with_story(small.case, small.violation), small
