"""What `wavetank check` does: find the store, ask, keep what failed, print, and the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
from attrs import evolve, field, frozen

from wavetank.reports._version import version
from wavetank.reports.arguments.choices import UnknownChoiceError, choose_store
from wavetank.reports.arguments.profile_files import choose_profiles
from wavetank.reports.commands.checking.corpus import CheckCorpus
from wavetank.reports.commands.checking.markdown import check_markdown, scorecard_path
from wavetank.reports.commands.checking.text import check_line, check_text
from wavetank.reports.documents import to_text
from wavetank.reports.documents.check import check_document
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.files import write_check_reports
from wavetank.scenarios import StoreAdapter, shipped_names
from wavetank.scenarios.conformance import (
    CheckResult,
    Scorecard,
    UnknownCheckError,
    check_backend,
    choose_checks,
)
from wavetank.sim import SAFE_PROFILES, Profile, ProfileFileError

__all__ = ["BackendUsageError", "CheckSettings", "execute"]

_ALL: Final = "all"


class BackendUsageError(Exception):
    """What was asked for does not exist, or is no store."""


@frozen(kw_only=True)
class CheckSettings:
    """What was asked for.

    Attributes:
        backend: name of the store, or package.module:factory.
        checks: names, groups, patterns; none for all.
        profiles: names or files; what a crash may lose.
        max_images: crash images per profile.
        limit_s: real seconds per check.
        isolated: ask in forked processes.
        scorecard: directory for scorecards in Markdown; None for none.
        reports: files of other reports, by kind.
    """

    backend: str
    checks: tuple[str, ...]
    profiles: tuple[str, ...]
    max_images: int
    limit_s: float
    isolated: bool
    scorecard: str | None = None
    reports: Mapping[str, Path] = field(factory=dict)


def execute(settings: CheckSettings, *, as_json: bool) -> ExitCode:
    """Ask a store, or every one that ships, and print what came of it.

    Args:
        settings: what was asked for.
        as_json: print a document for each instead of text.

    Raises:
        BackendUsageError: no such store, check or profile.
    """
    stores, profiles, names = _found(settings)
    cards = [_ask(store, profiles, names, settings, as_json=as_json) for store in stores]
    ordered = tuple(map(_in_order, cards))
    write_check_reports(ordered, settings.reports, version())
    return ExitCode.OK if all(card.passed for card in cards) else ExitCode.VIOLATION


def _ask(
    store: StoreAdapter,
    profiles: tuple[Profile, ...],
    names: tuple[str, ...],
    settings: CheckSettings,
    *,
    as_json: bool,
) -> Scorecard:
    corpus = CheckCorpus.of(store.name)
    first = [name for name in corpus.failed() if name in names]
    card = check_backend(
        store,
        checks=[*first, *(name for name in names if name not in first)],
        profiles=profiles,
        max_images=settings.max_images,
        limit_s=settings.limit_s,
        isolated=settings.isolated,
        on_result=_silent if as_json else _tell,
    )
    corpus.keep(card)
    if settings.scorecard is not None:
        path = scorecard_path(Path(settings.scorecard), card.backend)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(check_markdown(_in_order(card)), encoding="utf-8")
    if as_json:
        click.echo(to_text(check_document(card, version())))
    else:
        click.echo(check_text(card, version(), again=len(first)))
    return card


def _in_order(card: Scorecard) -> Scorecard:
    """Return a scorecard in the suite's order, whatever was asked first."""
    places = {check.id: place for place, check in enumerate(choose_checks(()))}
    return evolve(card, results=tuple(sorted(card.results, key=lambda each: places[each.id])))


def _found(
    settings: CheckSettings,
) -> tuple[tuple[StoreAdapter, ...], tuple[Profile, ...], tuple[str, ...]]:
    try:
        named = shipped_names() if settings.backend == _ALL else (settings.backend,)
        stores = tuple(map(choose_store, named))
        checks = choose_checks(settings.checks)
        chosen = choose_profiles(settings.profiles, everything=SAFE_PROFILES)
    except (UnknownCheckError, UnknownChoiceError, ProfileFileError) as error:
        raise BackendUsageError(str(error.args[0] if error.args else error)) from error
    return stores, tuple(each.profile for each in chosen), tuple(check.id for check in checks)


def _tell(result: CheckResult) -> None:
    for line in check_line(result):
        click.echo(line)


def _silent(_: CheckResult) -> None:
    pass
