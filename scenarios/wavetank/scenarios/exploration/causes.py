"""How a promise came to be broken, as values: the promise, the work that was lost, the cure.

Reports make their sentences from these.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

__all__ = [
    "Action",
    "Breach",
    "BrokenPromise",
    "Chain",
    "Cure",
    "CureKind",
    "LostWork",
    "PromiseKind",
    "Tried",
]


class PromiseKind(Enum):
    """What a promise is about."""

    VOTE = "vote"
    ENTRIES = "entries"
    SNAPSHOT = "snapshot"
    REMOVAL = "removal"
    BATCH = "batch"
    STORE = "store"


class Breach(Enum):
    """How a promise was broken."""

    GONE = "gone"
    ALTERED = "altered"
    RETURNED = "returned"
    INVENTED = "invented"
    SPLIT = "split"
    MIXED = "mixed"
    REFUSED = "refused"


@frozen(kw_only=True)
class BrokenPromise:
    """What was promised and does not hold, with its particulars.

    Attributes:
        kind: what it is about.
        breach: how it was broken.
        term: of the vote, or of the snapshot; None where that is not known.
        voted_for: of the vote; "" if there was none.
        first: the first entry, or the index of the snapshot; None for a vote.
        last: the last entry.
        came: what came back in its place, in the domain's words; "" for nothing.
    """

    kind: PromiseKind
    breach: Breach
    term: int | None = None
    voted_for: str = ""
    first: int | None = None
    last: int | None = None
    came: str = ""


class Action(Enum):
    """What a lost op had done."""

    CREATED = "created"
    RENAMED = "renamed"
    REMOVED = "removed"
    WRITTEN = "written"
    RESIZED = "resized"
    CHANGED = "changed"


@frozen(kw_only=True)
class LostWork:
    """What one call had done, and a power cut lost or tore.

    Attributes:
        action: what it was.
        path: the file, by the name that it had then; of a rename, the new one.
        source: the old name of a rename; "" for all others.
        text: the op in words.
        needs: the file or directory whose sync makes it durable.
        step: which step of the workload issued it; None for a recovery or new work.
        by: who issued it, in words: ``step 2``, ``the recovery``, ``the new work``.
        acknowledged: whether that step, or that recovery, had returned when the power went.
        torn: whether it was written in part.
        synced_in: the step in which it was synced after the power would have gone; None if never.
        failed_sync: whether its sync had returned an error.
        renamed_to: under which name its file was published before its bytes were synced; "" if it
            was not.
        outlived_by: later work of the same step that the power cut kept, in words; "" if none.
    """

    action: Action
    path: str
    source: str = ""
    text: str
    needs: str
    step: int | None
    by: str
    acknowledged: bool
    torn: bool = False
    synced_in: int | None = None
    failed_sync: bool = False
    renamed_to: str = ""
    outlived_by: str = ""


class CureKind(Enum):
    """What would have kept a promise."""

    SYNC = "sync"
    ORDER = "order"
    COMMIT_POINT = "commit point"
    NEW_FILE = "new file"
    CHECKSUM = "checksum"
    READING = "reading"
    NONE = "none"


@frozen(kw_only=True)
class Cure:
    """What makes a failure go away.

    Attributes:
        kind: a sync that is added, an op that is moved behind others of its step, or what to do
            where neither helps.
        target: the file or directory to sync; of another cure the files that it is about, with
            commas between.
        is_directory: whether that is a directory.
        after: the op behind which the sync comes, in words; of an order, what the op is moved
            behind.
        moved: of an order, the op that is moved; of a missing commit point, an op for which it is
            enough in this run to be moved; else "".
        by: who makes the sync: ``step 2``, ``the recovery``.
        added: syncs that it adds in this run, one at each call like that one; 0 where none is.
        is_verified: whether every image of that crash point was judged with the cure in place, and
            none showed the failure; else only the image of the finding was seen to be impossible.
        also: further syncs that are needed besides, since other images of that crash point show
            the same for want of them.
    """

    kind: CureKind
    target: str = ""
    is_directory: bool = False
    after: str = ""
    moved: str = ""
    by: str = ""
    added: int = 0
    is_verified: bool = False
    also: tuple[Cure, ...] = ()


@frozen(kw_only=True)
class Tried:
    """What was tried to find a cure.

    Attributes:
        syncs: single syncs, each of one file at one place.
        orders: ops moved behind a sync.
        impossible: how many of these made the image of the finding impossible.
        images: images that were judged to see whether others show the same.
    """

    syncs: int
    orders: int
    impossible: int
    images: int


@frozen(kw_only=True)
class Chain:
    """The way from a promise to its loss.

    Attributes:
        broken: the promise; None where the invariant names no particular one.
        step: the step that was under way, or had last returned, when the power went first.
        step_text: the same in words.
        returned: whether it had returned.
        promised_in: the step that made the promise, and its words; None if no step did.
        lost: the work that was lost and whose loss matters, in order.
        killed: whether the process was killed first, and the store opened again.
        recoveries: how many recoveries ran before the last power cut.
        is_of_new_work: whether the promise is one of the recovered store.
        is_of_reading: whether recovery is to blame and not the disk: it contradicts itself, or
            leaves litter.
        shown_early: whether a task was told of what another had not finished, and which is gone.
        next_call: what the step would have done next, in words; "" if it had returned.
        crashed: whether the power went at all.
        cure: what would have kept the promise; None if nobody looked for it.
        tried: what was tried to find it; None likewise.
    """

    broken: BrokenPromise | None
    step: int
    step_text: str
    returned: bool
    promised_in: tuple[int, str] | None = None
    lost: tuple[LostWork, ...] = ()
    killed: bool = False
    recoveries: int = 0
    is_of_new_work: bool = False
    is_of_reading: bool = False
    shown_early: bool = False
    next_call: str = ""
    crashed: bool = True
    cure: Cure | None = None
    tried: Tried | None = None
