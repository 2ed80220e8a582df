"""What `wavetank damage` does: choose, judge, print, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import click

from wavetank.reports._choices import choose_all
from wavetank.reports._told import EveryTenSeconds
from wavetank.reports._version import version
from wavetank.reports._workers import worker_pool
from wavetank.reports.damage_document import damage_document
from wavetank.reports.damage_text import damage_text
from wavetank.reports.documents import to_text
from wavetank.reports.exit_codes import ExitCode
from wavetank.scenarios.corruption import STORES, DamageResult, run_damage

__all__ = ["execute"]


def execute(patterns: Sequence[str], *, pairs: int, workers: int, as_json: bool) -> ExitCode:
    """Judge the matrix and print what came of it.

    Args:
        patterns: names of stores or shell patterns; none for everything.
        pairs: cells of two damages.
        workers: processes.
        as_json: print the document instead of text.

    Raises:
        UnknownChoiceError: there is no such store.
    """
    names = choose_all("store", patterns, STORES) if patterns else None
    result = _run(names, pairs, workers)
    document = damage_document(result, version())
    click.echo(to_text(document) if as_json else damage_text(result, version()))
    return ExitCode.OK if result.passed else ExitCode.VIOLATION


def _run(names: Sequence[str] | None, pairs: int, workers: int) -> DamageResult:
    pool = worker_pool(workers, lambda _: None) if workers > 1 else nullcontext()
    with pool as found:
        executor = None if found is None else found[0]
        return run_damage(names, pairs=pairs, executor=executor, on_progress=EveryTenSeconds())
