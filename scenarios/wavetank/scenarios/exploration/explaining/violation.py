"""`Violation`: one broken promise with its story, as a value."""

from __future__ import annotations

from attrs import field, frozen

from wavetank.scenarios.concurrency.history import History
from wavetank.scenarios.exploration.causes import Chain
from wavetank.scenarios.exploration.crash_point import CrashPoint

__all__ = ["ShrinkNote", "Violation"]


@frozen(kw_only=True)
class ShrinkNote:
    """How much smaller a finding was made.

    Attributes:
        steps_before: of the workload in which it was found.
        steps: of the smallest that shows it.
        lost_before: micro-ops that the crash lost or tore when it was found.
        lost: that the smallest crash loses or tears.
        judged: images and runs that were judged to make it small.
        is_finished: whether nothing smaller shows it; else the budget has ended.
    """

    steps_before: int
    steps: int
    lost_before: int
    lost: int
    judged: int
    is_finished: bool


@frozen(kw_only=True)
class Violation:
    """One broken promise, with all that a person needs to believe it.

    Attributes:
        id: of the case that shows it again; "" where nobody made one.
        invariant: id of the invariant (`wavetank list invariants`).
        kind: what is wrong, without particulars.
        summary: the same with particulars.
        why: one sentence on how it came about.
        steps: the workload up to the crash, numbered.
        lost: the pending ops that the crashes lost or tore.
        profiles: which profiles allow the image, the strongest first.
        cure: one sync that would have made the image impossible; "" if no single one does.
        rules: promises that the profile does not make, each of which alone would forbid the image.
        crash: the image; None if it needs no crash.
        history: the calls of tasks that ran beside one another, in words; None if there were none.
        schedule: how these tasks were switched, as a text that replays it; "" if there were none.
        shrunk: how much smaller it was made; None if nobody tried.
        chain: the way from the promise to its loss, as data; None of a story that was read again.
    """

    id: str
    invariant: str
    kind: str
    summary: str
    why: str
    steps: tuple[str, ...]
    lost: tuple[str, ...]
    profiles: tuple[str, ...]
    cure: str
    rules: tuple[str, ...]
    crash: CrashPoint | None
    history: History | None = None
    schedule: str = ""
    shrunk: ShrinkNote | None = None
    chain: Chain | None = field(default=None, eq=False, repr=False)
