"""What a node does in a script: moves that keep Raft's rules, loops, conditions and choices.

A move is told to a `ScriptedNode`, which knows term, log and snapshot of the node and leaves out
what makes no sense where it stands. Calls with exact values, the steps of steps.py, may stand
between moves.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import field, frozen, validators

from wavetank.scenarios.raft.steps import Step
from wavetank.scenarios.scenario_files.amounts import Amount, Script, Size, at_least

__all__ = [
    "Alternative",
    "AppendEntries",
    "AppendSizes",
    "BeginCrashes",
    "Campaign",
    "Choose",
    "Compact",
    "Conflict",
    "Fill",
    "GrantVote",
    "InstallSnapshot",
    "Move",
    "ReadBack",
    "Repeat",
    "ReplaceBranch",
    "ScriptStep",
    "SeeTerm",
    "StaleSnapshot",
    "StaleVoteRequest",
    "TakeSnapshot",
    "When",
    "write",
]


@frozen
class Campaign:
    """Start an election: the next term, and a vote for oneself."""

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.campaign()


@frozen
class SeeTerm:
    """Learn of a higher term; the vote in it is still free.

    Attributes:
        ahead: by how many it is higher.
    """

    ahead: Amount = field(validator=at_least(1))

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.see_term(script.number(self.ahead))


@frozen
class GrantVote:
    """Vote for a peer, in the node's term if its vote is free, else in the next."""

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.grant_vote()


@frozen
class StaleVoteRequest:
    """Be asked for a vote in a term long gone: a save that the store must refuse."""

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.stale_vote_request()


@frozen
class AppendEntries:
    """Append a batch of so many entries of the node's term, of 80 to 300 bytes each.

    Attributes:
        count: how many.
    """

    count: Amount = field(validator=at_least(1))

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.append(script.number(self.count))


@frozen
class AppendSizes:
    """Append a batch of commands of these sizes.

    Attributes:
        sizes: in bytes.
    """

    sizes: tuple[Size, ...] = field(validator=validators.min_len(1))

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.append_sizes(*script.sizes(self.sizes))


@frozen
class ReadBack:
    """Read entries at the end of the log.

    Attributes:
        count: how many at most.
    """

    count: Amount = field(validator=at_least(1))

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.read_back(script.number(self.count))


@frozen
class Conflict:
    """Drop entries at the end of the log, though none that a snapshot covers, in a new term.

    Attributes:
        back: how many.
    """

    back: Amount = field(validator=at_least(0))

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.conflict(back=script.number(self.back))


@frozen(kw_only=True)
class TakeSnapshot:
    """Snapshot the log.

    Attributes:
        behind: so many of the last entries are not in it.
        size: of the snapshot in bytes; None: 1,500 to 6,000.
    """

    behind: Amount = field(default=0, validator=at_least(0))
    size: Amount | None = field(default=None, validator=at_least(0))

    def write(self, script: Script) -> None:
        """Write the steps."""
        behind = script.number(self.behind)
        size = None if self.size is None else script.number(self.size)
        script.node.take_snapshot(behind=behind, size_bytes=size)


@frozen(kw_only=True)
class InstallSnapshot:
    """Receive a snapshot from beyond the log, in a higher term.

    Attributes:
        ahead: so many entries beyond the log.
        at: its index, instead.
        size: of the snapshot in bytes; None: 1,500 to 6,000.
    """

    ahead: Amount = field(default=1, validator=at_least(1))
    at: Amount | None = field(default=None, validator=at_least(1))
    size: Amount | None = field(default=None, validator=at_least(0))

    def write(self, script: Script) -> None:
        """Write the steps."""
        if self.at is None:
            ahead = script.number(self.ahead)
        else:
            ahead = script.number(self.at) - script.node.last_index
        size = None if self.size is None else script.number(self.size)
        script.node.install_snapshot(ahead=ahead, size_bytes=size)


@frozen
class ReplaceBranch:
    """Receive a snapshot of an index that the log holds with another term.

    Attributes:
        back: so many entries before the last.
    """

    back: Amount = field(validator=at_least(0))

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.replace_branch(back=script.number(self.back))


@frozen
class StaleSnapshot:
    """Receive a snapshot older than one's own, which the store must refuse."""

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.stale_snapshot()


@frozen
class Compact:
    """Truncate the prefix up to the snapshot."""

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.compact()


@frozen
class BeginCrashes:
    """Let crashes be explored from here on; the steps before only run."""

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.begin_crashes()


@frozen(kw_only=True)
class Fill:
    """Append until so much lies behind what was last there, for the last crashes to take.

    Attributes:
        entries: how many at least.
        frames: in how many batches at least.
    """

    entries: int = field(default=20, validator=validators.ge(0))
    frames: int = field(default=8, validator=validators.ge(1))

    def write(self, script: Script) -> None:
        """Write the steps."""
        script.node.fill(entries=self.entries, frames=self.frames)


@frozen(kw_only=True)
class Repeat:
    """Steps one after the other, as a whole so many times.

    Attributes:
        steps: in order.
        times: how many rounds; None: they come once, and belong to the round around them.
    """

    steps: tuple[ScriptStep, ...] = field(validator=validators.min_len(1))
    times: int | None = field(default=None, validator=validators.optional(validators.ge(1)))

    def write(self, script: Script) -> None:
        """Write the steps."""
        if self.times is None:
            for step in self.steps:
                write(step, script)
            return
        outside = script.round
        for number in range(1, self.times + 1):
            script.round = number
            for step in self.steps:
                write(step, script)
        script.round = outside


@frozen(kw_only=True)
class When:
    """A step that comes in some rounds of the loop around it.

    Attributes:
        step: what comes.
        every: in each round whose number is a multiple of this.
        rounds: in these rounds; none given: in all.
    """

    step: ScriptStep
    every: int = field(default=1, validator=validators.ge(1))
    rounds: tuple[int, ...] = ()

    def write(self, script: Script) -> None:
        """Write the steps."""
        is_named = not self.rounds or script.round in self.rounds
        if is_named and script.round % self.every == 0:
            write(self.step, script)


@frozen(kw_only=True)
class Alternative:
    """One of several steps of which one is drawn.

    Attributes:
        step: what may come.
        weight: how likely, beside the others.
    """

    step: ScriptStep
    weight: int = field(default=1, validator=validators.ge(1))


@frozen
class Choose:
    """One of several steps, drawn anew each time.

    Attributes:
        alternatives: of which one comes.
    """

    alternatives: tuple[Alternative, ...] = field(validator=validators.min_len(1))

    def write(self, script: Script) -> None:
        """Write the steps."""
        weights = [each.weight for each in self.alternatives]
        if len(set(weights)) == 1:
            chosen = self.alternatives[script.dice.randrange(len(weights))]
        else:
            chosen = script.dice.choices(self.alternatives, weights)[0]
        write(chosen.step, script)


Move: TypeAlias = (
    Campaign
    | SeeTerm
    | GrantVote
    | StaleVoteRequest
    | AppendEntries
    | AppendSizes
    | ReadBack
    | Conflict
    | TakeSnapshot
    | InstallSnapshot
    | ReplaceBranch
    | StaleSnapshot
    | Compact
    | BeginCrashes
    | Fill
)

ScriptStep: TypeAlias = Step | Move | Repeat | When | Choose
"""What stands in a script: a call with exact values, a move, or steps under a condition."""


def write(step: ScriptStep, script: Script) -> None:
    """Write what a step of a script comes to."""
    if isinstance(step, Step):
        script.node.take(step)
    else:
        step.write(script)
