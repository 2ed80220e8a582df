"""`wavetank fuzz`, once its options are known: check the names, run, keep, show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
from attrs import field, frozen

from wavetank.reports._version import version
from wavetank.reports.arguments.choices import choose_store
from wavetank.reports.arguments.profile_files import choose_profiles
from wavetank.reports.commands.html_report import typed_command, write_html
from wavetank.reports.documents import to_text
from wavetank.reports.documents.fuzz import fuzz_document
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.fuzzing.corpus_files import CORPUS_DIRECTORY, CorpusFiles
from wavetank.reports.fuzzing.session import FuzzSession, run_fuzz_session
from wavetank.reports.fuzzing.text import fuzz_first_line, render_fuzz
from wavetank.reports.outputs.run_text import screen_width
from wavetank.reports.page.fuzz_page import fuzz_page
from wavetank.reports.runs.keeping import store_failures
from wavetank.reports.stored.failures import StoredFailure
from wavetank.scenarios import Case, FuzzPlan, OwnProfile, evidence_of
from wavetank.sim import SAFE_PROFILES

__all__ = ["FuzzRequest", "execute"]

_ALL: Final = "all"


@frozen(kw_only=True)
class FuzzRequest:
    """What a person asked for, names not yet checked.

    Attributes:
        max_time_s: seconds; None: until the runs have ended.
        runs: how many at most; None: until the time is over.
        seed: of everything that is drawn.
        backend: name of the store, or package.module:factory.
        profiles: names, files, or ``all``; () for all that are not controls.
        images: crash images judged in each run at most.
        max_failures: different violations after which to stop.
        corpus: directory of inputs; None: the usual one.
        workers: processes.
        as_json: print a document instead of text.
        reports: files of other reports, by kind.
    """

    max_time_s: float | None
    runs: int | None
    seed: int
    backend: str
    profiles: tuple[str, ...]
    images: int
    max_failures: int | None
    corpus: Path | None
    workers: int
    as_json: bool
    reports: Mapping[str, Path] = field(factory=dict)


def execute(request: FuzzRequest) -> ExitCode:
    """Fuzz, show what came of it, and return what to exit with.

    Raises:
        UnknownChoiceError: a name in the request does not exist.
        ProfileFileError: a file in it holds no profile.
    """
    store = choose_store(request.backend)
    chosen = choose_profiles(request.profiles or (_ALL,), everything=SAFE_PROFILES)
    plan = FuzzPlan(
        seed=request.seed,
        backend=store.name,
        profiles=tuple(OwnProfile(each.profile, each.file) for each in chosen),
        runs=request.runs,
        images=request.images,
        max_findings=request.max_failures,
    )
    files = CorpusFiles(request.corpus or CORPUS_DIRECTORY)
    before, unreadable = files.load(store.name)
    for line in unreadable:
        click.echo(line, err=True)
    click.echo(fuzz_first_line(version(), plan, request.max_time_s), err=request.as_json)
    session = run_fuzz_session(
        plan,
        workers=request.workers,
        max_time_s=request.max_time_s,
        corpus=before,
        tell=_to_stderr,
    )
    store_failures(
        StoredFailure(case=found.case, violation=found.violation, version=version())
        for found in session.result.findings
    )
    new = _keep_corpus(files, session, before)
    if request.as_json:
        made = fuzz_document(session, version(), corpus=str(files.directory), new=new)
        click.echo(to_text(made))
    else:
        held = f"{len(session.result.corpus)} inputs in {files.directory}, {new} of them new"
        click.echo(render_fuzz(session, held, width=screen_width()))
    write_html(
        request.reports,
        lambda: fuzz_page(session, version(), command=typed_command(), evidence_of=evidence_of),
    )
    return _exit_code(session)


def _keep_corpus(files: CorpusFiles, session: FuzzSession, before: tuple[Case, ...]) -> int:
    try:
        return files.keep(session.result.corpus, before)
    except OSError as error:
        click.echo(f"inputs could not be kept in {files.directory}: {error}", err=True)
        return 0


def _exit_code(session: FuzzSession) -> ExitCode:
    if session.interrupted:
        return ExitCode.INTERRUPTED
    if session.result.findings:
        return ExitCode.VIOLATION
    return ExitCode.INTERNAL if session.result.broken else ExitCode.OK


def _to_stderr(line: str) -> None:
    click.echo(line, err=True)
