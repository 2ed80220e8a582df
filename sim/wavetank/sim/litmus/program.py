"""Litmus tests as values: small programs on a disk, with the states that a crash may leave.

A litmus test counts whole blocks and calls a block by one letter, so that what a disk promises can
be worked out on paper and compared with what the simulated disk does. A setup makes files durable,
a program then runs, and a power cut may come at its start, after each of its micro-ops, and after
each mark. What is left is a state: the files, and the marks made before.

Left out: reading them from a file (litmus_file.py), computing states (litmus_run.py), and tearing:
a block is on disk whole or not at all.

Source: the form follows Bornholt et al., ASPLOS'16 (Ferrite), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from attrs import frozen

__all__ = [
    "LITMUS_OPS",
    "UNWRITTEN",
    "LitmusArgument",
    "LitmusError",
    "LitmusOp",
    "LitmusResult",
    "LitmusState",
    "LitmusTest",
]

UNWRITTEN: Final = "?"
"""The letter of a block that was never written: zeros, or stale bytes of the medium."""


class LitmusError(ValueError):
    """Something is no litmus test; the message gives the place, what was expected, what came."""


class LitmusArgument(Enum):
    """What an operation of a litmus test works on; the value says it to people."""

    PATH = "a path such as 'f' or 'D/f'"
    FOLDER = "a path such as 'D', or '.'"
    INODE = "a word that names an inode"
    LETTER = "one letter or digit"
    BLOCK = "a whole number of blocks from 0 to 999"
    WORD = "a word"


LITMUS_OPS: Final[Mapping[str, tuple[LitmusArgument, ...]]] = MappingProxyType(
    {
        "create": (LitmusArgument.PATH, LitmusArgument.INODE),
        "append": (LitmusArgument.INODE, LitmusArgument.LETTER),
        "overwrite": (LitmusArgument.INODE, LitmusArgument.BLOCK, LitmusArgument.LETTER),
        "truncate": (LitmusArgument.INODE, LitmusArgument.BLOCK),
        "rename": (LitmusArgument.PATH, LitmusArgument.PATH),
        "exchange": (LitmusArgument.PATH, LitmusArgument.PATH),
        "link": (LitmusArgument.PATH, LitmusArgument.PATH),
        "unlink": (LitmusArgument.PATH,),
        "mkdir": (LitmusArgument.PATH,),
        "rmdir": (LitmusArgument.PATH,),
        "fsync": (LitmusArgument.INODE,),
        "fdatasync": (LitmusArgument.INODE,),
        "fsyncdir": (LitmusArgument.FOLDER,),
        "sync": (),
        "mark": (LitmusArgument.WORD,),
    }
)
"""The operations of a litmus test, and what each takes."""


@frozen
class LitmusOp:
    """One operation.

    Attributes:
        name: a key of `LITMUS_OPS`.
        arguments: as `LITMUS_OPS` says; a `BLOCK` is a number, everything else a word.

    Raises:
        LitmusError: there is no such operation, or it takes other arguments.
    """

    name: str
    arguments: tuple[str | int, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.name not in LITMUS_OPS:
            raise LitmusError(
                f"name: expected an operation ({', '.join(LITMUS_OPS)}), got {self.name!r}"
            )
        kinds = LITMUS_OPS[self.name]
        numbers = [kind is LitmusArgument.BLOCK for kind in kinds]
        if [isinstance(argument, int) for argument in self.arguments] != numbers:
            wanted = ", ".join(kind.value for kind in kinds) or "none"
            raise LitmusError(f"arguments of {self.name}: expected {wanted}, got {self.arguments}")

    def paths(self) -> tuple[str, ...]:
        """Return the paths among the arguments."""
        kinds = LITMUS_OPS[self.name]
        return tuple(
            str(argument)
            for kind, argument in zip(kinds, self.arguments, strict=True)
            if kind in (LitmusArgument.PATH, LitmusArgument.FOLDER)
        )


@frozen(order=True)
class LitmusState:
    """What a crash left.

    Attributes:
        marks: the marks made before it, in order.
        files: each file's path and its blocks as letters, ordered by path.

    >>> str(LitmusState.of({"g": "", "f": "ab"}, "ok"))
    'f=ab g= after ok'
    """

    marks: tuple[str, ...]
    files: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, files: Mapping[str, str], *marks: str) -> LitmusState:
        """Return the state with these files, by path, after these marks."""
        return cls(marks, tuple(sorted(files.items())))

    def __str__(self) -> str:
        files = " ".join(f"{path}={letters}" for path, letters in self.files) or "no file"
        return f"{files} after {', '.join(self.marks)}" if self.marks else files


@frozen(kw_only=True)
class LitmusTest:
    """A program, and the states that it may leave.

    Attributes:
        id: short name.
        title: what it is about.
        setup: operations whose effects are durable before the program starts.
        program: what runs until the power cut.
        states: by the name of a profile, every state that it allows, and no other.
    """

    id: str
    title: str = ""
    setup: tuple[LitmusOp, ...] = ()
    program: tuple[LitmusOp, ...]
    states: Mapping[str, frozenset[LitmusState]]

    @property
    def folders(self) -> tuple[str, ...]:
        """The directories that are durable from the start since paths name them, outer first."""
        made: set[str] = set()
        found: dict[str, None] = {}
        for op in (*self.setup, *self.program):
            for path in op.paths():
                names = path.split("/")
                inner = [] if path == "." or op.name != "fsyncdir" else [path]
                outer = ["/".join(names[:count]) for count in range(1, len(names))]
                found.update(dict.fromkeys(each for each in outer + inner if each not in made))
            if op.name in ("mkdir", "rename"):
                made.add(op.paths()[-1])
        return tuple(found)


@frozen(kw_only=True)
class LitmusResult:
    """A profile of a test, held against the simulated disk.

    Attributes:
        id: of the test.
        profile: the profile's name.
        states: how many states the simulated disk may leave.
        missing: states that the test names and the disk never leaves, in order.
        extra: states that the disk may leave and the test does not name, in order.
    """

    id: str
    profile: str
    states: int
    missing: tuple[LitmusState, ...] = ()
    extra: tuple[LitmusState, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether the two sets are the same."""
        return not self.missing and not self.extra
