"""What must hold of a cluster, checked at each event, and the loss of a store that broke it.

Verifies: C1 (election safety), C2 (log matching), C3 (leader completeness), C4 (state-machine
safety), C5 (acknowledged commands applied once). C6 (liveness) is asked for at the end of a run. A
run is over at the first violation: what comes after it follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from attrs import frozen

from wavetank.engine import LogEntry, SnapshotMetadata
from wavetank.scenarios.cluster.machine import StorageLoss
from wavetank.scenarios.cluster.state_machine import AppliedState
from wavetank.scenarios.exploration.subject import Problem

__all__ = ["CLUSTER_INVARIANTS", "ClusterInvariants", "Violated", "cause_of"]

CLUSTER_INVARIANTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "C1": "election safety: one leader a term, elected once",
        "C2": "log matching: logs that agree on an entry's term agree on it and on all before it",
        "C3": "leader completeness: a leader has every entry committed in earlier terms",
        "C4": "state-machine safety: all nodes apply the same entries in the same order",
        "C5": "a command acknowledged to a client is applied once, and stays applied",
        "C6": "once faults stop, the cluster commits a new command and every node catches up",
    }
)
"""What is checked of a cluster, by id."""


@frozen(kw_only=True)
class Violated:
    """The first violation of a run.

    Attributes:
        problem: what was wrong.
        time_s: virtual time.
        node: where it showed; "" if on no node in particular.
        term: that it is about; None if about none.
        index: of the entry that it is about; None if about none.
    """

    problem: Problem
    time_s: float
    node: str = ""
    term: int | None = None
    index: int | None = None


@frozen
class _Committed:
    """An entry as it was first applied, the term of its leader, and the state after it."""

    entry: LogEntry
    commit_term: int
    fingerprint: bytes


class ClusterInvariants:
    """Watches what nodes and clients see.

    Args:
        clock: tells the virtual time.
        checks: whether an invariant, by its id, is checked.

    Attributes:
        violated: the first violation; None so far.
        elections: leaders elected.
    """

    def __init__(
        self, clock: Callable[[], float], checks: Callable[[str], bool] = lambda _: True
    ) -> None:
        self.violated: Violated | None = None
        self.elections = 0
        self._clock = clock
        self._checks = checks
        self._leaders: dict[int, str] = {}
        self._entries: dict[tuple[int, int], tuple[int | None, bytes]] = {}
        self._committed: list[_Committed] = []
        self._reference = AppliedState()

    @property
    def commits(self) -> int:
        """How many entries have been committed."""
        return len(self._committed)

    def elected(
        self, node: str, term: int, snapshot: SnapshotMetadata, log: Sequence[LogEntry]
    ) -> None:
        """Check C1 and C3 of a new leader.

        Args:
            node: the leader.
            term: its term.
            snapshot: of its store.
            log: all that is in its log.
        """
        self.elections += 1
        other = self._leaders.setdefault(term, node)
        if other != node:
            self._break(
                "C1", "two leaders in one term", f"{other} and {node} both lead term {term}", node,
                term=term,
            )  # fmt: skip
        elif self.elections > len(self._leaders):
            summary = f"{node} is elected a second time in term {term}"
            self._break("C1", "elected twice in one term", summary, node, term=term)
        own = {entry.index: entry for entry in log}
        covered = snapshot.last_included_index
        for known in self._committed[covered:]:
            index = known.entry.index
            if known.commit_term < term and own.get(index) != known.entry:
                has = f"has term {own[index].term} there" if index in own else "does not have it"
                self._break(
                    "C3",
                    "a leader lacks a committed entry",
                    f"{node} leads term {term} and {has}: entry {index} of term "
                    f"{known.entry.term}, committed in term {known.commit_term}",
                    node,
                    term=term,
                    index=index,
                )
                return

    def appended(self, node: str, previous_term: int | None, entries: Iterable[LogEntry]) -> None:
        """Check C2 of entries in a node's log.

        Args:
            node: whose.
            previous_term: of the entry before them; None if that is not known.
            entries: the entries.
        """
        for entry in entries:
            key = entry.index, entry.term
            before, command = self._entries.setdefault(key, (previous_term, entry.command))
            if command != entry.command:
                self._mismatch(node, entry, "another command")
            elif before is None:
                self._entries[key] = previous_term, command
            elif previous_term not in (None, before):
                self._mismatch(node, entry, f"term {previous_term} before it instead of {before}")
            previous_term = entry.term

    def _mismatch(self, node: str, entry: LogEntry, how: str) -> None:
        self._break(
            "C2",
            "logs that agree on a term differ",
            f"entry {entry.index} of term {entry.term} has {how} on {node}",
            node,
            index=entry.index,
            term=entry.term,
        )

    def applied(self, node: str, term: int, entry: LogEntry, fingerprint: bytes) -> None:
        """Check C4 of an entry that a node applies.

        Args:
            node: which.
            term: the node's.
            entry: what it applies.
            fingerprint: of its state after that.
        """
        index = entry.index
        if index == len(self._committed) + 1:
            self._reference.apply(entry)
            self._committed.append(_Committed(entry, term, self._reference.fingerprint))
        known = self._committed[index - 1] if index <= len(self._committed) else None
        if known is None or known.entry != entry:
            was = "nothing" if known is None else f"one of term {known.entry.term}"
            self._break(
                "C4",
                "another entry applied",
                f"{node} applies entry {index} of term {entry.term}, where {was} was applied",
                node,
                index=index,
                term=entry.term,
            )
        elif known.fingerprint != fingerprint:
            self._differs(node, index, "applying it")

    def restored(self, node: str, metadata: SnapshotMetadata, state: AppliedState) -> None:
        """Check C4 of a snapshot that a node takes its state from.

        Args:
            node: which.
            metadata: of the snapshot.
            state: its content.
        """
        index = metadata.last_included_index
        known = self._committed[index - 1] if 0 < index <= len(self._committed) else None
        if known is None or (known.entry.term, known.fingerprint) != (
            metadata.last_included_term,
            state.fingerprint,
        ):
            self._differs(node, index, f"restoring its snapshot of {index}")

    def _differs(self, node: str, index: int, how: str) -> None:
        self._break(
            "C4",
            "another state after the same entries",
            f"the state of {node} after entry {index} is not that of the others, after {how}",
            node,
            index=index,
        )

    def acknowledged(self, client: str, number: int) -> None:
        """Check C5 of a command that a client is told is applied."""
        if self._reference.sessions.get(client, 0) < number:
            self._break(
                "C5",
                "an acknowledged command was not applied",
                f"{client} was told that its command {number} is applied, and it is not committed",
            )

    def calm(self, node: str, state: AppliedState, told: Mapping[str, int]) -> None:
        """Check C5 of a node that has caught up at the end.

        Args:
            node: which.
            state: its state machine.
            told: the last command of each client that was acknowledged.
        """
        for client, number in told.items():
            if state.sessions.get(client, 0) < number:
                self._break(
                    "C5",
                    "an acknowledged command is gone",
                    f"{node} has not applied command {number} of {client}, which was acknowledged",
                    node,
                )

    def stuck(self, problem: Problem, node: str = "") -> None:
        """Note that the cluster did not recover once faults had stopped (C6)."""
        self._violate(Violated(problem=problem, time_s=self._clock(), node=node))

    def _break(
        self,
        invariant: str,
        kind: str,
        summary: str,
        node: str = "",
        *,
        term: int | None = None,
        index: int | None = None,
    ) -> None:
        self._violate(
            Violated(
                problem=Problem(invariant, kind, summary),
                time_s=self._clock(),
                node=node,
                term=term,
                index=index,
            )
        )

    def _violate(self, violated: Violated) -> None:
        if self.violated is None and self._checks(violated.problem.invariant):
            self.violated = violated


def cause_of(violated: Violated, losses: Sequence[StorageLoss]) -> StorageLoss | None:
    """Return the loss of a store with which a violation began; None if no store lost anything.

    A loss is that of a vote in the violation's term, or of its entry, or else the newest on the
    node where it showed, or else the newest of all.

    Args:
        violated: the violation.
        losses: of all stores, in order.
    """
    rules: tuple[Callable[[StorageLoss], bool], ...] = (
        lambda loss: _lost_vote(loss, violated.term),
        lambda loss: _lost_term(loss, violated.term),
        lambda loss: _lost_entry(loss, violated.index),
        lambda loss: loss.node == violated.node,
        lambda _: True,
    )
    if violated.problem.invariant in ("C2", "C3", "C4"):
        rules = (rules[2], *rules[:2], *rules[3:])
    for rule in rules:
        for loss in reversed(losses):
            if rule(loss):
                return loss
    return None


def _lost_vote(loss: StorageLoss, term: int | None) -> bool:
    had = loss.promised.state
    return _is_of_state(loss) and had.current_term == term and bool(had.voted_for)


def _lost_term(loss: StorageLoss, term: int | None) -> bool:
    if term is None or loss.shown is None or not _is_of_state(loss):
        return False
    return loss.promised.state.current_term >= term > loss.shown.state.current_term


def _is_of_state(loss: StorageLoss) -> bool:
    return loss.problem.invariant == "O1"


def _lost_entry(loss: StorageLoss, index: int | None) -> bool:
    if index is None or loss.shown is None:
        return False
    had = [entry for entry in loss.promised.entries if entry.index == index]
    has = [entry for entry in loss.shown.entries if entry.index == index]
    covered = 0 if loss.shown.snapshot is None else loss.shown.snapshot[0].last_included_index
    return bool(had) and had != has and index > covered
