"""A use of other people's code: what it does, and what it promises.

A check is content with an empty directory as long as nothing was acknowledged.
"""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

__all__ = ["VERSIONS", "Acknowledge", "Case", "collecting", "load", "replacing", "text_of"]

Acknowledge = Callable[[object], None]
VERSIONS: Final = ("one", "two", "three")


@frozen
class Case:
    """A use of a package.

    Attributes:
        workload: uses it, and acknowledges what has been promised.
        check: opens what a crash left.
        package: its name in the registry; "" for Python itself.
        imported_before: a module that must be imported before the test, or "".
    """

    workload: Callable[[str, Acknowledge], object]
    check: Callable[[str, list[object]], str | None]
    package: str = ""
    imported_before: str = field(default="", kw_only=True)


def load(name: str) -> Any:  # noqa: ANN401 - other people's modules have no types
    return import_module(name)


def replacing(
    write: Callable[[str, str], object],
    read: Callable[[str], object] = lambda directory: text_of(f"{directory}/file"),
    *,
    package: str = "",
) -> Case:
    """Return the case of one value that is written three times: the newest acknowledged counts."""

    def workload(directory: str, ack: Acknowledge) -> None:
        for version in VERSIONS:
            write(directory, version)
            ack(version)

    def check(directory: str, acked: list[object]) -> str | None:
        found = read(directory)
        if found is None:
            return "nothing is there" if acked else None
        if found not in VERSIONS:
            return f"damaged: {found!r}"
        newest = VERSIONS.index(str(acked[-1])) if acked else 0
        return f"an old value: {found!r}" if VERSIONS.index(str(found)) < newest else None

    return Case(workload, check, package)


def collecting(
    workload: Callable[[str, Acknowledge], object],
    read: Callable[[str], object],
    *,
    made: str,
    package: str = "",
) -> Case:
    """Return the case of things that are added: each that was acknowledged must be there.

    Args:
        workload: adds `VERSIONS`, and acknowledges each.
        read: returns what is there.
        made: a file or directory without which there is nothing to open.
        package: its name in the registry.
    """

    def check(directory: str, acked: list[object]) -> str | None:
        if not os.path.exists(f"{directory}/{made}"):
            return "nothing is there" if acked else None
        found = read(directory)
        assert isinstance(found, (list, set))
        missing = [each for each in acked if each not in found]
        return f"missing: {missing}" if missing else None

    return Case(workload, check, package)


def text_of(path: str) -> str | None:
    return Path(path).read_text() if os.path.exists(path) else None
