"""A node keeps Raft's rules towards its store: nothing is told before it is saved."""

from collections.abc import Sequence
from random import Random

import pytest

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios import BUILTIN
from wavetank.scenarios.cluster.messages import (
    AppendReply,
    AppendRequest,
    InstallReply,
    InstallSnapshot,
    Message,
    Propose,
    ProposeReply,
    VoteReply,
    VoteRequest,
)
from wavetank.scenarios.cluster.node import NodeHaltedError, RaftNode
from wavetank.scenarios.cluster.node_store import Ledger, NodeStore
from wavetank.scenarios.cluster.state_machine import NO_OP, AppliedState, encode_command
from wavetank.scenarios.stores.adapter import STORE_DIRECTORY, Site
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

PEERS = ("node-b", "node-c")
OPTIONS = FileStorageOptions(retained_log_size=0)


class Desk:
    """A node on a store of its own, with all that it sends."""

    def __init__(self, *, snapshot_every: int = 0) -> None:
        self.now_s = 0.0
        self.random = Random("desk")
        self.sent: list[tuple[str, Message]] = []
        self.fingerprints: list[bytes] = []
        self.terms: list[int] = []
        self.disk = SimDisk()
        self.snapshot_every = snapshot_every
        self.restart()

    def restart(self) -> None:
        self.disk = self.disk.process_kill()
        site = Site(
            fs=SimFileSystem(self.disk),
            runtime=SerialRuntime(),
            directory=STORE_DIRECTORY,
            options=OPTIONS,
        )
        self.store = NodeStore(
            BUILTIN.open(site), Ledger(OPTIONS), lambda: len(self.disk.log), lambda: self.now_s
        )
        self.node = RaftNode("node-a", PEERS, self.store, self, snapshot_every=self.snapshot_every)

    def send(self, receiver: str, message: Message) -> None:
        self.sent.append((receiver, message))

    def wake_after(self, delay_s: float) -> None:
        self.wakes_at_s = self.now_s + delay_s

    def appended(self, previous_term: int | None, entries: Sequence[LogEntry]) -> None:
        pass

    def elected(
        self,
        term: int,
        snapshot: SnapshotMetadata,  # noqa: ARG002 - the method of a host
        log: Sequence[LogEntry],  # noqa: ARG002 - the same
    ) -> None:
        self.terms.append(term)

    def applied(
        self,
        term: int,  # noqa: ARG002 - the same
        entry: LogEntry,  # noqa: ARG002 - the same
        fingerprint: bytes,
    ) -> None:
        self.fingerprints.append(fingerprint)

    def restored(self, metadata: SnapshotMetadata, state: AppliedState) -> None:
        pass

    def take(self, sender: str, message: Message) -> list[tuple[str, Message]]:
        """Let the node receive a message, and return what it sends."""
        self.sent = []
        self.node.receive(sender, message)
        return self.sent

    def wake(self) -> list[tuple[str, Message]]:
        """Let time pass until the node is to be woken, and return what it sends."""
        self.now_s, self.sent = self.wakes_at_s, []
        self.node.wake()
        return self.sent

    def elect(self) -> None:
        """Let the node become leader of the next term."""
        while self.node.role.name == "follower":
            self.wake()
        term = self.node.term
        for asked, is_pre_vote in ((term + 1, True), (term + 1, False)):
            reply = VoteReply(
                term=self.node.term, asked_term=asked, granted=True, is_pre_vote=is_pre_vote
            )
            self.take("node-b", reply)
        assert self.node.role.name == "leader"


def request(
    previous: tuple[int, int], *terms: int, commit: int = 0, term: int = 2
) -> AppendRequest:
    entries = tuple(
        LogEntry(index, each, b"client-1 %d x" % index)
        for index, each in enumerate(terms, previous[0] + 1)
    )
    return AppendRequest(
        term=term, prev_index=previous[0], prev_term=previous[1], entries=entries, commit=commit
    )


def vote_request(term: int, last_index: int = 0, *, is_pre_vote: bool = False) -> VoteRequest:
    return VoteRequest(term=term, last_index=last_index, last_term=0, is_pre_vote=is_pre_vote)


def test_a_vote_is_saved_and_given_to_one_alone() -> None:
    desk = Desk()
    replies = [desk.take(peer, vote_request(3))[0][1] for peer in PEERS]
    assert [reply.granted for reply in replies if isinstance(reply, VoteReply)] == [True, False]
    assert desk.store.load_state() == PersistentState(3, "node-b")
    desk.restart()
    ((_, again),) = desk.take("node-c", vote_request(3))
    assert again == VoteReply(term=3, asked_term=3, granted=False, is_pre_vote=False)


def test_a_pre_vote_saves_nothing() -> None:
    desk = Desk()
    ((_, reply),) = desk.take("node-b", vote_request(7, is_pre_vote=True))
    assert reply == VoteReply(term=0, asked_term=7, granted=True, is_pre_vote=True)
    assert desk.store.load_state() == PersistentState(0, "")


def test_who_hears_a_leader_gives_no_pre_vote() -> None:
    desk = Desk()
    desk.take("node-b", request((0, 0)))
    ((_, reply),) = desk.take("node-c", vote_request(9, is_pre_vote=True))
    assert isinstance(reply, VoteReply)
    assert not reply.granted


def test_a_shorter_log_gets_no_vote() -> None:
    desk = Desk()
    desk.take("node-b", request((0, 0), 2))
    ((_, reply),) = desk.take("node-c", vote_request(3))
    assert reply == VoteReply(term=3, asked_term=3, granted=False, is_pre_vote=False)
    assert desk.store.load_state() == PersistentState(3, "")


def test_a_majority_of_pre_votes_begins_an_election_and_one_of_votes_ends_it() -> None:
    desk = Desk()
    desk.elect()
    assert desk.terms == [1]
    assert desk.store.load_state() == PersistentState(1, "node-a")
    assert list(desk.store.entries_from(1)) == [LogEntry(1, 1, NO_OP)]


def test_a_leader_commits_what_a_majority_has_and_tells_the_client() -> None:
    desk = Desk()
    desk.elect()
    command = encode_command("client-1", 1, b"x")
    sent = desk.take("client-1", Propose(client="client-1", number=1, command=command))
    assert [(peer, len(message.entries)) for peer, message in sent] == [  # type: ignore[union-attr]
        ("node-b", 2),
        ("node-c", 2),
    ]
    reply = AppendReply(term=1, match_index=2, prev_index=0)
    sent = desk.take("node-c", reply)
    assert ("client-1", ProposeReply(number=1, is_applied=True)) in sent
    assert (desk.node.commit_index, len(desk.fingerprints)) == (2, 2)


def test_a_command_sent_twice_is_appended_once() -> None:
    desk = Desk()
    desk.elect()
    proposal = Propose(client="client-1", number=1, command=encode_command("client-1", 1, b"x"))
    desk.take("client-1", proposal)
    assert desk.take("client-1", proposal) == []
    assert desk.store.bounds.last_index == 2


def test_an_entry_of_an_earlier_term_is_not_committed_by_counting() -> None:
    desk = Desk()
    desk.take("node-b", request((0, 0), 2))
    desk.elect()
    desk.take("node-c", AppendReply(term=3, match_index=1, prev_index=0))
    assert desk.node.commit_index == 0
    desk.take("node-c", AppendReply(term=3, match_index=2, prev_index=1))
    assert desk.node.commit_index == 2


def test_a_conflict_is_cut_off_and_replaced() -> None:
    desk = Desk()
    desk.take("node-b", request((0, 0), 1, 1, 1))
    ((_, reply),) = desk.take("node-c", request((1, 1), 3, 3, term=3))
    assert reply == AppendReply(term=3, match_index=3, prev_index=1)
    assert [entry.term for entry in desk.store.entries_from(1)] == [1, 3, 3]


def test_a_refusal_says_where_the_conflicting_term_began() -> None:
    desk = Desk()
    desk.take("node-b", request((0, 0), 1, 2, 2, 2))
    ((_, reply),) = desk.take("node-c", request((4, 3), 3, term=3))
    assert reply == AppendReply(
        term=3, match_index=None, prev_index=4, conflict_index=2, conflict_term=2
    )
    ((_, reply),) = desk.take("node-c", request((9, 3), 3, term=3))
    assert reply == AppendReply(term=3, match_index=None, prev_index=9, conflict_index=5)


def test_entries_that_are_there_already_change_nothing() -> None:
    desk = Desk()
    desk.take("node-b", request((0, 0), 2, 2))
    ((_, reply),) = desk.take("node-b", request((0, 0), 2))
    assert reply == AppendReply(term=2, match_index=1, prev_index=0)
    assert desk.store.bounds.last_index == 2


def test_a_snapshot_is_taken_and_the_log_compacted_behind_it() -> None:
    desk = Desk(snapshot_every=3)
    desk.take("node-b", request((0, 0), 2, 2, 2, 2, commit=4))
    metadata, data = desk.store.load_snapshot()
    assert metadata == SnapshotMetadata(4, 2)
    assert AppliedState.decode(data).fingerprint == desk.fingerprints[-1]
    assert desk.store.first_index == 5
    desk.restart()
    assert (desk.node.commit_index, desk.node.state.sessions) == (4, {"client-1": 4})


def test_a_follower_that_is_behind_installs_a_snapshot_and_goes_on_from_it() -> None:
    leader = Desk(snapshot_every=3)
    leader.take("node-b", request((0, 0), 2, 2, 2, 2, commit=4))
    metadata, data = leader.store.load_snapshot()
    desk = Desk()
    install = InstallSnapshot(term=2, metadata=metadata, data=data)
    assert desk.take("node-b", install) == [("node-b", InstallReply(term=2, index=4))]
    ((_, reply),) = desk.take("node-b", request((4, 2), 2, commit=5))
    assert reply == AppendReply(term=2, match_index=5, prev_index=4)
    assert desk.node.state.sessions == {"client-1": 5}


def test_a_leader_sends_its_snapshot_to_whom_the_log_no_longer_serves() -> None:
    desk = Desk(snapshot_every=3)
    desk.take("node-b", request((0, 0), 2, 2, 2, 2, commit=4))
    desk.elect()
    refusal = AppendReply(term=3, match_index=None, prev_index=4, conflict_index=1)
    ((receiver, sent),) = desk.take("node-c", refusal)
    assert receiver == "node-c"
    assert isinstance(sent, InstallSnapshot)
    assert sent.metadata == SnapshotMetadata(4, 2)


def test_a_node_whose_snapshot_holds_no_state_does_not_start() -> None:
    desk = Desk()
    desk.take("node-b", request((0, 0), 2, 2))
    desk.store.save_snapshot(SnapshotMetadata(2, 2), b"no state")
    with pytest.raises(NodeHaltedError, match="the snapshot cannot be decoded"):
        desk.restart()


def test_a_committed_entry_is_never_cut_off() -> None:
    desk = Desk()
    desk.take("node-b", request((0, 0), 2, 2, commit=2))
    with pytest.raises(NodeHaltedError, match="contradicts entry 2, and 2 is committed"):
        desk.take("node-c", request((1, 2), 3, term=3))
