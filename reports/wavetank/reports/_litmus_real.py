"""`wavetank litmus --real`, once its options are known: look at each filesystem, and show it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

import click
from attrs import evolve

from wavetank.reports._litmus import read_tests
from wavetank.reports._version import version
from wavetank.reports.documents import to_text
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.kernel.experiment import RealPlan, observe
from wavetank.reports.kernel.machine import REAL_FILESYSTEMS, RealFilesystem
from wavetank.reports.kernel.real_report import litmus_real_document, overall_verdict, render_real
from wavetank.reports.kernel.real_result import MachineError, RealResult, RealVerdict
from wavetank.reports.kernel.requirements import missing_requirements
from wavetank.reports.profile_files import choose_profiles
from wavetank.sim import PROFILES, Profile

__all__ = ["execute"]


def execute(
    filesystems: Sequence[str],
    *,
    file: Path | None,
    profiles: Sequence[str],
    mount_options: Sequence[str],
    runs: int,
    images: int,
    seed: int,
    as_json: bool,
) -> ExitCode:
    """Look at real filesystems, show what was seen, and return what to exit with.

    Args:
        filesystems: their names.
        file: the tests; None for those that ship.
        profiles: names and files of those to hold them against; if empty, those that claim to
            describe each filesystem.
        mount_options: to mount with besides the usual ones.
        runs: of each program.
        images: to look at between two flushes.
        seed: of what is done between steps, and of the choice of images.
        as_json: whether one JSON document is wanted.

    Raises:
        click.UsageError: the file cannot be read, or is no litmus file.
        UnknownChoiceError: a profile does not exist.
        ProfileFileError: a file holds no profile.
    """
    chosen = choose_profiles(profiles, everything=PROFILES)
    asked = tuple(each.profile for each in chosen)
    tests = read_tests(file, own=[each.profile for each in chosen if each.file])
    source = "the tests that ship" if file is None else str(file)
    plan = RealPlan(tests=tests, runs=runs, most_images=images, seed=seed)
    results: list[RealResult] = []
    if not as_json:
        click.echo(f"wavetank {version()}, litmus on real filesystems, {source}")
    for name in dict.fromkeys(filesystems):
        try:
            result = _look_at(_adapted(REAL_FILESYSTEMS[name], mount_options, asked), plan)
        except MachineError as error:
            click.echo(f"wavetank: {name}: {error}", err=True)
            return ExitCode.INTERNAL
        results.append(result)
        if not as_json:
            click.echo(f"\n{render_real(result)}")
    if as_json:
        click.echo(to_text(litmus_real_document(results, version())))
    failed = overall_verdict(results) is RealVerdict.FAIL
    return ExitCode.VIOLATION if failed else ExitCode.OK


def _look_at(filesystem: RealFilesystem, plan: RealPlan) -> RealResult:
    missing = missing_requirements(filesystem)
    if missing:
        return RealResult(filesystem=filesystem.name, kernel=platform.release(), missing=missing)
    return observe(filesystem, plan, lambda line: click.echo(line, err=True))


def _adapted(
    filesystem: RealFilesystem, extra: Sequence[str], profiles: tuple[Profile, ...]
) -> RealFilesystem:
    return evolve(
        filesystem,
        mount_options=",".join([filesystem.mount_options, *extra]),
        profiles=profiles or filesystem.profiles,
    )
