"""Where in a TOML file something stands, and what is said of it if it is not as expected."""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches

from attrs import evolve, frozen

__all__ = ["Place", "nearest"]


@frozen(kw_only=True)
class Place:
    """A key of a file.

    Attributes:
        file: what messages call the file.
        key: path of the key in it; "" for the file as a whole.
        failure: makes the error of a message, a file and a key.

    >>> place = Place(file="mine.toml", failure=lambda message, file, key: ValueError(message))
    >>> place.at("steps").item(3).at("append").error("a number", "'x'")
    ValueError("mine.toml: steps[3].append: expected a number, got 'x'")
    """

    file: str
    failure: Callable[[str, str, str], Exception]
    key: str = ""

    def at(self, key: str) -> Place:
        """Return the place of a key of the table that stands here."""
        return evolve(self, key=f"{self.key}.{key}" if self.key else key)

    def item(self, number: int) -> Place:
        """Return the place of an item of the array that stands here, counted from 0."""
        return evolve(self, key=f"{self.key}[{number}]")

    def error(self, expected: str, came: str) -> Exception:
        """Return the error that something else was expected here than came."""
        where = f"{self.file}: {self.key}" if self.key else self.file
        return self.failure(f"{where}: expected {expected}, got {came}", self.file, self.key)

    def unexpected(self, expected: str, value: object) -> Exception:
        """Return the error of a value of another kind."""
        return self.error(expected, f"{value!r} ({type(value).__name__})")

    def refused(self, error: Exception) -> Exception:
        """Return the error of a value that something refuses, in its words."""
        return self.failure(f"{self.file}: {self.key}: {error.args[0]}", self.file, self.key)

    def unknown(self, what: str, name: str, known: Collection[str]) -> Exception:
        """Return the error of a name that is not known.

        Args:
            what: stands before the names: ``"one of"``.
            name: what came.
            known: every name there is.
        """
        return self.error(f"{what} {', '.join(known)}", f"{name!r}{nearest(name, known)}")


def nearest(name: str, known: Collection[str]) -> str:
    """Return ``"; nearest match: ..."``, or "" if nothing resembles `name`.

    >>> nearest("posiks", ["sequential", "posix"])
    '; nearest match: posix'
    """
    matches = get_close_matches(name, known, n=1, cutoff=0.3)
    return f"; nearest match: {matches[0]}" if matches else ""
