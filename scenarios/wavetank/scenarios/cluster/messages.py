"""What nodes and clients say to one another."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from wavetank.engine import LogEntry, SnapshotMetadata

__all__ = [
    "AppendReply",
    "AppendRequest",
    "InstallReply",
    "InstallSnapshot",
    "Message",
    "Propose",
    "ProposeReply",
    "VoteReply",
    "VoteRequest",
]


@frozen(kw_only=True)
class VoteRequest:
    """Asks for a vote in a term, or, before that, whether one would be given."""

    term: int
    last_index: int
    last_term: int
    is_pre_vote: bool


@frozen(kw_only=True)
class VoteReply:
    """Answers a `VoteRequest` for `asked_term`; `term` is the voter's own."""

    term: int
    asked_term: int
    granted: bool
    is_pre_vote: bool


@frozen(kw_only=True)
class AppendRequest:
    """Entries behind `prev_index`, or none: a heartbeat."""

    term: int
    prev_index: int
    prev_term: int
    entries: tuple[LogEntry, ...]
    commit: int


@frozen(kw_only=True)
class AppendReply:
    """Says up to where the follower's log is the leader's, or where to look next.

    Attributes:
        term: the follower's.
        match_index: up to where both are equal; None if it refused.
        prev_index: of the request.
        conflict_index: where the leader is to go on, if it refused.
        conflict_term: the term that the follower has there; None if its log is too short.
    """

    term: int
    match_index: int | None
    prev_index: int
    conflict_index: int = 0
    conflict_term: int | None = None


@frozen(kw_only=True)
class InstallSnapshot:
    """A whole snapshot, for a follower whose next entries are compacted."""

    term: int
    metadata: SnapshotMetadata
    data: bytes


@frozen(kw_only=True)
class InstallReply:
    """Says that the follower has everything up to an index."""

    term: int
    index: int


@frozen(kw_only=True)
class Propose:
    """A client's command; each client counts its own."""

    client: str
    number: int
    command: bytes


@frozen(kw_only=True)
class ProposeReply:
    """Says that a command is applied, or who may be the leader."""

    number: int
    is_applied: bool
    leader: str = ""


Message: TypeAlias = (
    VoteRequest
    | VoteReply
    | AppendRequest
    | AppendReply
    | InstallSnapshot
    | InstallReply
    | Propose
    | ProposeReply
)
