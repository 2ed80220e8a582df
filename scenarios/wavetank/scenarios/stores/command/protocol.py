"""The lines between the suite and a driver: what is written for each call, and what answers mean.

A request is a line of words, an answer is a line of words; numbers are decimal, bytes are
hexadecimal, and ``-`` stands for no bytes. So a driver in C needs `strtok` and no library.
docs/driver-protocol.md is the page for authors of drivers; here is all that this side knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from attrs import frozen

from wavetank.engine import (
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    EntryConflictError,
    EntryNotFoundError,
    IndexOutOfRangeError,
    LogEntry,
    NonContiguousEntriesError,
    NoSnapshotError,
    PersistentState,
    SnapshotMetadata,
    SnapshotOutOfDateError,
    StateRegressionError,
    StorageError,
    StorageIOError,
    StorageLockedError,
)
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.scenarios.stores.command.errors import DriverAnswerError

__all__ = [
    "DRIVER_CAPABILITIES",
    "PROTOCOL_VERSION",
    "Answer",
    "bytes_of",
    "capabilities_in",
    "entry_words",
    "error_of",
    "word_of",
]

_Value = TypeVar("_Value")

PROTOCOL_VERSION: Final = 1

_NO_BYTES: Final = "-"
_SHOWN: Final = 120

_NOT_OVER_A_WIRE: Final = frozenset(
    {
        # One request at a time, to a process with files and threads of its own.
        Capability.SITE_FILESYSTEM,
        Capability.SITE_RUNTIME,
        Capability.THREAD_SAFE,
        Capability.LOCK_TIMEOUTS,
        Capability.TYPED_ERRORS,
        Capability.BACKGROUND_COMPACTION,
    }
)


def word_of(capability: Capability) -> str:
    """Return the word by which a driver declares a capability.

    >>> word_of(Capability.TRUNCATE_SUFFIX)
    'truncate-suffix'
    """
    return capability.value.replace(" ", "-")


DRIVER_CAPABILITIES: Final = MappingProxyType(
    {word_of(each): each for each in Capability if each not in _NOT_OVER_A_WIRE}
)
"""What a driver may declare, by its word."""

_ERRORS: Final[Mapping[str, tuple[type[StorageError], Mapping[str, type[StorageError]]]]] = (
    MappingProxyType(
        {
            "not-found": (EntryNotFoundError, {"load-snapshot": NoSnapshotError}),
            "out-of-range": (IndexOutOfRangeError, {}),
            "refused": (
                EntryConflictError,
                {
                    "append": NonContiguousEntriesError,
                    "save-state": StateRegressionError,
                    "save-snapshot": SnapshotOutOfDateError,
                },
            ),
            "damaged": (
                CorruptedLogError,
                {"load-state": CorruptedStateError, "load-snapshot": CorruptedSnapshotError},
            ),
            "in-use": (StorageLockedError, {}),
            "io": (StorageIOError, {}),
        }
    )
)
"""What may stand behind ``error``: the error that it means, and others for single requests."""


def bytes_of(content: bytes) -> str:
    """Return the word for some bytes.

    >>> bytes_of(b"hi"), bytes_of(b"")
    ('6869', '-')
    """
    return content.hex() or _NO_BYTES


def entry_words(entries: Iterable[LogEntry]) -> str:
    """Return the words for entries: three for each.

    >>> entry_words([LogEntry(1, 2, b"hi"), LogEntry(2, 2, b"")])
    '1 2 6869 2 2 -'
    """
    return " ".join(f"{each.index} {each.term} {bytes_of(each.command)}" for each in entries)


def error_of(request: str, line: str) -> StorageError:
    """Return the error that an answer ``error WORD TEXT`` stands for.

    Args:
        request: the first word of what was asked.
        line: the answer, without its line end.

    Raises:
        DriverAnswerError: the word is unknown.

    >>> error_of("load-snapshot", "error not-found no snapshot yet")
    NoSnapshotError('no snapshot yet')
    """
    word, _, text = line.removeprefix("error ").partition(" ")
    if word not in _ERRORS:
        raise _unexpected(request, f"'error' and one of {', '.join(_ERRORS)}", line)
    kind, by_request = _ERRORS[word]
    return by_request.get(request, kind)(text or f"the driver answered {word!r}")


@frozen
class Answer:
    """The words behind ``ok``, and how they are read; each reader raises `DriverAnswerError`.

    Attributes:
        request: the first word of what was asked.
        words: what came behind ``ok``.

    >>> Answer.of("bounds", "ok 1 0").numbers(2)
    [1, 0]
    """

    request: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, request: str, line: str) -> Answer:
        """Return what a line says.

        Raises:
            StorageError: the one that it stands for.
            DriverAnswerError: it begins with another word than ``ok`` and ``error``.
        """
        first, *words = line.split(" ")
        if first == "error":
            raise error_of(request, line)
        if first != "ok":
            raise _unexpected(request, "a line that begins with 'ok' or 'error'", line)
        return cls(request, tuple(words))

    def nothing(self) -> None:
        """Require that nothing stands behind ``ok``."""
        self._require(not self.words, "'ok' alone")

    def numbers(self, count: int) -> list[int]:
        """Return all words as decimal numbers."""
        self._require(len(self.words) == count, f"'ok' and {count} decimal numbers")
        return [self._number(word) for word in self.words]

    def entries(self) -> tuple[LogEntry, ...]:
        """Return all words as entries."""
        words = self.words
        self._require(len(words) % 3 == 0, "'ok' and three words for each entry")
        return tuple(
            self._value(LogEntry, self._number(index), self._number(term), self._bytes(command))
            for index, term, command in zip(words[::3], words[1::3], words[2::3], strict=True)
        )

    def state(self) -> PersistentState:
        """Return a term and a vote."""
        self._require(len(self.words) == 2, "'ok', a term and a vote")  # noqa: PLR2004 - these
        term, vote = self.words
        try:
            name = self._bytes(vote).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _unexpected(self.request, "a vote in UTF-8", vote) from error
        return self._value(PersistentState, self._number(term), name)

    def snapshot(self) -> tuple[SnapshotMetadata, bytes]:
        """Return index, term and content of a snapshot."""
        self._require(len(self.words) == 3, "'ok', index, term and content")  # noqa: PLR2004 - these
        index, term, content = self.words
        place = self._value(SnapshotMetadata, self._number(index), self._number(term))
        return place, self._bytes(content)

    def _number(self, word: str) -> int:
        self._require(word.isascii() and word.isdecimal(), "decimal numbers")
        return int(word)

    def _bytes(self, word: str) -> bytes:
        try:
            return b"" if word == _NO_BYTES else bytes.fromhex(word)
        except ValueError as error:
            raise _unexpected(
                self.request, "bytes in hexadecimal, or '-' for none", word
            ) from error

    def _value(self, kind: Callable[..., _Value], *fields: object) -> _Value:
        try:
            return kind(*fields)
        except ValueError as error:
            raise _unexpected(self.request, str(error), " ".join(self.words)) from error

    def _require(self, holds: bool, wanted: str) -> None:  # noqa: FBT001 - the claim itself
        if not holds:
            raise _unexpected(self.request, wanted, " ".join(("ok", *self.words)))


def capabilities_in(line: str) -> frozenset[Capability]:
    """Return what the first line of a driver declares: ``ready 1 votes durable-appends``.

    Raises:
        StorageError: the one that it stands for, if it begins with ``error``.
        DriverAnswerError: it is no such line, of another version, or has an unknown word.

    >>> [each.name for each in capabilities_in("ready 1 votes")]
    ['VOTES']
    """
    if line.startswith("error "):
        raise error_of("open", line)
    ready, version, *words = [*line.split(" "), ""]
    if ready != "ready" or version != str(PROTOCOL_VERSION):
        raise _unexpected("start", f"'ready {PROTOCOL_VERSION}' and its capabilities", line)
    words.remove("")
    for word in words:
        if word not in DRIVER_CAPABILITIES:
            raise _unexpected(
                "start", f"capabilities out of {', '.join(DRIVER_CAPABILITIES)}", word
            )
    return frozenset(DRIVER_CAPABILITIES[word] for word in words)


def _unexpected(request: str, wanted: str, came: str) -> DriverAnswerError:
    shown = came if len(came) <= _SHOWN else f"{came[:_SHOWN]}..."
    return DriverAnswerError(f"{request}: expected {wanted} but the driver wrote {shown!r}")
