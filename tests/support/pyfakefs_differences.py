"""Where pyfakefs answers otherwise than Linux: the list of docs/pyfakefs.md, as values.

Each difference has the smallest program that shows it, and says which answers it excuses. None of
them is copied by the simulated filesystem, which is held to Linux.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import frozen
from live_calls import Answer, Call, call

from wavetank.engine import OpenFlag

__all__ = ["DIFFERENCES", "VERSION", "Answered", "Difference"]

VERSION: Final = "6.3.2"
"""Of pyfakefs, in which all of these were seen."""

_CREATE: Final = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE

# The answers that errors give.
_EXISTS: Final = ("FileExistsError", errno.EEXIST)
_INVALID: Final = ("OSError", errno.EINVAL)
_IS_DIRECTORY: Final = ("IsADirectoryError", errno.EISDIR)
_MISSING: Final = ("FileNotFoundError", errno.ENOENT)
_NO_SPACE: Final = ("OSError", errno.ENOSPC)
_NOT_DIRECTORY: Final = ("NotADirectoryError", errno.ENOTDIR)
_NOT_EMPTY: Final = ("OSError", errno.ENOTEMPTY)
_NOT_PERMITTED: Final = ("PermissionError", errno.EPERM)


@frozen(kw_only=True)
class Answered:
    """A call with what both sides said to it.

    Attributes:
        call: what was called.
        linux: the answer of the operating system.
        pyfakefs: the answer of pyfakefs.
        resized: whether the call changed a file that was there before on the operating system.
    """

    call: Call
    linux: Answer
    pyfakefs: Answer
    resized: bool = False


_Excuse: TypeAlias = Callable[[Answered], bool]


@frozen(kw_only=True)
class Difference:
    """One way in which pyfakefs is not Linux.

    Attributes:
        name: heading in docs/pyfakefs.md.
        example: the smallest program that shows it, in its last call.
        linux: what the last call answers on Linux.
        pyfakefs: what it answers on pyfakefs.
        excuses: whether this is why an answer differs, or why later ones will.
        goes_on: whether both sides still hold the same files afterwards.
    """

    name: str
    example: tuple[Call, ...]
    linux: Answer
    pyfakefs: Answer
    excuses: _Excuse
    goes_on: bool = True


def _says(name: str, linux: Answer, *pyfakefs: Answer) -> _Excuse:
    def excuses(seen: Answered) -> bool:
        return (seen.call.name, seen.linux) == (name, linux) and seen.pyfakefs in pyfakefs

    return excuses


def _is_a_file_in_the_path(seen: Answered) -> bool:
    others = (_MISSING, _EXISTS, _NOT_PERMITTED)
    return seen.linux == _NOT_DIRECTORY and seen.pyfakefs in others


def _is_a_new_size(seen: Answered) -> bool:
    return seen.call.name in ("truncate", "preallocate", "open") and seen.resized


DIFFERENCES: Final[tuple[Difference, ...]] = (
    Difference(
        name="A truncation is undone by the next seek",
        example=(
            call("open", "a", _CREATE),
            call("append", b"abc", handle=0),
            call("truncate", 1, handle=0),
            call("pread", 9, 0, handle=0),
        ),
        linux=b"a",
        pyfakefs=b"abc",
        excuses=_is_a_new_size,
        goes_on=False,
    ),
    Difference(
        name="An empty file does not grow",
        example=(
            call("open", "a", _CREATE),
            call("truncate", 3, handle=0),
            call("pread", 9, 0, handle=0),
        ),
        linux=bytes(3),
        pyfakefs=b"",
        excuses=_is_a_new_size,
        goes_on=False,
    ),
    Difference(
        name="A read-only descriptor truncates",
        example=(
            call("open", "a", OpenFlag.READ | OpenFlag.CREATE),
            call("truncate", 0, handle=0),
        ),
        linux=_INVALID,
        pyfakefs=None,
        excuses=_says("truncate", _INVALID, None),
        goes_on=False,
    ),
    Difference(
        name="A negative size is a full disk",
        example=(call("open", "a", _CREATE), call("truncate", -1, handle=0)),
        linux=_INVALID,
        pyfakefs=_NO_SPACE,
        excuses=_says("truncate", _INVALID, _NO_SPACE),
    ),
    Difference(
        name="A file in the middle of a path",
        example=(call("open", "a", _CREATE), call("open", "a/x/y", OpenFlag.READ)),
        linux=_NOT_DIRECTORY,
        pyfakefs=_MISSING,
        excuses=_is_a_file_in_the_path,
    ),
    Difference(
        name="A link looks at the new name first",
        example=(call("mkdir", "d"), call("link", "missing", "d")),
        linux=_MISSING,
        pyfakefs=_EXISTS,
        excuses=_says("link", _MISSING, _EXISTS),
    ),
    Difference(
        name="An exclusive open of a directory",
        example=(call("mkdir", "d"), call("open", "d", _CREATE | OpenFlag.EXCLUSIVE)),
        linux=_EXISTS,
        pyfakefs=_IS_DIRECTORY,
        excuses=_says("open", _EXISTS, _IS_DIRECTORY),
    ),
    Difference(
        name="A directory renamed over a file inside it",
        example=(
            call("mkdir", "d"),
            call("open", "d/a", _CREATE),
            call("rename", "d", "d/a"),
        ),
        linux=_INVALID,
        pyfakefs=_NOT_DIRECTORY,
        excuses=_says("rename", _INVALID, _NOT_DIRECTORY),
    ),
    Difference(
        name="A file renamed over a directory that is not empty",
        example=(
            call("mkdir", "d"),
            call("mkdir", "d/e"),
            call("open", "a", _CREATE),
            call("rename", "a", "d"),
        ),
        linux=_IS_DIRECTORY,
        pyfakefs=_NOT_EMPTY,
        excuses=_says("rename", _IS_DIRECTORY, _NOT_EMPTY),
    ),
)
"""Every difference that was found in what the engine's seam can ask."""
