"""What `wavetank sweep` does: choose, run, print, and the exit code."""

from __future__ import annotations

from contextlib import nullcontext

import click
from attrs import frozen

from wavetank.reports._choices import choose_all
from wavetank.reports._told import EveryTenSeconds
from wavetank.reports._version import version
from wavetank.reports._workers import worker_pool
from wavetank.reports.documents import to_text
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.sweep_document import sweep_document
from wavetank.reports.sweep_text import sweep_text
from wavetank.scenarios import SCENARIOS, SweptScenario, sweep_scenarios

__all__ = ["SweepRequest", "execute"]


@frozen(kw_only=True)
class SweepRequest:
    """What a person asked for.

    Attributes:
        scenarios: names and shell patterns; none for all.
        operations: at most so many of each.
        seed: of every scenario.
        workers: processes.
        as_json: print the document instead of text.
    """

    scenarios: tuple[str, ...]
    operations: int
    seed: int
    workers: int
    as_json: bool


def execute(request: SweepRequest) -> ExitCode:
    """Sweep, and print what came of it.

    Raises:
        UnknownChoiceError: there is no such scenario.
    """
    names = choose_all("scenario", request.scenarios or tuple(SCENARIOS), SCENARIOS)
    swept = _run(names, request)
    document = sweep_document(swept, seed=request.seed, version=version())
    text = sweep_text(swept, seed=request.seed, version=version())
    click.echo(to_text(document) if request.as_json else text)
    return ExitCode.VIOLATION if any(each.problems for each in swept) else ExitCode.OK


def _run(names: tuple[str, ...], request: SweepRequest) -> tuple[SweptScenario, ...]:
    pool = worker_pool(request.workers, lambda _: None) if request.workers > 1 else nullcontext()
    with pool as found:
        return sweep_scenarios(
            names,
            seed=request.seed,
            operations=request.operations,
            executor=None if found is None else found[0],
            on_progress=EveryTenSeconds(),
        )
