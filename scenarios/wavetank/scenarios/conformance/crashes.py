"""Checks of crashes at every operation, with every image that a disk may legally leave.

The workload is swept once (sweeps.py); each check asks whether one kind of promise was broken
anywhere. What breaks two promises speaks against two checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wavetank.scenarios.conformance.assertions import CheckFailure
from wavetank.scenarios.conformance.check import group_of
from wavetank.scenarios.conformance.store_harness import Bench
from wavetank.scenarios.conformance.sweeps import Accusation
from wavetank.scenarios.stores.capabilities import Capability

__all__ = ["CRASHES"]

_INVENTED: Final = frozenset({"entry never submitted", "log of another extent"})
_LOST: Final = frozenset({"acknowledged entry lost", "acknowledged entry altered", "snapshot lost"})


def acked_survives(bench: Bench) -> None:
    """What was acknowledged is there after a crash, and the store opens."""
    _require(
        bench,
        lambda each: (
            each.problem.kind in _LOST | {"log of another extent"}
            or (each.problem.invariant == "O7" and not each.creating)
            or each.problem.kind in ("term went back", "another vote in the same term")
        ),
    )


def unacked_whole_or_absent(bench: Bench) -> None:
    """A batch that was not acknowledged is there as a whole or not at all."""
    _require(bench, lambda each: each.problem.invariant == "O11")


def no_gap_no_invention(bench: Bench) -> None:
    """The log is contiguous, nothing in it was never submitted, and all ways to read it agree."""
    _require(
        bench,
        lambda each: (
            each.problem.invariant in ("O5", "O6")
            or each.problem.kind in _INVENTED
            or each.problem.kind in ("metadata with other data", "another snapshot")
        ),
    )


def truncation_before_or_after_never_mixed(bench: Bench) -> None:
    """A crash in a truncation leaves the log before it or after it, never a mixture."""
    _require(
        bench,
        lambda each: (
            each.problem.kind == "parts of different moments"
            or (each.truncating and each.problem.invariant in ("O2", "O3", "O5", "O11"))
        ),
    )


def term_vote_never_regress(bench: Bench) -> None:
    """Term and vote are the last acknowledged ones, or those in flight."""
    _require(bench, lambda each: each.problem.invariant == "O1")


def recovery_idempotent(bench: Bench) -> None:
    """Crashing inside a recovery and opening again loses nothing."""
    _require(bench, lambda each: each.problem.invariant == "O9")


def writable_after_recovery(bench: Bench) -> None:
    """A recovered store takes the next append and save, and these survive another crash."""
    _require(bench, lambda each: each.problem.invariant == "O8")


def second_crash_after_recovery(bench: Bench) -> None:
    """What a recovered store has shown survives the next crash."""
    _require(bench, lambda each: each.again or each.problem.invariant == "O15")


def removed_never_returns(bench: Bench) -> None:
    """Nothing that an acknowledged truncation removed is back."""
    _require(bench, lambda each: each.problem.invariant == "O3")


def creation_crash_reopens(bench: Bench) -> None:
    """A crash while the store was made leaves one that opens."""
    _require(bench, lambda each: each.creating and each.problem.invariant == "O7")


def nothing_needed_after_ack(bench: Bench) -> None:
    """After a clean close nothing is left that a crash could undo."""
    _require(bench, lambda each: each.problem.invariant == "O12")


def no_litter_after_open(bench: Bench) -> None:
    """A clean open leaves no temporary files behind."""
    _require(bench, lambda each: each.problem.invariant == "O10")


def lying_fsync_is_noticed(bench: Bench) -> None:
    """On a disk whose syncs lie something is lost: a control, which shows that crashes bite."""
    if not bench.sweeps.finds_lies():
        raise CheckFailure(
            "nothing was lost on a disk whose syncs lie: the testbed does not see what the store "
            "writes; does it write past the site's filesystem or outside the site's directory?"
        )


def _require(bench: Bench, accuses: Callable[[Accusation], bool]) -> None:
    found = [each for each in bench.sweeps.accusations if accuses(each)]
    if found:
        more = f"; {len(found) - 1} more" if len(found) > 1 else ""
        raise CheckFailure(f"{found[0].told}{more}")


CRASHES: Final = group_of(
    "crash",
    (
        (acked_survives, (Capability.DURABLE_APPENDS,)),
        (unacked_whole_or_absent, (Capability.ATOMIC_BATCHES,)),
        (no_gap_no_invention, ()),
        (
            truncation_before_or_after_never_mixed,
            (Capability.TRUNCATE_SUFFIX, Capability.TRUNCATE_PREFIX),
        ),
        (term_vote_never_regress, (Capability.VOTES,)),
        (recovery_idempotent, ()),
        (writable_after_recovery, ()),
        (second_crash_after_recovery, ()),
        (removed_never_returns, (Capability.TRUNCATE_SUFFIX,)),
        (creation_crash_reopens, ()),
        (nothing_needed_after_ack, ()),
        (no_litter_after_open, (Capability.NO_LITTER,)),
        (lying_fsync_is_noticed, (Capability.DURABLE_APPENDS,)),
    ),
    shares=True,
)
"""Every check of this group."""
