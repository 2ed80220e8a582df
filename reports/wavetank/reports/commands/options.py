"""Options that several commands have, and option values that are not plain numbers."""

from __future__ import annotations

import os  # noqa: TID251 - the default number of workers is a fact about the machine
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

import click

from wavetank.reports.arguments.choices import nearest

__all__ = [
    "FIXPOINT",
    "available_workers",
    "crash_depth",
    "duration",
    "format_option",
    "image_limit",
    "profile_option",
    "report_option",
    "seed_range",
    "worker_count",
    "workers_option",
]

_SECONDS: Final = MappingProxyType({"s": 1.0, "m": 60.0, "h": 3600.0})

FIXPOINT: Final = -1
"""The depth that goes on until no new image comes."""


def available_workers() -> int:
    """Return how many processors this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def seed_range(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> range | None:
    """Return the half-open range of seeds written A:B; a callback of click.

    Raises:
        click.BadParameter: it is no such range.
    """
    if value is None:
        return None
    first, colon, end = value.partition(":")
    if not colon or not (_is_whole(first) and _is_whole(end)) or int(first) >= int(end):
        message = f"expected A:B with 0 <= A < B, such as 0:10, got {value!r}"
        raise click.BadParameter(message, context, parameter)
    return range(int(first), int(end))


def image_limit(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> int | None:
    """Return the number of images written N, 0 for the word all; a callback of click.

    Raises:
        click.BadParameter: it is neither.
    """
    if value is None:
        return None
    if value == "all":
        return 0
    return _positive(context, parameter, value, "all")


def crash_depth(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> int | None:
    """Return the depth written N, `FIXPOINT` for that word; a callback of click.

    Raises:
        click.BadParameter: it is neither.
    """
    if value is None:
        return None
    if value == "fixpoint":
        return FIXPOINT
    if not _is_whole(value):
        message = f"expected a whole number >= 0 or fixpoint, got {value!r}"
        raise click.BadParameter(message, context, parameter)
    return int(value)


def worker_count(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> int | None:
    """Return the number of processes written N or auto; a callback of click.

    Raises:
        click.BadParameter: it is neither.
    """
    if value is None:
        return None
    if value == "auto":
        return available_workers()
    return _positive(context, parameter, value, "auto")


def duration(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return the seconds of a time written 60s, 15m or 8h; a callback of click.

    Raises:
        click.BadParameter: it is no such time.
    """
    if value is None:
        return None
    number, unit = value[:-1], value[-1:]
    if unit not in _SECONDS or not _is_whole(number) or int(number) < 1:
        message = f"expected a time such as 60s, 15m or 8h, got {value!r}"
        raise click.BadParameter(message, context, parameter)
    return int(number) * _SECONDS[unit]


def _positive(context: click.Context, parameter: click.Parameter, value: str, word: str) -> int:
    if not _is_whole(value) or int(value) < 1:
        message = f"expected a whole number >= 1 or {word}, got {value!r}"
        raise click.BadParameter(message, context, parameter)
    return int(value)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal()


_Command = TypeVar("_Command", bound=Callable[..., object])


def workers_option(command: _Command) -> _Command:
    """Let a command be told how many processes work."""
    return click.option(
        "--workers",
        default="auto",
        show_default=True,
        metavar="N|auto",
        callback=worker_count,
        help="Processes; auto is one per processor.",
    )(command)


def format_option(command: _Command) -> _Command:
    """Let a command answer with text for people, or a document for machines."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="json prints one document on stdout.",
    )(command)


def profile_option(
    text: str, *, name: str = "profile", default: Sequence[str] | None = None
) -> Callable[[_Command], _Command]:
    """Let a command be told under which profiles crashes happen, each by its name or its file.

    Args:
        text: what it says of itself.
        name: of the argument that the command gets, a tuple of texts.
        default: what is shown, and taken, where none is named; None: none, and `text` tells it.
    """
    return click.option(
        "--profile",
        "--profiles",
        name,
        multiple=True,
        default=default,
        show_default=default is not None,
        metavar="NAME|FILE",
        help=text,
    )


def report_option(*kinds: str) -> Callable[[_Command], _Command]:
    """Let a command write reports to files; it gets `reports`, a mapping of kinds to paths.

    Args:
        kinds: that the command can write, such as ``html``.
    """
    each = ",".join(f"{kind}=FILE" for kind in kinds)

    def read(
        context: click.Context, parameter: click.Parameter, values: Sequence[str]
    ) -> Mapping[str, Path]:
        try:
            return _report_files(values, kinds)
        except ValueError as error:
            raise click.BadParameter(str(error), context, parameter) from error

    return click.option(
        "--report",
        "reports",
        multiple=True,
        metavar=each,
        callback=read,
        help="Write reports to files, replacing what is there; may be repeated.",
    )


def _report_files(values: Sequence[str], kinds: Sequence[str]) -> Mapping[str, Path]:
    """Return the files by kind, each of which can be made where it is to be.

    Raises:
        ValueError: a kind that does not exist or was given already, or a place for no file.
    """
    files: dict[str, Path] = {}
    for word in (word for value in values for word in value.split(",")):
        kind, equals, name = word.partition("=")
        if not equals or not name:
            raise ValueError(f"expected KIND=FILE, such as {kinds[0]}=FILE, got {word!r}")
        if kind not in kinds:
            expected = " or ".join(kinds)
            raise ValueError(f"expected the kind {expected}, got {kind!r}{nearest(kind, kinds)}")
        if kind in files:
            raise ValueError(f"expected one file for {kind}, got {str(files[kind])!r} and {name!r}")
        files[kind] = _new_file(Path(name), files)
    return MappingProxyType(files)


def _new_file(path: Path, others: Mapping[str, Path]) -> Path:
    if not path.parent.is_dir():
        raise ValueError(f"expected a file in a directory that exists, got {str(path)!r}")
    if path.is_dir():
        raise ValueError(f"expected a file, got the directory {str(path)!r}")
    if path in others.values():
        raise ValueError(f"expected a file of its own for each kind, got {str(path)!r} twice")
    return path
