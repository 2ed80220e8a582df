"""A client of a cluster: one command at a time, sent until it is told that it is applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random  # noqa: TID251 - named, seeded streams only
from typing import Final

from wavetank.scenarios.cluster.messages import Message, Propose, ProposeReply
from wavetank.scenarios.cluster.network import Network, Timeline
from wavetank.scenarios.cluster.state_machine import encode_command

__all__ = ["Client"]

_COMMAND_BYTES: Final = (60, 280)
_THINKS_S: Final = (0.1, 0.5)
_RETRIES_S: Final = 0.4


class Client:
    """One client.

    Args:
        name: its own.
        nodes: whom it may ask.
        timeline: the time.
        network: the network.
        random: draws commands, pauses, and whom it asks next.
        on_applied: told its name, the number of a command, and when that was sent first.

    Attributes:
        name: its own.
        acknowledged: the number of the last command that it was told is applied.
    """

    def __init__(
        self,
        name: str,
        *,
        nodes: Sequence[str],
        timeline: Timeline,
        network: Network[Message],
        random: Random,
        on_applied: Callable[[str, int, float], None],
    ) -> None:
        self.name = name
        self.acknowledged = 0
        self._timeline = timeline
        self._network = network
        self._on_applied = on_applied
        self._random = random
        self._nodes = nodes
        self._target = random.choice(nodes)
        self._number = 0
        self._command = b""
        self._sent_at_s = 0.0
        self._tries = 0
        network.join(name, self._receive)

    def begin(self) -> None:
        """Send the next command some time from now."""
        self._timeline.after(self._random.uniform(*_THINKS_S), self._next)

    def _next(self) -> None:
        self._number += 1
        padding = self._random.randbytes(self._random.randint(*_COMMAND_BYTES))
        self._command = encode_command(self.name, self._number, padding)
        self._sent_at_s = self._timeline.now_s
        self._send()

    def _send(self) -> None:
        self._tries += 1
        tried = self._tries
        message = Propose(client=self.name, number=self._number, command=self._command)
        self._network.send(self.name, self._target, message)
        self._timeline.after(_RETRIES_S, lambda: self._retry(tried))

    def _retry(self, tried: int) -> None:
        if tried == self._tries and self.acknowledged < self._number:
            self._target = self._random.choice(self._nodes)
            self._send()

    def _receive(self, sender: str, message: Message) -> None:
        if not isinstance(message, ProposeReply) or message.number != self._number:
            return
        if self.acknowledged >= self._number:
            return
        if message.is_applied:
            self.acknowledged = self._number
            self._on_applied(self.name, self._number, self._sent_at_s)
            self.begin()
        elif message.leader and message.leader != sender:
            self._target = message.leader
            self._send()
