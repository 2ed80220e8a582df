"""What checks are made of: entries to give, and answers to require."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from wavetank.engine import LogEntry, Storage
from wavetank.scenarios.stores.completed_store import MissingMethodError

__all__ = ["CheckFailure", "CheckSkipped", "entries", "expect", "expect_log", "refused", "require"]


class CheckFailure(AssertionError):  # noqa: N818 - a failed assertion, as test runners know them
    """A store does not do what a check asks."""


class CheckSkipped(Exception):  # noqa: N818 - not an error: there is nothing to ask
    """A check has nothing to ask of this store; the text says why."""


def entries(first: int, count: int, *, term: int = 1, size_bytes: int = 0) -> tuple[LogEntry, ...]:
    """Return entries with contiguous indices, each with a command of its own.

    Args:
        first: index of the first.
        count: how many.
        term: of all of them.
        size_bytes: length of each command; as short as can be if 0.
    """
    return tuple(
        LogEntry(index, term, f"{term}/{index}:".encode().ljust(size_bytes, b"%x" % (index % 16)))
        for index in range(first, first + count)
    )


def expect(came: object, wanted: object, what: str) -> None:
    """Require that two values are equal.

    Raises:
        CheckFailure: they are not.
    """
    if came != wanted:
        raise CheckFailure(f"{what}: expected {_short(wanted)} but got {_short(came)}")


def require(holds: bool, what: str) -> None:  # noqa: FBT001 - the claim itself
    """Require that something is so.

    Raises:
        CheckFailure: it is not; the text says what was expected.
    """
    if not holds:
        raise CheckFailure(f"expected {what}")


def expect_log(store: Storage, wanted: Sequence[LogEntry], first: int = 1) -> None:
    """Require that a store shows exactly these entries, by its bounds and by a read.

    Raises:
        CheckFailure: it does not.
    """
    last = first + len(wanted) - 1
    expect((store.first_log_index, store.last_log_index), (first, last), "the log's bounds")
    if wanted:
        expect(tuple(store.get_log_entries(first, last + 1)), tuple(wanted), "the log")


def refused(act: Callable[[], object], what: str) -> Exception:
    """Require that a call is refused, and return the error.

    Raises:
        CheckFailure: it is not.
    """
    try:
        act()
    except MissingMethodError:
        raise
    except Exception as error:  # noqa: BLE001 - a store refuses with whatever errors it has
        return error
    raise CheckFailure(f"{what}: expected an error but it was taken")


def _short(value: object) -> str:
    if isinstance(value, tuple) and value and isinstance(value[0], LogEntry):
        return _indices(value)
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."  # noqa: PLR2004 - a line's worth


def _indices(found: Iterable[LogEntry]) -> str:
    told = ", ".join(
        f"{entry.index} of term {entry.term} ({len(entry.command)} bytes)" for entry in found
    )
    return f"entries {told}"
