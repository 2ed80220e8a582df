"""What was known of a store while a workload ran, position by position of the op log.

`Moment` is one stretch of it, `LiveProblem` what was wrong without any crash.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from wavetank.scenarios.raft.observation import Problem
from wavetank.scenarios.raft.oracle import Knowledge

__all__ = ["STORE_DIRECTORY", "LiveProblem", "Moment"]

STORE_DIRECTORY: Final = "/store"


@frozen(kw_only=True)
class Moment:
    """What was known of the store from one position of the op log on.

    Attributes:
        position: records of the op log before it.
        step: which step of the workload it belongs to.
        acknowledged: whether that step has returned.
        knowledge: what the oracle needs.
    """

    position: int
    step: int
    acknowledged: bool
    knowledge: Knowledge


@frozen
class LiveProblem:
    """An invariant broken without any crash, and the step after which it showed."""

    step: int
    problem: Problem
