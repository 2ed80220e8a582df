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

from attrs import evolve, field, frozen, validators

from wavetank.engine import FileStorageOptions
from wavetank.scenarios.raft.model import EMPTY, ModelState, acknowledge
from wavetank.scenarios.raft.steps import KillProcess, Reopen, Step, Workload
from wavetank.scenarios.raft.workloads.actions import (
    append_move,
    compaction_move,
    conflict_move,
    installation_move,
    snapshot_move,
    vote_move,
)

__all__ = ["ALPHABET", "Family"]

_SIZE_BYTES: Final = 5

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
    """All sequences of so many operations; shorter ones are the beginnings of these.

    Attributes:
        operations: how many each workload has behind its preparation.
        alphabet: the operations, by their names in `ALPHABET`.
    """

    operations: int = field(validator=validators.ge(1))
    alphabet: tuple[str, ...] = field(
        default=tuple(ALPHABET),
        validator=(
            validators.min_len(1),
            validators.deep_iterable(validators.in_(tuple(ALPHABET))),
        ),
    )

    def workloads(self, prepared: Workload) -> Iterator[Workload]:
        """Yield the workloads, each with the first step whose crashes are new.

        Args:
            prepared: the steps that make the store, and all else that the workloads have in common.
        """
        state = EMPTY
        for step in prepared.steps:
            state = _after(state, step, prepared.options)
        taken: tuple[Step, ...] = ()
        for added in self._sequences(state, (), prepared.options):
            sequence = (*prepared.steps, *added)
            yield evolve(prepared, steps=sequence, crashes_from=_common(taken, sequence))
            taken = sequence

    def _sequences(
        self, state: ModelState, steps: tuple[Step, ...], options: FileStorageOptions
    ) -> Iterator[tuple[Step, ...]]:
        if len(steps) == self.operations:
            yield steps
            return
        possible = (ALPHABET[name](state, len(steps) + 1) for name in self.alphabet)
        # Two letters may mean the same: in a log of one entry the first is the last.
        for step in dict.fromkeys(step for step in possible if step is not None):
            after = _after(state, step, options)
            yield from self._sequences(after, (*steps, step), options)


def _after(state: ModelState, step: Step, options: FileStorageOptions) -> ModelState:
    return acknowledge((state,), step, options)[-1]


def _common(one: tuple[Step, ...], other: tuple[Step, ...]) -> int:
    """Return how many steps two workloads begin with alike."""
    count = 0
    for step, twin in zip(one, other, strict=False):
        if step != twin:
            break
        count += 1
    return count
