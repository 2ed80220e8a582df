"""`wavetank litmus`, once its options are known: read the tests, compare every set, show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from wavetank.reports._choices import UnknownChoiceError
from wavetank.reports._version import version
from wavetank.reports.documents import litmus_document, to_text
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.profile_files import choose_profiles
from wavetank.sim import (
    PROFILES,
    LitmusError,
    LitmusResult,
    LitmusState,
    LitmusTest,
    Profile,
    hold_litmus,
    read_litmus,
    shipped_litmus,
)

__all__ = ["execute", "read_tests"]

_SHOWN_STATES: Final = 20
"""States listed of one difference; the others are counted."""


def execute(file: Path | None, profiles: Sequence[str], *, as_json: bool) -> ExitCode:
    """Compare every set that is asked for, show the answer, and return what to exit with.

    Args:
        file: the tests; None for those that ship.
        profiles: names and files; all that ship if empty, or where one is ``all``.
        as_json: whether one JSON document is wanted.

    Raises:
        UnknownChoiceError: a profile does not exist, or no test names it.
        ProfileFileError: a file holds no profile.
        click.UsageError: the file cannot be read, or is no litmus file.
    """
    chosen = choose_profiles(profiles or ["all"], everything=PROFILES)
    asked = [each.profile for each in chosen]
    source = "the tests that ship" if file is None else str(file)
    tests = read_tests(file, own=[each.profile for each in chosen if each.file])
    try:
        results = _results(tests, asked)
    except LitmusError as error:
        raise click.UsageError(f"{source}: {error}") from error
    if not results:
        named = sorted({name for test in tests for name in test.states}) or ["no profile"]
        raise UnknownChoiceError(
            f"profile: expected one for which {source} names states ({', '.join(named)}), "
            f"got {', '.join(profile.name for profile in asked)}"
        )
    if as_json:
        click.echo(to_text(litmus_document(results, version())))
    else:
        click.echo(f"wavetank {version()}, litmus, {source}\n\n{_render(tests, results)}")
    return ExitCode.OK if all(result.equal for result in results) else ExitCode.VIOLATION


def read_tests(file: Path | None, *, own: Iterable[Profile] = ()) -> tuple[LitmusTest, ...]:
    """Return the tests in a file.

    Args:
        file: the file; None for the tests that ship.
        own: profiles of one's own, for which the file may name states too.

    Raises:
        click.UsageError: the file cannot be read, or is no litmus file.
    """
    if file is None:
        return shipped_litmus()
    try:
        return read_litmus(file.read_text(encoding="utf-8"), profiles=(*PROFILES, *own))
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file}: expected a readable file, got: {error}") from error
    except LitmusError as error:
        raise click.UsageError(f"{file}: {error}") from error


def _results(tests: Sequence[LitmusTest], asked: Sequence[Profile]) -> list[LitmusResult]:
    ordered = [each for each in PROFILES if each in asked]
    ordered += [each for each in asked if each not in PROFILES]
    return [
        hold_litmus(test, profile)
        for test in tests
        for profile in ordered
        if profile.name in test.states
    ]


def _render(tests: Sequence[LitmusTest], results: Sequence[LitmusResult]) -> str:
    by_test = {test.id: [result for result in results if result.id == test.id] for test in tests}
    width = max(len(test.id) for test in tests)
    title_width = max(len(test.title) for test in tests)
    blocks = [
        "\n".join(
            f"{test.id:<{width}}  {test.title:<{title_width}}  {_told(by_test[test.id])}"
            for test in tests
            if by_test[test.id]
        )
    ]
    different = [result for result in results if not result.equal]
    blocks += ["\n".join(_difference(result)) for result in different]
    sets = f"{_count(len(results), 'set')} of {_count(sum(map(bool, by_test.values())), 'test')}"
    blocks.append(f"{sets}: {f'{len(different)} differ' if different else 'all equal'}")
    return "\n\n".join(blocks)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _told(results: Sequence[LitmusResult]) -> str:
    different = [result.profile for result in results if not result.equal]
    equal = f"{len(results) - len(different)} of {len(results)} equal"
    return f"{equal}, different: {', '.join(different)}" if different else equal


def _difference(result: LitmusResult) -> Iterator[str]:
    yield f"{result.id} under {result.profile}:"
    yield from _list("missing", "named, and the disk never leaves", result.missing)
    yield from _list("extra", "not named, and the disk may leave", result.extra)


def _list(word: str, meaning: str, states: Sequence[LitmusState]) -> Iterator[str]:
    if not states:
        return
    yield f"  {word} ({meaning} {'it' if len(states) == 1 else 'them'}):"
    yield from (f"    {state}" for state in states[:_SHOWN_STATES])
    if len(states) > _SHOWN_STATES:
        yield f"    and {len(states) - _SHOWN_STATES} more"
