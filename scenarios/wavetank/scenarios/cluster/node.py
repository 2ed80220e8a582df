"""A small complete Raft node over a store: the caller whose trust the store must deserve.

It calls its store as a Raft library does: term and vote are saved before anybody is told, entries
are appended before they are acknowledged, committed entries are read back in parts of ten to be
applied. It takes one message or timer at a time, and knows no clock, network or disk but what it is
given. Before an election it asks whether it would win (pre-vote), so that a node that was cut off
disturbs nobody.

Left out: changes of membership, reads that bypass the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random  # noqa: TID251 - named, seeded streams only
from typing import Final, Protocol

from attrs import frozen

from wavetank.engine import LogEntry, NoSnapshotError, PersistentState, SnapshotMetadata
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
from wavetank.scenarios.cluster.node_store import NodeStore
from wavetank.scenarios.cluster.state_machine import NO_OP, AppliedState, command_of

__all__ = ["HEARTBEAT_S", "Host", "NodeHaltedError", "RaftNode", "Role"]

HEARTBEAT_S: Final = 0.1
_ELECTION_TIMEOUT_S: Final = (0.3, 0.6)
_ENTRIES_PER_MESSAGE: Final = 100
_ENTRIES_PER_APPLY: Final = 10
_NOTHING: Final = SnapshotMetadata(0, 0)


class NodeHaltedError(RuntimeError):
    """The store shows what no Raft node can go on from; the process ends."""


class Host(Protocol):
    """What a node runs on: time, network, chance, and whoever watches."""

    @property
    def now_s(self) -> float:
        """The virtual time."""
        ...

    @property
    def random(self) -> Random:
        """Where timeouts are drawn from."""
        ...

    def send(self, receiver: str, message: Message) -> None:
        """Send a message."""
        ...

    def wake_after(self, delay_s: float) -> None:
        """Call `RaftNode.wake` so many seconds from now, and not when it was to be before."""
        ...

    def appended(self, previous_term: int | None, entries: Sequence[LogEntry]) -> None:
        """See entries that the store has acknowledged, and the term of the one before them."""
        ...

    def elected(self, term: int, snapshot: SnapshotMetadata, log: Sequence[LogEntry]) -> None:
        """See a node become leader, with all that it has."""
        ...

    def applied(self, term: int, entry: LogEntry, fingerprint: bytes) -> None:
        """See an entry applied in a term of the node, and the fingerprint of the state after it."""
        ...

    def restored(self, metadata: SnapshotMetadata, state: AppliedState) -> None:
        """See the state machine replaced by a snapshot."""
        ...


@frozen
class Role:
    """What a node is; `votes` are of those who would elect it."""

    name: str
    votes: frozenset[str] = frozenset()


_FOLLOWER: Final = Role("follower")
_LEADER: Final = Role("leader")


class RaftNode:
    """One node, from the start of its process to its end.

    Args:
        name: its own.
        peers: the names of the others.
        store: what it keeps.
        host: what it runs on.
        snapshot_every: entries applied between two snapshots; 0: it takes none.

    Attributes:
        term: the current term.
        role: follower, pre-candidate, candidate or leader.
        commit_index: up to where entries are committed, as far as it knows.
        state: its state machine.

    Raises:
        NodeHaltedError: the store shows what no node can go on from.
    """

    def __init__(
        self,
        name: str,
        peers: Sequence[str],
        store: NodeStore,
        host: Host,
        *,
        snapshot_every: int = 0,
    ) -> None:
        self._name = name
        self._peers = tuple(peers)
        self._majority = (len(peers) + 1) // 2 + 1
        self._store = store
        self._host = host
        self._snapshot_every = snapshot_every
        saved = store.load_state()
        self.term, self._vote = saved.current_term, saved.voted_for
        self.role = _FOLLOWER
        self._leader = ""
        self._heard_at = -_ELECTION_TIMEOUT_S[1]
        self._deadline = 0.0
        self._next: dict[str, int] = {}
        self._match: dict[str, int] = {}
        self._snapshot_sent: dict[str, float] = {}
        self._proposed: set[tuple[str, int]] = set()
        self._last_sent: tuple[int, int, tuple[LogEntry, ...]] = (0, 0, ())
        self._snapshot, self.state = self._restore()
        self.commit_index = self.state.index
        first = store.first_index
        if first > self._snapshot.last_included_index + 1:
            raise NodeHaltedError(
                f"the log begins at {first}, and the snapshot ends at "
                f"{self._snapshot.last_included_index}"
            )
        self._reset_deadline()
        host.wake_after(self._deadline - host.now_s)

    def _restore(self) -> tuple[SnapshotMetadata, AppliedState]:
        try:
            metadata, data = self._store.load_snapshot()
        except NoSnapshotError:
            return _NOTHING, AppliedState()
        return metadata, self._decoded(metadata, data)

    def _decoded(self, metadata: SnapshotMetadata, data: bytes) -> AppliedState:
        try:
            state = AppliedState.decode(data)
        except (ValueError, KeyError, TypeError) as error:
            raise NodeHaltedError(f"the snapshot cannot be decoded: {error}") from error
        # What it was saved under counts: a node has nothing else to go by.
        state.index = metadata.last_included_index
        self._host.restored(metadata, state)
        return state

    # Time

    def wake(self) -> None:
        """Do what is due: heartbeats, or an election."""
        now = self._host.now_s
        if self.role.name in ("leader", "candidate"):
            if self.role is _LEADER:
                for peer in self._peers:
                    self._replicate(peer)
            elif now >= self._deadline:
                self._ask_first()
            else:
                self._ask_for_votes()
            self._host.wake_after(HEARTBEAT_S)
            return
        if now >= self._deadline:
            self._ask_first()
        self._host.wake_after(max(self._deadline - self._host.now_s, 0.001))

    def _reset_deadline(self) -> None:
        self._deadline = self._host.now_s + self._host.random.uniform(*_ELECTION_TIMEOUT_S)

    # Messages

    def receive(self, sender: str, message: Message) -> None:
        """Take one message."""
        if isinstance(message, Propose):
            self._propose(sender, message)
            return
        if isinstance(message, ProposeReply):
            return
        is_pre_vote = isinstance(message, (VoteRequest, VoteReply)) and message.is_pre_vote
        # A pre-vote is about a term that nobody has begun.
        if message.term > self.term and not (is_pre_vote and isinstance(message, VoteRequest)):
            self._step_down(message.term)
        if isinstance(message, VoteRequest):
            self._answer_vote(sender, message)
        elif isinstance(message, VoteReply):
            self._count_vote(sender, message)
        elif isinstance(message, AppendRequest):
            self._take_entries(sender, message)
        elif isinstance(message, AppendReply):
            self._take_append_reply(sender, message)
        elif isinstance(message, InstallSnapshot):
            self._install(sender, message)
        else:
            self._take_install_reply(sender, message)

    def _step_down(self, term: int) -> None:
        if term > self.term:
            self._save_state(term, "")
        self.role = _FOLLOWER
        self._proposed.clear()
        self._reset_deadline()

    def _save_state(self, term: int, vote: str) -> None:
        self._store.save_state(PersistentState(term, vote))
        self.term, self._vote = term, vote

    # Elections

    def _ask_first(self) -> None:
        """Ask whether an election would be won, before anything is saved."""
        self._reset_deadline()
        self.role = Role("pre-candidate", frozenset({self._name}))
        self._request_votes(self.term + 1, is_pre_vote=True)

    def _campaign(self) -> None:
        self._save_state(self.term + 1, self._name)
        self.role = Role("candidate", frozenset({self._name}))
        self._leader = ""
        self._reset_deadline()
        self._ask_for_votes()
        self._host.wake_after(HEARTBEAT_S)

    def _ask_for_votes(self) -> None:
        self._request_votes(self.term, is_pre_vote=False)

    def _request_votes(self, term: int, *, is_pre_vote: bool) -> None:
        last_index, last_term = self._last()
        for peer in self._peers:
            if peer not in self.role.votes:
                self._host.send(
                    peer,
                    VoteRequest(
                        term=term,
                        last_index=last_index,
                        last_term=last_term,
                        is_pre_vote=is_pre_vote,
                    ),
                )

    def _answer_vote(self, sender: str, request: VoteRequest) -> None:
        last_index, last_term = self._last()
        is_current = (request.last_term, request.last_index) >= (last_term, last_index)
        if request.is_pre_vote:
            quiet = self._host.now_s - self._heard_at >= _ELECTION_TIMEOUT_S[0]
            granted = request.term > self.term and is_current and quiet and self.role is not _LEADER
        else:
            granted = (
                request.term == self.term and self._vote in ("", sender) and is_current
            )  # fmt: skip
            if granted and not self._vote:
                self._save_state(self.term, sender)
            if granted:
                self._reset_deadline()
        reply = VoteReply(
            term=self.term,
            asked_term=request.term,
            granted=granted,
            is_pre_vote=request.is_pre_vote,
        )
        self._host.send(sender, reply)

    def _count_vote(self, sender: str, reply: VoteReply) -> None:
        wanted = "pre-candidate" if reply.is_pre_vote else "candidate"
        asked = self.term + 1 if reply.is_pre_vote else self.term
        if not reply.granted or self.role.name != wanted or reply.asked_term != asked:
            return
        self.role = Role(wanted, self.role.votes | {sender})
        if len(self.role.votes) < self._majority:
            return
        if reply.is_pre_vote:
            self._campaign()
        else:
            self._lead()

    def _lead(self) -> None:
        self.role = _LEADER
        self._leader = self._name
        last_index, _ = self._last()
        self._next = dict.fromkeys(self._peers, last_index + 1)
        self._match = dict.fromkeys(self._peers, 0)
        self._snapshot_sent.clear()
        self._last_sent = 0, 0, ()
        self._host.elected(self.term, self._snapshot, self._store.entries_from(0))
        self._append_own(NO_OP)
        self._host.wake_after(HEARTBEAT_S)

    # The leader's side

    def _propose(self, sender: str, proposal: Propose) -> None:
        if self.role is not _LEADER:
            self._host.send(
                sender,
                ProposeReply(number=proposal.number, is_applied=False, leader=self._leader),
            )
            return
        if self.state.sessions.get(proposal.client, 0) >= proposal.number:
            self._host.send(sender, ProposeReply(number=proposal.number, is_applied=True))
            return
        key = (proposal.client, proposal.number)
        if key not in self._proposed:
            self._proposed.add(key)
            self._append_own(proposal.command)

    def _append_own(self, command: bytes) -> None:
        last_index, last_term = self._last()
        self._append(last_term, (LogEntry(last_index + 1, self.term, command),))
        for peer in self._peers:
            self._replicate(peer)

    def _append(self, previous_term: int | None, entries: tuple[LogEntry, ...]) -> None:
        self._store.append(entries)
        self._host.appended(previous_term, entries)

    def _replicate(self, peer: str) -> None:
        start = self._next[peer]
        last_index, _ = self._last()
        previous_term = self._term_at(start - 1)
        if start < self._store.first_index or previous_term is None:
            self._send_snapshot(peer)
            return
        end = min(start + _ENTRIES_PER_MESSAGE, last_index + 1)
        entries = self._entries_to_send(start, end) if start < end else ()
        self._host.send(
            peer,
            AppendRequest(
                term=self.term,
                prev_index=start - 1,
                prev_term=previous_term,
                entries=entries,
                commit=self.commit_index,
            ),
        )

    def _entries_to_send(self, start: int, end: int) -> tuple[LogEntry, ...]:
        """Read entries once for all who need the same; a leader's log only grows."""
        if self._last_sent[:2] != (start, end):
            self._last_sent = start, end, tuple(self._store.entries(start, end))
        return self._last_sent[2]

    def _send_snapshot(self, peer: str) -> None:
        now = self._host.now_s
        if now - self._snapshot_sent.get(peer, -HEARTBEAT_S) < HEARTBEAT_S:
            return
        self._snapshot_sent[peer] = now
        metadata, data = self._store.load_snapshot()
        self._host.send(peer, InstallSnapshot(term=self.term, metadata=metadata, data=data))

    def _take_append_reply(self, sender: str, reply: AppendReply) -> None:
        if self.role is not _LEADER or reply.term != self.term:
            return
        if reply.match_index is None:
            if reply.prev_index == self._next[sender] - 1:
                self._next[sender] = max(self._back_off(reply), self._match[sender] + 1)
                self._replicate(sender)
            return
        self._matched(sender, reply.match_index)

    def _matched(self, sender: str, index: int) -> None:
        if index <= self._match[sender]:
            return
        self._match[sender] = index
        self._next[sender] = index + 1
        self._advance()
        if self._next[sender] <= self._last()[0]:
            self._replicate(sender)

    def _back_off(self, reply: AppendReply) -> int:
        """Return where a follower's log may still be the leader's: one step for each term."""
        if reply.conflict_term is None:
            return reply.conflict_index
        first = max(self._store.first_index, reply.prev_index - _ENTRIES_PER_MESSAGE)
        end = min(reply.prev_index, self._last()[0]) + 1
        known = self._store.entries(first, end) if first < end else ()
        for entry in reversed(known):
            if entry.term == reply.conflict_term:
                return entry.index + 1
        return reply.conflict_index

    def _advance(self) -> None:
        """Commit what a majority has, if it is of this term (Raft, section 5.4.2)."""
        last_index, _ = self._last()
        held = sorted((*self._match.values(), last_index), reverse=True)
        index = held[self._majority - 1]
        if index > self.commit_index and self._term_at(index) == self.term:
            self.commit_index = index
            self._apply()

    def _take_install_reply(self, sender: str, reply: InstallReply) -> None:
        if self.role is _LEADER and reply.term == self.term:
            self._matched(sender, reply.index)

    # The follower's side

    def _hear_leader(self, sender: str) -> None:
        self.role = _FOLLOWER
        self._leader = sender
        self._heard_at = self._host.now_s
        self._reset_deadline()

    def _take_entries(self, sender: str, request: AppendRequest) -> None:
        if request.term < self.term:
            self._refuse(sender, request, 0, None)
            return
        self._hear_leader(sender)
        last_index, _ = self._last()
        if request.prev_index > last_index:
            self._refuse(sender, request, last_index + 1, None)
            return
        through = request.prev_index + len(request.entries)
        previous, entries = self._behind_base(request)
        if entries is None:
            self._accept(sender, request, through)
            return
        own_term = self._term_at(previous.index)
        if own_term != previous.term:
            self._refuse(sender, request, self._first_of_term(previous.index, own_term), own_term)
            return
        self._store_entries(previous.term, entries)
        self._accept(sender, request, through)

    def _behind_base(self, request: AppendRequest) -> tuple[_Previous, tuple[LogEntry, ...] | None]:
        """Leave out what the snapshot or the compacted log covers, which is committed.

        No entries at all come back as None if the request has nothing beyond that.
        """
        base = max(self._snapshot.last_included_index, self._store.first_index - 1)
        skipped = base - request.prev_index
        if skipped <= 0:
            return _Previous(request.prev_index, request.prev_term), request.entries
        if skipped > len(request.entries):
            return _Previous(0, 0), None
        entry = request.entries[skipped - 1]
        return _Previous(entry.index, entry.term), request.entries[skipped:]

    def _store_entries(self, previous_term: int, entries: tuple[LogEntry, ...]) -> None:
        """Append what is new; drop what conflicts first."""
        if not entries:
            return
        last_index, _ = self._last()
        overlap = min(last_index, entries[-1].index) - entries[0].index + 1
        known = 0
        if overlap > 0:
            own = self._store.entries(entries[0].index, entries[0].index + overlap)
            while known < overlap and own[known].term == entries[known].term:
                known += 1
            if known < overlap:
                self._drop_from(entries[known].index)
        if known:
            previous_term = entries[known - 1].term
        if known < len(entries):
            self._append(previous_term, entries[known:])

    def _drop_from(self, index: int) -> None:
        if index <= self.commit_index:
            raise NodeHaltedError(
                f"the leader contradicts entry {index}, and {self.commit_index} is committed"
            )
        self._store.truncate_suffix(index)

    def _accept(self, sender: str, request: AppendRequest, through: int) -> None:
        commit = min(request.commit, through)
        if commit > self.commit_index:
            self.commit_index = commit
            self._apply()
        self._host.send(
            sender,
            AppendReply(term=self.term, match_index=through, prev_index=request.prev_index),
        )

    def _refuse(
        self, sender: str, request: AppendRequest, index: int, conflict_term: int | None
    ) -> None:
        self._host.send(
            sender,
            AppendReply(
                term=self.term,
                match_index=None,
                prev_index=request.prev_index,
                conflict_index=index,
                conflict_term=conflict_term,
            ),
        )

    def _first_of_term(self, index: int, term: int | None) -> int:
        """Return the first of the entries up to `index` with its term, as far as one read shows."""
        first = max(self._store.first_index, self.commit_index + 1, index - _ENTRIES_PER_MESSAGE)
        for entry in reversed(self._store.entries(first, index + 1) if first <= index else ()):
            if entry.term != term:
                return entry.index + 1
        return max(first, 1)

    def _install(self, sender: str, message: InstallSnapshot) -> None:
        if message.term < self.term:
            return
        self._hear_leader(sender)
        index = message.metadata.last_included_index
        if index > self.commit_index:
            self._store.save_snapshot(message.metadata, message.data)
            self.state = self._decoded(message.metadata, message.data)
            self._snapshot = message.metadata
            self.commit_index = index
        self._host.send(sender, InstallReply(term=self.term, index=index))

    # The log

    def _last(self) -> tuple[int, int]:
        bounds = self._store.bounds
        if bounds.last_index >= self._snapshot.last_included_index:
            return bounds.last_index, bounds.last_term
        return self._snapshot.last_included_index, self._snapshot.last_included_term

    def _term_at(self, index: int) -> int | None:
        """Return the term of an entry; None where it is compacted or was never there."""
        bounds = self._store.bounds
        if index == bounds.last_index:
            return bounds.last_term
        if index == self._snapshot.last_included_index:
            return self._snapshot.last_included_term
        if bounds.first_index <= index < bounds.last_index:
            return self._store.entries(index, index + 1)[0].term
        return None

    # The state machine

    def _apply(self) -> None:
        while self.state.index < self.commit_index:
            start = self.state.index + 1
            end = min(start + _ENTRIES_PER_APPLY, self.commit_index + 1)
            for entry in self._store.entries(start, end):
                self._apply_entry(entry)
        index = self.state.index
        taken = self._snapshot.last_included_index
        if self._snapshot_every and index - taken >= self._snapshot_every:
            term = self._term_at(index)
            assert term is not None, "what was applied just now is in the log"
            metadata = SnapshotMetadata(index, term)
            self._store.save_snapshot(metadata, self.state.encode())
            self._snapshot = metadata
            self._store.truncate_prefix(index + 1)

    def _apply_entry(self, entry: LogEntry) -> None:
        try:
            self.state.apply(entry)
            sent = command_of(entry.command)
        except ValueError as error:
            raise NodeHaltedError(f"entry {entry.index} is no command: {error}") from error
        self._host.applied(self.term, entry, self.state.fingerprint)
        if sent is None:
            return
        self._proposed.discard(sent)
        if self.role is _LEADER:
            client, number = sent
            self._host.send(client, ProposeReply(number=number, is_applied=True))


@frozen
class _Previous:
    """The entry before those of a request."""

    index: int
    term: int
