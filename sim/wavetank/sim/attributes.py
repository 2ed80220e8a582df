"""Mode, owner, times and extended attributes of an inode, and whether anybody has looked at them.

Most code never looks at them. `AttributeReads` belongs to a disk and to all images that derive from
it, and remembers which kinds have been looked at; until then they tell no two images apart, and the
ops that change them are lost where they may be, but are not tried one by one (crashes/pending.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import Protocol, Self

from attrs import evolve, frozen

__all__ = ["AttributeKind", "AttributeReads", "Attributes", "Flags"]


class Flags(Protocol):
    """Small numbers in a row, all 0 at first."""

    def __getitem__(self, place: int, /) -> int: ...

    def __setitem__(self, place: int, value: int, /) -> None: ...


class AttributeKind(IntEnum):
    """What an inode has besides its content."""

    MODE = 0
    OWNER = 1
    TIMES = 2
    EXTENDED = 3


@frozen(kw_only=True)
class Attributes:
    """Attributes of an inode, or a change of some of them; None for what nobody has set.

    Attributes:
        mode: permission bits.
        owner: numbers of user and group.
        accessed_ns: when it was used, in nanoseconds since 1970.
        modified_ns: when it was changed.
        extended: extended attributes by name, sorted; None for one that a change removes.

    >>> Attributes(mode=0o644).changed_by(Attributes(modified_ns=7)).mode
    420
    """

    mode: int | None = None
    owner: tuple[int, int] | None = None
    accessed_ns: int | None = None
    modified_ns: int | None = None
    extended: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def kinds(self) -> tuple[AttributeKind, ...]:
        """Which kinds are set."""
        times = self.accessed_ns is not None or self.modified_ns is not None
        are_set = (self.mode is not None, self.owner is not None, times, bool(self.extended))
        return tuple(kind for kind in AttributeKind if are_set[kind])

    def of_kind(self, kind: AttributeKind) -> Hashable:
        """Return what is set of one kind."""
        times = (self.accessed_ns, self.modified_ns)
        return (self.mode, self.owner, times, self.extended)[kind]

    def changed_by(self, change: Attributes) -> Attributes:
        """Return what these become by a change."""
        extended = {**dict(self.extended), **dict(change.extended)}
        return Attributes(
            mode=self.mode if change.mode is None else change.mode,
            owner=self.owner if change.owner is None else change.owner,
            accessed_ns=self.accessed_ns if change.accessed_ns is None else change.accessed_ns,
            modified_ns=self.modified_ns if change.modified_ns is None else change.modified_ns,
            extended=tuple(sorted(extended.items())),
        )

    def without_removed(self) -> Attributes:
        """Return these without the extended attributes that were removed."""
        return evolve(self, extended=tuple(each for each in self.extended if each[1] is not None))


class AttributeReads:
    """Which kinds of attributes have been looked at.

    Args:
        seen: kinds that have been looked at already.
        memory: makes flags of a length; those of several processes may be one.

    >>> reads = AttributeReads()
    >>> reads.note(AttributeKind.MODE)
    >>> reads.shown(Attributes(mode=0o600, modified_ns=3))
    (384,)
    """

    __slots__ = ("_flags", "_memory")

    def __init__(
        self, seen: tuple[AttributeKind, ...] = (), memory: Callable[[int], Flags] = bytearray
    ) -> None:
        self._memory = memory
        self._flags = memory(len(AttributeKind))
        for kind in seen:
            self.note(kind)

    def __reduce__(
        self,
    ) -> tuple[type[Self], tuple[tuple[AttributeKind, ...], Callable[[int], Flags]]]:
        return type(self), (self.seen, self._memory)

    @property
    def seen(self) -> tuple[AttributeKind, ...]:
        """The kinds that have been looked at."""
        return tuple(kind for kind in AttributeKind if self._flags[kind])

    def note(self, kind: AttributeKind) -> None:
        """Remember that somebody has looked at attributes of a kind."""
        self._flags[kind] = 1

    def has_seen(self, kind: AttributeKind) -> bool:
        """Whether somebody has looked at attributes of a kind."""
        return bool(self._flags[kind])

    def shown(self, attributes: Attributes) -> tuple[Hashable, ...]:
        """Return what is set of the kinds that have been looked at."""
        return tuple(attributes.of_kind(kind) for kind in self.seen)

    def shows(self, change: Attributes) -> bool:
        """Whether a change is of a kind that has been looked at."""
        return any(self._flags[kind] for kind in change.kinds)
