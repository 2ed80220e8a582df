"""What a Raft store does when its calls come one at a time, as a specification of histories.

It is the model of `wavetank.scenarios.raft`, with what callers get to see: values, refusals, and
what a store that is closed, busy or failing answers. Results are told in words that any store can
be held to, whatever its errors are called.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final, TypeAlias

from attrs import evolve, field, frozen

from wavetank.engine import FileStorageOptions
from wavetank.scenarios.raft.contract import Contract
from wavetank.scenarios.raft.model import ModelState, acknowledge
from wavetank.scenarios.raft.steps import (
    Append,
    Cancel,
    Close,
    Dump,
    OpenAgain,
    Read,
    ReadBounds,
    ReadSnapshot,
    ReadState,
    SaveSnapshot,
    SaveState,
    StoreCall,
    TaskStep,
    TruncatePrefix,
    TruncateSuffix,
    Verify,
    Wait,
)

__all__ = [
    "CANCELLED",
    "CLOSED",
    "DONE",
    "FAILED",
    "LOCKED",
    "POISONED",
    "REFUSED",
    "TIMED_OUT",
    "Raised",
    "StoreSpecification",
    "StoreState",
]

DONE: Final = "done"
REFUSED: Final = "refused"
"""The arguments do not fit what the store holds."""
CLOSED: Final = "closed"
LOCKED: Final = "in use"
"""Another instance has the directory."""
TIMED_OUT: Final = "timed out"
CANCELLED: Final = "cancelled"
FAILED: Final = "failed"
"""The filesystem failed: it may have happened or not."""
POISONED: Final = "poisoned"
"""Refused since an earlier call failed."""


@frozen
class Raised:
    """An error that no store may raise here: its type, and its text."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"raised {self.kind}: {self.text}"


@frozen(cache_hash=True)
class StoreState:
    """A state of the store, and whether it is open.

    Attributes:
        model: what it holds.
        is_open: whether it can be called.
        was_closed: whether it ever was closed: a caller may still have the store from before.
        unsynced: last indices that a crash may fall back to, since no append behind them is
            durable; only where appends are not durable on return.
    """

    model: ModelState
    is_open: bool = True
    was_closed: bool = False
    unsynced: tuple[int, ...] = ()

    def after_crash(self) -> Iterator[ModelState]:
        """Yield what a crash may leave of it, the whole of it last."""
        for last in self.unsynced:
            if self.model.base_index <= last < self.model.last_index:
                kept = self.model.entries[: last - self.model.base_index]
                yield evolve(self.model, entries=kept)
        yield self.model


_Outcome: TypeAlias = tuple[StoreState, Hashable]


@frozen(kw_only=True)
class StoreSpecification:
    """Tells the outcomes of a `TaskStep` in a `StoreState`; a `Specification`.

    Attributes:
        initial: the state at the beginning.
        options: of the store.
        may_time_out: whether calls without a limit of their own may find a lock taken for too long.
        may_fail: whether the filesystem fails now and then.
        refuses_second_opener: whether the store declares that.
        promises: what the store is held to; None: what its options say.

    What was told once is remembered: the runs of one workload meet the same states again and again.
    """

    initial: StoreState
    options: FileStorageOptions
    may_time_out: bool = False
    may_fail: bool = False
    refuses_second_opener: bool = True
    promises: Contract | None = None
    _known: dict[tuple[StoreState, TaskStep], tuple[_Outcome, ...]] = field(
        init=False, factory=dict, eq=False, repr=False
    )

    def apply(self, state: StoreState, operation: Hashable) -> tuple[_Outcome, ...]:
        """Return the outcomes of a step: the state after it, and what the caller gets."""
        assert isinstance(operation, TaskStep), "the operations of a store are steps"
        known = self._known.get((state, operation))
        if known is None:
            known = tuple(self._outcomes(state, operation))
            self._known[state, operation] = known
        return known

    def _outcomes(self, state: StoreState, operation: TaskStep) -> Iterator[_Outcome]:
        call = operation.call
        if isinstance(call, (Verify, Dump, Wait, Cancel)):
            yield state, DONE
            return
        if isinstance(call, OpenAgain):
            yield from self._open_again(state)
            return
        yield from self._given_up(state, operation)
        if isinstance(call, Close):
            yield evolve(state, is_open=False, was_closed=True, unsynced=()), DONE
            return
        if state.was_closed:
            yield state, CLOSED
        if state.is_open:
            for outcome in self._of_open(state, call):
                yield outcome
                if self.may_fail:
                    yield outcome[0], FAILED

    def _given_up(self, state: StoreState, operation: TaskStep) -> Iterator[_Outcome]:
        """Yield what comes of a call that changes nothing, whatever the store holds."""
        if self.may_time_out or operation.timeout_s is not None:
            yield state, TIMED_OUT
        if operation.token:
            yield state, CANCELLED
        if self.may_fail and state.is_open:
            yield state, FAILED
            yield state, POISONED

    def _open_again(self, state: StoreState) -> Iterator[_Outcome]:
        # A close that is under way still has the directory, though it answers calls no more; so has
        # an opening that is under way.
        yield state, LOCKED
        if not state.is_open or not self.refuses_second_opener:
            yield evolve(state, is_open=True, unsynced=()), DONE

    def _of_open(self, state: StoreState, call: StoreCall) -> Iterator[_Outcome]:
        model = state.model
        match call:
            case ReadState():
                yield state, model.state
            case ReadSnapshot():
                yield state, model.snapshot
            case ReadBounds():
                yield state, (model.last_index, model.term_at(model.last_index))
            case Read():
                yield from _read(state, call)
            case _ if self._is_refused(model, call):
                yield state, REFUSED
            case SaveState() | Append() | TruncateSuffix() | TruncatePrefix() | SaveSnapshot():
                yield self._changed(state, call), DONE
            case _:
                raise AssertionError(call)

    def _is_refused(self, model: ModelState, call: StoreCall) -> bool:
        covered = 0 if model.snapshot is None else model.snapshot[0].last_included_index
        match call:
            case SaveState(state):
                before = model.state
                return state.current_term < before.current_term or (
                    state.current_term == before.current_term
                    and before.voted_for not in ("", state.voted_for)
                )
            case Append(entries):
                return entries[0].index != model.last_index + 1
            case TruncateSuffix(index):
                return index > model.last_index + 1 or index <= max(covered, model.base_index)
            case TruncatePrefix(index):
                needs = self.options.compaction_requires_snapshot
                return index > model.last_index + 1 or (needs and index - 1 > covered)
            case SaveSnapshot(metadata):
                index, term = metadata.last_included_index, metadata.last_included_term
                same = model.snapshot is not None and index == covered
                return index < covered or (
                    same and term != model.snapshot[0].last_included_term  # type: ignore[index]
                )
            case _:
                return False

    def _changed(
        self,
        state: StoreState,
        step: SaveState | Append | TruncateSuffix | TruncatePrefix | SaveSnapshot,
    ) -> StoreState:
        before = state.model
        after = acknowledge((before,), step, self.options, self.promises)[-1]
        if (self.promises or Contract.of(self.options)).appends_durable:
            return evolve(state, model=after)
        unsynced = state.unsynced
        if isinstance(step, Append):
            unsynced = (*unsynced, before.last_index)
        elif isinstance(step, TruncateSuffix) and after != before:
            unsynced = ()
        return evolve(state, model=after, unsynced=unsynced)


def _read(state: StoreState, call: Read) -> Iterator[_Outcome]:
    """Entries that a compaction may have removed are there, or the read is refused."""
    model = state.model
    is_inside = model.base_index < call.start and call.end <= model.last_index + 1
    if is_inside:
        yield state, model.log_from(call.start)[: call.end - call.start]
    if not is_inside or call.start <= model.compactable_through:
        yield state, REFUSED
