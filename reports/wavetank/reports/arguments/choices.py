"""Names that a person typed, turned into names that exist, or an error with the nearest one."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from wavetank.scenarios import StoreAdapter

__all__ = [
    "UnknownChoiceError",
    "choose",
    "choose_all",
    "choose_store",
    "import_from_here",
    "nearest",
]

_PATTERN_MARKS: Final = frozenset("*?[")


class UnknownChoiceError(click.UsageError):
    """A name that does not exist, or a pattern that matches nothing; exits with 2."""


def choose(what: str, name: str, known: Collection[str]) -> str:
    """Return `name` if it is known.

    Args:
        what: what kind of thing is chosen, for the message.
        name: what was typed.
        known: every name there is.

    Raises:
        UnknownChoiceError: it is not known; the message names the nearest.

    >>> choose("profile", "posix", ["sequential", "posix"])
    'posix'
    """
    if name not in known:
        raise UnknownChoiceError(
            f"{what}: expected one of {', '.join(known)}, got {name!r}{nearest(name, known)}"
        )
    return name


def choose_all(what: str, patterns: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return the known names that names and shell patterns select, each once.

    Names come in the order in which they were asked for, a pattern's matches in the order of
    `known`.

    Raises:
        UnknownChoiceError: a name is not known, or a pattern matches nothing.

    >>> choose_all("scenario", ["mixed", "log-*"], ["log-conflict", "mixed"])
    ('mixed', 'log-conflict')
    """
    chosen: dict[str, None] = {}
    for pattern in patterns:
        if pattern in known or not _PATTERN_MARKS & set(pattern):
            chosen[choose(what, pattern, known)] = None
            continue
        matches = [name for name in known if fnmatchcase(name, pattern)]
        if not matches:
            raise UnknownChoiceError(
                f"{what}: expected a pattern that matches one of {', '.join(known)}, "
                f"got {pattern!r}{nearest(pattern.strip('*?'), known)}"
            )
        chosen.update(dict.fromkeys(matches))
    return tuple(chosen)


def import_from_here() -> None:
    """Let a store that lies in the working directory be found without installation."""
    here = str(Path.cwd())
    if here not in sys.path:
        # As with `python -m`. Worker processes are given this path, too.
        sys.path.insert(0, here)


def choose_store(name: str) -> StoreAdapter:
    """Return the store of that name, which may lie in the working directory.

    Raises:
        UnknownChoiceError: there is none, or what has that name is no store.
    """
    from wavetank.scenarios import StoreNotFoundError, find_store  # noqa: PLC0415 - heavy

    import_from_here()
    try:
        return find_store(name)
    except (StoreNotFoundError, TypeError) as error:
        raise UnknownChoiceError(str(error)) from error


def nearest(name: str, known: Collection[str]) -> str:
    """Return ``"; nearest match: ..."``, or "" if nothing resembles `name`.

    >>> nearest("posiks", ["sequential", "posix"])
    '; nearest match: posix'
    """
    matches = get_close_matches(name, known, n=1, cutoff=0.3)
    return f"; nearest match: {matches[0]}" if matches else ""
