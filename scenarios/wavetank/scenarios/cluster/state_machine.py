"""The replicated state machine of a cluster: who sent which command last, and all that came of it.

A command is applied once however often it stands in the log: each client counts its commands, and
what is not newer than the last is passed over. The fingerprint is over everything applied, in
order: two nodes that applied the same have the same one.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Final

from wavetank.engine import LogEntry

__all__ = ["NO_OP", "AppliedState", "command_of", "encode_command"]

NO_OP: Final = b"no-op"
"""The first entry of each leader."""

_SNAPSHOT_PADDING: Final = 1_500
_FINGERPRINT_BYTES: Final = 8


def encode_command(client: str, number: int, padding: bytes) -> bytes:
    """Return a client's command as bytes."""
    return f"{client} {number} ".encode() + padding


def command_of(content: bytes) -> tuple[str, int] | None:
    """Return client and number of a command; None if no client sent it."""
    if content == NO_OP:
        return None
    client, number, _ = content.split(b" ", 2)
    return client.decode(), int(number)


class AppliedState:
    """The state after some prefix of the log.

    Attributes:
        index: of the last entry applied.
        fingerprint: of everything applied so far.
        sessions: the number of the last command of each client.
    """

    def __init__(self) -> None:
        self.index = 0
        self.fingerprint = b""
        self.sessions: dict[str, int] = {}

    def apply(self, entry: LogEntry) -> None:
        """Apply the next entry."""
        self.index = entry.index
        sent = command_of(entry.command)
        is_new = sent is not None and self.sessions.get(sent[0], 0) < sent[1]
        if sent is not None and is_new:
            self.sessions[sent[0]] = sent[1]
        told = b"%d %d %d " % (entry.index, entry.term, is_new) + entry.command
        self.fingerprint = blake2b(self.fingerprint + told, digest_size=_FINGERPRINT_BYTES).digest()

    def encode(self) -> bytes:
        """Return the state as the content of a snapshot."""
        members = {
            "index": self.index,
            "fingerprint": self.fingerprint.hex(),
            "sessions": self.sessions,
            "padding": self.fingerprint.hex() * (_SNAPSHOT_PADDING // (2 * _FINGERPRINT_BYTES)),
        }
        return json.dumps(members).encode()

    @classmethod
    def decode(cls, content: bytes) -> AppliedState:
        """Return the state of a snapshot's content.

        Raises:
            ValueError: it is none.
        """
        members = json.loads(content)
        state = cls()
        state.index = int(members["index"])
        state.fingerprint = bytes.fromhex(members["fingerprint"])
        state.sessions = {str(name): int(number) for name, number in members["sessions"].items()}
        return state
