"""What `wavetank zoo` does: choose, hunt, print, and the exit code."""

from __future__ import annotations

import time  # noqa: TID251 - how often a person is told, in wall time; no run sees it
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Final

import click

from wavetank.reports._choices import choose_all
from wavetank.reports._version import version
from wavetank.reports._workers import worker_pool
from wavetank.reports.documents import to_text
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.zoo_document import zoo_document
from wavetank.reports.zoo_text import zoo_text
from wavetank.scenarios.mutants import BUGS, ZooResult, run_zoo

__all__ = ["execute"]

_PROGRESS_EVERY_S: Final = 10.0


def execute(patterns: Sequence[str], *, workers: int, as_json: bool) -> ExitCode:
    """Hunt bugs and print what came of it.

    Args:
        patterns: names of bugs or shell patterns; none for everything.
        workers: processes.
        as_json: print the document instead of text.

    Raises:
        UnknownChoiceError: there is no such bug.
    """
    ids = choose_all("bug", patterns, BUGS) if patterns else None
    result = _run(ids, workers)
    click.echo(to_text(zoo_document(result, version())) if as_json else zoo_text(result, version()))
    return ExitCode.OK if result.passed else ExitCode.VIOLATION


def _run(ids: Sequence[str] | None, workers: int) -> ZooResult:
    tell = _Progress()
    pool = worker_pool(workers, lambda _: None) if workers > 1 else nullcontext()
    with pool as found:
        executor = None if found is None else found[0]
        return run_zoo(ids, executor=executor, on_progress=tell)


class _Progress:
    """Tells of progress on stderr, a line every ten seconds."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= _PROGRESS_EVERY_S:
            self._told_s = now_s
            click.echo(f"{what}: {done} of {total}", err=True)
