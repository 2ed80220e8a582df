"""Every check of the suite, in order, and choosing some of them by name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from wavetank.scenarios.conformance.basics import BASICS
from wavetank.scenarios.conformance.check import Check
from wavetank.scenarios.conformance.concurrent import CONCURRENT, CONCURRENT_OPEN_CLOSE
from wavetank.scenarios.conformance.crashes import CRASHES
from wavetank.scenarios.conformance.failing import FAILING
from wavetank.scenarios.conformance.open_close import OPEN_CLOSE
from wavetank.scenarios.conformance.snapshots import SNAPSHOTS
from wavetank.scenarios.conformance.torn import TORN
from wavetank.scenarios.conformance.truncation import TRUNCATION
from wavetank.scenarios.conformance.votes import VOTES

__all__ = ["CHECKS", "UnknownCheckError", "choose_checks"]

CHECKS: Final[tuple[Check, ...]] = (
    *BASICS,
    *TRUNCATION,
    *VOTES,
    *SNAPSHOTS,
    *OPEN_CLOSE,
    *CONCURRENT_OPEN_CLOSE,
    *FAILING,
    *TORN,
    *CRASHES,
    *CONCURRENT,
)
"""Every check."""


class UnknownCheckError(LookupError):
    """A name or pattern that no check has."""


def choose_checks(patterns: Iterable[str]) -> tuple[Check, ...]:
    """Return the checks of some names, in the order of the names; all of them for no name.

    Args:
        patterns: names, groups, ``group.name``, or shell patterns of these.

    Raises:
        UnknownCheckError: one of them matches none.

    >>> [check.id for check in choose_checks(["roundtrip"])]
    ['vote.roundtrip', 'snapshot.roundtrip']
    """
    wanted = tuple(patterns)
    for pattern in wanted:
        if not any(_matches(check, pattern) for check in CHECKS):
            known = sorted({name for check in CHECKS for name in (check.name, check.group)})
            near = get_close_matches(pattern, known, n=1)
            raise UnknownCheckError(
                f"check: expected a name, a group or a pattern but got {pattern!r}"
                + (f"; nearest match: {near[0]}" if near else "; see `wavetank list checks`")
            )
    if not wanted:
        return CHECKS
    found = (check for pattern in wanted for check in CHECKS if _matches(check, pattern))
    return tuple(dict.fromkeys(found))


def _matches(check: Check, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (check.name, check.group, check.id))
