"""The values that go in and out of a store: entries, term and vote, snapshot metadata, bounds.

All are frozen and checked when made, so that no other module checks their types again.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import Attribute, field, frozen

__all__ = [
    "LogBounds",
    "LogEntry",
    "PersistentState",
    "SnapshotMetadata",
    "UncheckedEntry",
]

_LARGEST: Final = 2**64 - 1


def _unsigned(least: int) -> Any:  # noqa: ANN401 - attrs' own validator type is generic in Any
    def check(owner: object, attribute: Attribute[int], value: int) -> None:
        if type(value) is int and least <= value <= _LARGEST:
            return  # a log read makes many of these; the message below costs more than the check
        name = f"{type(owner).__name__}.{attribute.name}"
        if type(value) is not int:
            raise TypeError(f"{name}: expected int but got {value!r} ({type(value).__name__})")
        raise ValueError(f"{name}: expected {least} <= value <= 2**64-1 but got {value!r}")

    return check


def _instance(kind: type) -> Any:  # noqa: ANN401 - as above
    def check(owner: object, attribute: Attribute[object], value: object) -> None:
        if not isinstance(value, kind):
            raise TypeError(
                f"{type(owner).__name__}.{attribute.name}: expected {kind.__name__} "
                f"but got {value!r} ({type(value).__name__})"
            )

    return check


def _bytes_of(value: object) -> bytes:
    if type(value) is bytes:
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)  # a copy: what the caller does to its buffer later changes no entry
    raise TypeError(
        f"LogEntry.command: expected bytes, bytearray or memoryview but got {value!r} "
        f"({type(value).__name__})"
    )


@frozen(weakref_slot=False)  # the layout of `UncheckedEntry`, and 8 bytes less for each
class LogEntry:
    """One entry of the Raft log.

    Args:
        index: position in the log, from 1.
        term: the leader's term when it was made.
        command: opaque bytes for the state machine; a bytearray or memoryview is copied.

    Raises:
        TypeError: an argument of another type.
        ValueError: an index below 1, a negative term, or either beyond 64 bits.

    >>> LogEntry(1, 1, b"set x 1")
    LogEntry(index=1, term=1, command=b'set x 1')
    """

    index: int = field(validator=_unsigned(1))
    term: int = field(validator=_unsigned(0))
    command: bytes = field(converter=_bytes_of)


class UncheckedEntry:
    """A `LogEntry` in the making, for values that need no check since they were verified.

    It has the slots of a `LogEntry` and nothing of its checks. Filling it and then changing its
    class takes a quarter of the time of the constructor, which counts where a read makes hundreds.
    """

    __slots__ = ("command", "index", "term")

    index: int
    term: int
    command: bytes


@frozen
class PersistentState:
    """Raft's current term, and the candidate voted for in it.

    Args:
        current_term: the latest term seen.
        voted_for: the candidate's name, "" for none.

    Raises:
        TypeError: an argument of another type.
        ValueError: a term that is negative or beyond 64 bits.

    >>> PersistentState(3, "node-a").voted_for
    'node-a'
    """

    current_term: int = field(validator=_unsigned(0))
    voted_for: str = field(validator=_instance(str), default="")


@frozen
class SnapshotMetadata:
    """Which log entries a snapshot stands for: all up to one index.

    Args:
        last_included_index: that index.
        last_included_term: the term of the entry there.

    Raises:
        TypeError: an argument of another type.
        ValueError: a number that is negative or beyond 64 bits.

    >>> SnapshotMetadata(10, 2)
    SnapshotMetadata(last_included_index=10, last_included_term=2)
    """

    last_included_index: int = field(validator=_unsigned(0))
    last_included_term: int = field(validator=_unsigned(0))


@frozen(kw_only=True)
class LogBounds:
    """The log's extent, taken at one moment.

    An empty log has ``first_index == last_index + 1`` and the term of the entry just before it.

    Attributes:
        first_index: of the first entry.
        last_index: of the last entry.
        last_term: term of the last entry.

    >>> LogBounds(first_index=5, last_index=9, last_term=2).entry_count
    5
    """

    first_index: int
    last_index: int
    last_term: int

    @property
    def entry_count(self) -> int:
        """How many entries the log holds."""
        return self.last_index - self.first_index + 1
