"""Numbers in a script: fixed, drawn from a stream, or another one in each round of a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random  # noqa: TID251 - named, seeded streams only
from typing import Any, TypeAlias

import attrs
from attrs import define, field, frozen, validators

from wavetank.scenarios.raft.workloads.boundary_values import command_size_to_end_at
from wavetank.scenarios.raft.workloads.scripted_node import ScriptedNode

__all__ = [
    "Amount",
    "ByRound",
    "Draw",
    "EndAt",
    "FrameOf",
    "Script",
    "Size",
    "Times",
    "at_least",
]


@frozen
class Draw:
    """A number drawn evenly from a range, anew each time.

    Attributes:
        low: the least.
        high: the greatest.

    Raises:
        ValueError: the greatest is below the least.
    """

    low: int
    high: int = field()

    @high.validator
    def _is_above(self, _: object, high: int) -> None:
        if high < self.low:
            raise ValueError(f"to: expected a number >= {self.low}, got {high}")


@frozen
class ByRound:
    """Another number in each round of the loop around it.

    Attributes:
        values: of the first round, the second and so on; behind the last the first comes again.
    """

    values: tuple[int, ...] = field(validator=validators.min_len(1))


Amount: TypeAlias = int | Draw | ByRound
"""A number of entries, of bytes, of terms."""


def at_least(least: int) -> Callable[[object, attrs.Attribute[Any], Amount | None], None]:
    """Return a validator: whatever an amount comes to, it is no less than this."""

    def check(_: object, attribute: attrs.Attribute[Any], amount: Amount | None) -> None:
        if isinstance(amount, Draw):
            lowest = amount.low
        elif isinstance(amount, ByRound):
            lowest = min(amount.values)
        else:
            lowest = least if amount is None else amount
        if lowest < least:
            raise ValueError(f"{attribute.name}: expected numbers >= {least}, got {lowest}")

    return check


@frozen
class EndAt:
    """The size of a command with which its frame ends at the next multiple of a unit.

    Attributes:
        unit: of a sector, a block or a transfer chunk, in bytes.
        past: bytes behind the multiple; negative for bytes before it.
    """

    unit: int = field(validator=validators.ge(1))
    past: int = 0


@frozen
class FrameOf:
    """The size of a command whose frame has so many bytes.

    Attributes:
        size_bytes: of the frame.
    """

    size_bytes: int = field(validator=validators.ge(1))


@frozen
class Times:
    """Sizes that come again and again.

    Attributes:
        times: how often.
        of: what comes.
    """

    times: int = field(validator=validators.ge(0))
    of: tuple[int, ...]


Size: TypeAlias = int | Draw | ByRound | EndAt | FrameOf | Times
"""The size of one command in bytes, or of several."""


@define
class Script:
    """A script that is being written: its node, its dice, and where it stands.

    Attributes:
        node: writes the steps.
        dice: where choices and numbers are drawn from.
        round: of the innermost loop, from 1.
    """

    node: ScriptedNode
    dice: Random
    round: int = 1

    def number(self, amount: Amount) -> int:
        """Return the number that an amount stands for: drawn, of this round, or fixed."""
        if isinstance(amount, Draw):
            return self.dice.randint(amount.low, amount.high)
        if isinstance(amount, ByRound):
            return amount.values[(self.round - 1) % len(amount.values)]
        return amount

    def sizes(self, sizes: Iterable[Size]) -> Iterator[int]:
        """Yield the sizes of a batch's commands, in bytes.

        Raises:
            ValueError: where the log ends is not known, or the command is not alone in its batch.
        """
        batch = tuple(sizes)
        for size in batch:
            if isinstance(size, Times):
                yield from size.of * size.times
            elif isinstance(size, FrameOf):
                yield command_size_to_end_at(0, size.size_bytes)
            elif isinstance(size, EndAt):
                yield self._size_to_end_at(size, alone=len(batch) == 1)
            else:
                yield self.number(size)

    def _size_to_end_at(self, size: EndAt, *, alone: bool) -> int:
        if not alone:
            raise ValueError("end_at: expected a batch of this command alone, got others in it")
        log_end = self.node.log_end
        if log_end is None:
            raise ValueError(
                "end_at: expected a log that was only appended to since it was made or replaced "
                "by a snapshot, got one that was cut or compacted"
            )
        return command_size_to_end_at(log_end, size.unit, past=size.past)
