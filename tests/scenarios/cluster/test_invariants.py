"""Each invariant of a cluster is broken by the events that break it, and by no others."""

import pytest

from wavetank.engine import LogEntry, SnapshotMetadata
from wavetank.scenarios.cluster.invariants import CLUSTER_INVARIANTS, ClusterInvariants
from wavetank.scenarios.cluster.state_machine import NO_OP, AppliedState, encode_command

NOTHING = SnapshotMetadata(0, 0)
FIRST = LogEntry(1, 1, NO_OP)
SECOND = LogEntry(2, 1, encode_command("client-1", 1, b"x"))


class Watched:
    """Invariants that have seen two entries committed in term 1 by node-a."""

    def __init__(self) -> None:
        self.invariants = ClusterInvariants(lambda: 1.5)
        self.state = AppliedState()
        self.invariants.elected("node-a", 1, NOTHING, ())
        self.invariants.appended("node-a", 0, (FIRST, SECOND))
        for entry in (FIRST, SECOND):
            self.state.apply(entry)
            self.invariants.applied("node-a", 1, entry, self.state.fingerprint)

    @property
    def broken(self) -> tuple[str, str] | None:
        violated = self.invariants.violated
        return None if violated is None else (violated.problem.invariant, violated.problem.kind)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_right_cluster_breaks_nothing(watched: Watched) -> None:
    watched.invariants.acknowledged("client-1", 1)
    watched.invariants.appended("node-b", 0, (FIRST, SECOND))
    watched.invariants.applied("node-b", 1, FIRST, _after(FIRST))
    watched.invariants.restored("node-c", SnapshotMetadata(2, 1), watched.state)
    watched.invariants.elected("node-b", 2, NOTHING, (FIRST, SECOND))
    watched.invariants.elected("node-c", 3, SnapshotMetadata(2, 1), ())
    watched.invariants.calm("node-b", watched.state, {"client-1": 1})
    assert watched.broken is None
    assert (watched.invariants.elections, watched.invariants.commits) == (3, 2)


def test_two_leaders_in_one_term(watched: Watched) -> None:
    watched.invariants.elected("node-b", 1, NOTHING, (FIRST, SECOND))
    assert watched.broken == ("C1", "two leaders in one term")


def test_one_leader_twice_in_one_term(watched: Watched) -> None:
    watched.invariants.elected("node-a", 1, NOTHING, (FIRST, SECOND))
    assert watched.broken == ("C1", "elected twice in one term")


@pytest.mark.parametrize(
    ("previous_term", "entry"),
    [(1, LogEntry(2, 1, NO_OP)), (2, SECOND)],
    ids=["another-command", "another-term-before"],
)
def test_logs_that_agree_on_a_term_and_differ(
    watched: Watched, previous_term: int, entry: LogEntry
) -> None:
    watched.invariants.appended("node-b", previous_term, (entry,))
    assert watched.broken == ("C2", "logs that agree on a term differ")


@pytest.mark.parametrize("log", [(FIRST,), (FIRST, LogEntry(2, 2, NO_OP))], ids=["gone", "other"])
def test_a_leader_without_a_committed_entry(watched: Watched, log: tuple[LogEntry, ...]) -> None:
    watched.invariants.elected("node-b", 2, NOTHING, log)
    assert watched.broken == ("C3", "a leader lacks a committed entry")
    assert watched.invariants.violated is not None
    assert watched.invariants.violated.index == 2


def test_a_leader_elected_late_need_not_have_what_a_later_term_committed(watched: Watched) -> None:
    third = LogEntry(3, 5, NO_OP)
    watched.state.apply(third)
    watched.invariants.applied("node-a", 5, third, watched.state.fingerprint)
    watched.invariants.elected("node-b", 4, NOTHING, (FIRST, SECOND))
    assert watched.broken is None


def test_another_entry_applied(watched: Watched) -> None:
    watched.invariants.applied("node-b", 2, LogEntry(1, 2, NO_OP), b"")
    assert watched.broken == ("C4", "another entry applied")


def test_an_entry_applied_before_the_ones_before_it(watched: Watched) -> None:
    watched.invariants.applied("node-b", 1, LogEntry(4, 1, NO_OP), b"")
    assert watched.broken == ("C4", "another entry applied")


def test_another_state_after_the_same_entry(watched: Watched) -> None:
    watched.invariants.applied("node-b", 1, SECOND, _after(SECOND))
    assert watched.broken == ("C4", "another state after the same entries")


def test_a_snapshot_with_the_state_of_another_index(watched: Watched) -> None:
    watched.invariants.restored("node-b", SnapshotMetadata(1, 1), watched.state)
    assert watched.broken == ("C4", "another state after the same entries")


def test_a_command_acknowledged_and_not_applied(watched: Watched) -> None:
    watched.invariants.acknowledged("client-1", 2)
    assert watched.broken == ("C5", "an acknowledged command was not applied")


def test_a_command_acknowledged_and_gone_at_the_end(watched: Watched) -> None:
    watched.invariants.calm("node-b", AppliedState(), {"client-1": 1})
    assert watched.broken == ("C5", "an acknowledged command is gone")


def test_the_first_violation_stays(watched: Watched) -> None:
    watched.invariants.acknowledged("client-1", 2)
    watched.invariants.elected("node-b", 1, NOTHING, ())
    assert watched.broken == ("C5", "an acknowledged command was not applied")


def test_a_command_that_stands_twice_in_the_log_is_applied_once() -> None:
    state = AppliedState()
    for index in (1, 2):
        state.apply(LogEntry(index, 1, SECOND.command))
    assert (state.index, state.sessions) == (2, {"client-1": 1})


def test_the_invariants_are_numbered_in_order() -> None:
    assert list(CLUSTER_INVARIANTS) == [f"C{number}" for number in range(1, 7)]


def _after(entry: LogEntry) -> bytes:
    state = AppliedState()
    state.apply(entry)
    return state.fingerprint


def test_what_is_not_checked_is_no_violation() -> None:
    for checked, violated in (("C1", True), ("C3", False)):
        invariants = ClusterInvariants(lambda: 1.5, checked.__eq__)
        for node in ("node-a", "node-b"):
            invariants.elected(node, 1, SnapshotMetadata(0, 0), ())
        assert (invariants.violated is not None) is violated
