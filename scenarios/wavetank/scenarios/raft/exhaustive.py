"""Every short life of a store: all sequences of up to so many operations over a small alphabet.

`Family` makes them as workloads that differ in the numbers of a node's last steps only. They come
in the order of a tree, so that each one names the first step that the one before it has not taken:
crashes in the steps before that are explored once. Operations that change nothing where they stand
(a conflict in an empty log, a vote that was cast) are left out; candidates and commands are named
by their place, so that no sequence comes twice under other names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import evolve, frozen

from wavetank.engine import FileStorageOptions
from wavetank.scenarios.raft.actions import (
    append_move,
    compaction_move,
    conflict_move,
    installation_move,
    snapshot_move,
    vote_move,
)
from wavetank.scenarios.raft.model import EMPTY, ModelState, acknowledge
from wavetank.scenarios.raft.steps import KillProcess, OpenStore, Reopen, Step, Workload

__all__ = ["ALPHABET", "FAMILIES", "Family"]

_SIZE_BYTES: Final = 5
_OPTIONS: Final = FileStorageOptions(retained_log_size=0)

_Letter: TypeAlias = Callable[[ModelState, int], Step | None]
"""Returns an operation for what a store shows and its place; None if it would change nothing."""


def _vote(shown: ModelState, place: int) -> Step | None:
    del place
    step = vote_move(shown, terms_ahead=0, candidate="node-b")
    return step if step.state != shown.state else None


def _snapshot_at_first(shown: ModelState, place: int) -> Step | None:
    del place
    return snapshot_move(shown, back=len(shown.entries) - 1, size_bytes=_SIZE_BYTES)


ALPHABET: Final[Mapping[str, _Letter]] = MappingProxyType(
    {
        "higher term": lambda shown, _: vote_move(shown, terms_ahead=1, candidate=""),
        "vote": _vote,
        "append 1": lambda shown, place: append_move(shown, sizes_bytes=(1,), mark=place),
        "append 3": lambda shown, place: append_move(
            shown, sizes_bytes=(_SIZE_BYTES, 0, 1), mark=place
        ),
        "conflict": lambda shown, _: conflict_move(shown, count=1),
        "compact": lambda shown, _: compaction_move(shown, keep=0),
        "snapshot at first": _snapshot_at_first,
        "snapshot at last": lambda shown, _: snapshot_move(shown, back=0, size_bytes=_SIZE_BYTES),
        "snapshot beyond": lambda shown, _: installation_move(
            shown, ahead=2, size_bytes=_SIZE_BYTES
        ),
        "restart": lambda _, __: Reopen(),
        "kill": lambda _, __: KillProcess(),
    }
)
"""The operations, by name."""


@frozen(kw_only=True)
class Family:
    """All workloads of so many operations; shorter ones are the beginnings of these.

    Attributes:
        name: what the command line calls it.
        summary: one sentence.
        operations: how many each workload has behind its preparation.

    >>> family = Family(name="one", summary="all of one operation", operations=1)
    >>> [str(workload.steps[-1]) for workload in family.workloads()][:2]
    ['save state: term 2, vote for nobody', 'append entry 3 of term 1']
    """

    name: str
    summary: str
    operations: int

    def workloads(self) -> Iterator[Workload]:
        """Yield the workloads, each with the first step whose crashes are new."""
        state = EMPTY
        for step in _PREPARATION:
            state = _after(state, step)
        whole = Workload(
            name=self.name,
            seed=0,
            steps=(),
            options=_OPTIONS,
            summary=self.summary,
            unusual="it is one of all that are so short",
        )
        taken: tuple[Step, ...] = ()
        for sequence in self._sequences(state, _PREPARATION):
            yield evolve(whole, steps=sequence, crashes_from=_common(taken, sequence))
            taken = sequence

    def _sequences(self, state: ModelState, steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
        place = len(steps) - len(_PREPARATION)
        if place == self.operations:
            yield steps
            return
        possible = (letter(state, place + 1) for letter in ALPHABET.values())
        # Two letters may mean the same: in a log of one entry the first is the last.
        for step in dict.fromkeys(step for step in possible if step is not None):
            yield from self._sequences(_after(state, step), (*steps, step))


_PREPARATION: Final[tuple[Step, ...]] = (
    OpenStore(),
    vote_move(EMPTY, terms_ahead=1, candidate="node-a"),
    append_move(EMPTY, sizes_bytes=(_SIZE_BYTES, 1), mark=0),
    Reopen(),
)
"""What makes the small store: a vote, a batch of two, and a clean close, which settles all."""


def _after(state: ModelState, step: Step) -> ModelState:
    return acknowledge((state,), step, _OPTIONS)[-1]


def _common(one: tuple[Step, ...], other: tuple[Step, ...]) -> int:
    """Return how many steps two workloads begin with alike."""
    count = 0
    for step, twin in zip(one, other, strict=False):
        if step != twin:
            break
        count += 1
    return count


FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family(
                name="exhaustive-2",
                summary="every sequence of up to two operations on a small store",
                operations=2,
            ),
            Family(
                name="exhaustive-3",
                summary="every sequence of up to three operations on a small store",
                operations=3,
            ),
        )
    }
)
"""Every family that ships, by name."""
