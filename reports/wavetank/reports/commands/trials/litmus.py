"""`wavetank litmus`: compare the simulated disk, or a real filesystem, with litmus tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.arguments.choices import UnknownChoiceError
from wavetank.reports.commands.options import format_option, profile_option
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.tables import table

if TYPE_CHECKING:
    from wavetank.reports.kernel.experiment import RealPlan
    from wavetank.reports.kernel.machine import RealFilesystem
    from wavetank.reports.kernel.results import ForbiddenState, RealOutcome, RealResult
    from wavetank.sim import LitmusResult, LitmusState, LitmusTest, Profile

__all__ = ["litmus_command", "render_real"]

_HELP: Final = """Compare the simulated disk with litmus tests.

A litmus test is a small program and, for each profile, the exact set of states that a crash of it
may leave. The command computes each set from the rules of the profile. Exits with 1 if a set
differs, and lists the states that are missing (named by the test, never left by the simulated disk)
or extra (left by it, not named).

With --real, the programs run on a real filesystem over a device that loses unflushed writes, and
every state seen must be in the set. This needs root, FUSE, loop devices, mkfs and mfusepy; if one
is missing, the command names it and runs nothing.

\b
  ext4          mounted as by default, against the profile ext4
  ext4-ordered  mounted with dioread_lock, against the profiles ext4-ordered
                and ext4-observed. Both promise that a size waits for its
                data; since Linux 5.6 ext4 keeps that only with this option.
  xfs, btrfs    against the profiles of these names

\b
Examples:
  wavetank litmus
  wavetank litmus --file mine.json --profile ext4 --profile posix
  wavetank litmus --profile mine.toml --file mine.json
  wavetank litmus --real xfs --real btrfs
  wavetank litmus --real ext4 --profile ext4-ordered
"""

_REAL: Final = ("ext4", "ext4-ordered", "xfs", "btrfs")
_ONLY_REAL: Final = ("mount_option", "runs", "images", "seed")
_SHOWN_STATES: Final = 20
"""States of one difference that are listed; the others are counted."""


@click.command("litmus", help=_HELP)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read litmus tests from this JSON file.  [default: the tests that ship]",
)
@profile_option(
    "Compare only the sets of this profile, by its name or its TOML file; may be repeated. "
    "With --real: the profile to compare with.  [default: every profile that a test names]",
)
@click.option(
    "--real",
    multiple=True,
    type=click.Choice(_REAL),
    help="Run the programs on this filesystem; may be repeated.",
)
@click.option(
    "--mount-option",
    multiple=True,
    metavar="OPTION",
    help="With --real: an additional mount option; may be repeated.",
)
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="With --real: runs of each program.",
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="With --real: crash images to read between two flushes.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="With --real: seed of the writeback triggers and of the choice of images.",
)
@format_option
@click.pass_context
def litmus_command(
    context: click.Context,
    *,
    file: Path | None,
    profile: tuple[str, ...],
    real: tuple[str, ...],
    mount_option: tuple[str, ...],
    runs: int,
    images: int,
    seed: int,
    output_format: str,
) -> None:
    _refuse_real_options(context, real=bool(real))
    from wavetank.reports.arguments.profile_files import choose_profiles
    from wavetank.sim import PROFILES, ProfileFileError

    try:
        chosen = choose_profiles(profile or ([] if real else ["all"]), everything=PROFILES)
    except ProfileFileError as error:
        raise click.UsageError(str(error)) from error
    profiles = tuple(each.profile for each in chosen)
    tests = _read_tests(file, own=[each.profile for each in chosen if each.file])
    source = "the tests that ship" if file is None else str(file)
    as_json = output_format == "json"
    if not real:
        context.exit(_compare_simulated(tests, profiles, source, as_json=as_json))
    from wavetank.reports.kernel.experiment import RealPlan

    plan = RealPlan(tests=tests, runs=runs, most_images=images, seed=seed)
    filesystems = [_filesystem(name, mount_option, profiles) for name in dict.fromkeys(real)]
    context.exit(_compare_real(filesystems, plan, source, as_json=as_json))


def _refuse_real_options(context: click.Context, *, real: bool) -> None:
    """Refuse options that mean nothing without ``--real``."""
    given = click.core.ParameterSource.COMMANDLINE
    for name in () if real else _ONLY_REAL:
        if context.get_parameter_source(name) is given:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --real")


def _read_tests(file: Path | None, *, own: Iterable[Profile]) -> tuple[LitmusTest, ...]:
    """Return the tests in a file, or those that ship.

    Args:
        file: the file; None for the tests that ship.
        own: profiles from files, for which the tests may name states too.

    Raises:
        click.UsageError: the file cannot be read, or is no litmus file.
    """
    from wavetank.sim import PROFILES, LitmusError, read_litmus, shipped_litmus

    if file is None:
        return shipped_litmus()
    try:
        return read_litmus(file.read_text(encoding="utf-8"), profiles=(*PROFILES, *own))
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file}: expected a readable file, got: {error}") from error
    except LitmusError as error:
        raise click.UsageError(f"{file}: {error}") from error


def _compare_simulated(
    tests: Sequence[LitmusTest], profiles: Sequence[Profile], source: str, *, as_json: bool
) -> ExitCode:
    """Compute and compare every set, and show the answer.

    Raises:
        UnknownChoiceError: no test names states for one of the profiles.
        click.UsageError: the states of a test cannot be computed.
    """
    from wavetank.reports._version import version
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.litmus import litmus_document
    from wavetank.sim import PROFILES, LitmusError, hold_litmus

    ordered = [each for each in PROFILES if each in profiles]
    ordered += [each for each in profiles if each not in PROFILES]
    try:
        results = [
            hold_litmus(test, profile)
            for test in tests
            for profile in ordered
            if profile.name in test.states
        ]
    except LitmusError as error:
        raise click.UsageError(f"{source}: {error}") from error
    if not results:
        named = sorted({name for test in tests for name in test.states}) or ["no profile"]
        raise UnknownChoiceError(
            f"profile: expected one for which {source} names states ({', '.join(named)}), "
            f"got {', '.join(profile.name for profile in profiles)}"
        )
    if as_json:
        click.echo(to_text(litmus_document(results, version())))
    else:
        click.echo(f"wavetank {version()}, litmus, {source}\n\n{_render(tests, results)}")
    return ExitCode.OK if all(result.equal for result in results) else ExitCode.VIOLATION


def _render(tests: Sequence[LitmusTest], results: Sequence[LitmusResult]) -> str:
    by_test = {test.id: [result for result in results if result.id == test.id] for test in tests}
    rows = [(test.id, test.title, _told(by_test[test.id])) for test in tests if by_test[test.id]]
    blocks = ["\n".join(table(rows, indent=0))]
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


def _filesystem(
    name: str, mount_options: Sequence[str], profiles: tuple[Profile, ...]
) -> RealFilesystem:
    from attrs import evolve

    from wavetank.reports.kernel.machine import REAL_FILESYSTEMS

    known = REAL_FILESYSTEMS[name]
    return evolve(
        known,
        mount_options=",".join([known.mount_options, *mount_options]),
        profiles=profiles or known.profiles,
    )


def _compare_real(
    filesystems: Iterable[RealFilesystem], plan: RealPlan, source: str, *, as_json: bool
) -> ExitCode:
    """Run the programs on each filesystem and show what was seen."""
    from wavetank.reports._version import version
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.litmus import litmus_real_document
    from wavetank.reports.kernel.results import MachineError, RealVerdict, overall_verdict

    results: list[RealResult] = []
    if not as_json:
        click.echo(f"wavetank {version()}, litmus on real filesystems, {source}")
    for filesystem in filesystems:
        try:
            result = _observe(filesystem, plan)
        except MachineError as error:
            click.echo(f"wavetank: {filesystem.name}: {error}", err=True)
            return ExitCode.INTERNAL
        results.append(result)
        if not as_json:
            click.echo(f"\n{render_real(result)}")
    if as_json:
        click.echo(to_text(litmus_real_document(results, version())))
    failed = overall_verdict(results) is RealVerdict.FAIL
    return ExitCode.VIOLATION if failed else ExitCode.OK


def _observe(filesystem: RealFilesystem, plan: RealPlan) -> RealResult:
    import platform

    from wavetank.reports.kernel.experiment import observe
    from wavetank.reports.kernel.machine import missing_requirements
    from wavetank.reports.kernel.results import RealResult

    missing = missing_requirements(filesystem)
    if missing:
        return RealResult(filesystem=filesystem.name, kernel=platform.release(), missing=missing)
    return observe(filesystem, plan, lambda line: click.echo(line, err=True))


def render_real(result: RealResult) -> str:
    """Return the text on one filesystem."""
    if result.missing:
        return f"{result.filesystem}: skipped: this machine lacks {', '.join(result.missing)}"
    blocks = [
        f"{result.filesystem}, kernel {result.kernel}, {result.make}, {result.mount_options}",
        "\n".join(_summary(outcome) for outcome in result.outcomes),
    ]
    blocks += [
        "\n".join(_observed(outcome))
        for outcome in result.outcomes
        if outcome.unseen or outcome.outside
    ]
    seen = sum(len(outcome.seen) for outcome in result.outcomes)
    allowed = seen + sum(len(outcome.unseen) for outcome in result.outcomes)
    outside = sum(len(outcome.outside) for outcome in result.outcomes)
    blocks.append(
        f"{result.verdict.value.upper()}: {result.images} images, {result.runs} runs of each "
        f"program; {seen} of {allowed} allowed states seen, {outside or 'none'} outside"
    )
    return "\n\n".join(blocks)


def _summary(outcome: RealOutcome) -> str:
    allowed = len(outcome.seen) + len(outcome.unseen)
    outside = f", {len(outcome.outside)} OUTSIDE" if outcome.outside else ""
    return (
        f"{outcome.id}  {outcome.profile}: {outcome.images} images, "
        f"{len(outcome.seen)} of {allowed} allowed states seen{outside}"
    )


def _observed(outcome: RealOutcome) -> Iterator[str]:
    yield f"{outcome.id} under {outcome.profile}:"
    yield from (f"  never seen: {state}" for state in outcome.unseen)
    for forbidden in outcome.outside:
        first = forbidden.first
        what = first.error if first.state is None else str(first.state)
        yield f"  OUTSIDE: {what} ({forbidden.images} images)"
        yield f"    first in run {first.run}; {_where(forbidden)}"
        done = [f"after step {step}: {told}" for step, told in enumerate(first.triggers) if told]
        yield f"    {'; '.join(done) or 'nothing done between the steps'}"


def _where(forbidden: ForbiddenState) -> str:
    first = forbidden.first
    kept = ", ".join(str(number) for number in first.kept) or "none"
    return (
        f"the cut came after {first.window} flushes and kept, of {first.written} writes since, "
        f"{kept}"
    )
