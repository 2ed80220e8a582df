"""`wavetank sweep`: fail every filesystem operation in turn and judge the store after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.arguments.choices import choose_all
from wavetank.reports.commands.html_report import typed_command, write_html
from wavetank.reports.commands.options import format_option, report_option, workers_option
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.tables import counts_table

if TYPE_CHECKING:
    from wavetank.scenarios import OperationCounts, SweptScenario

__all__ = ["sweep_command", "sweep_text"]

_HELP: Final = """Fail each filesystem operation in turn and judge the store.

Runs the first steps of each SCENARIO (a name or a shell pattern; default: all) again and again,
each time with a fault at another operation: an error before, within or after it, a full disk, no
free descriptors, a short read or write; once, or from then on. Then does the same to each recovery
from a power cut during these steps. Exits with 1 if a store is wrong after a fault.

\b
Examples:
  wavetank sweep
  wavetank sweep mixed '*-snapshot' --operations 60
  wavetank sweep --report html=sweep.html
"""

_SHOWN_PROBLEMS: Final = 20
_COUNTED: Final = ("injected", "refused", "problems")


@click.command("sweep", help=_HELP)
@click.argument("scenarios", metavar="[SCENARIO]...", nargs=-1)
@click.option(
    "--operations",
    type=click.IntRange(min=40),
    default=150,
    show_default=True,
    metavar="N",
    help="Use at most N operations of each scenario; the time grows with the square of N.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of every scenario.",
)
@workers_option
@format_option
@report_option("html")
@click.pass_context
def sweep_command(
    context: click.Context,
    *,
    scenarios: tuple[str, ...],
    operations: int,
    seed: int,
    workers: int,
    output_format: str,
    reports: Mapping[str, Path],
) -> None:
    from wavetank.reports._version import version
    from wavetank.reports.commands.progress_lines import ProgressLines
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.injections import sweep_document
    from wavetank.reports.page.sweep_page import sweep_page
    from wavetank.reports.runs.workers import work_executor
    from wavetank.scenarios import SCENARIOS, sweep_scenarios

    names = choose_all("scenario", scenarios or tuple(SCENARIOS), SCENARIOS)
    with work_executor(workers) as executor:
        swept = sweep_scenarios(
            names,
            seed=seed,
            operations=operations,
            executor=executor,
            on_progress=ProgressLines(),
        )
    if output_format == "json":
        click.echo(to_text(sweep_document(swept, seed=seed, version=version())))
    else:
        click.echo(sweep_text(swept, seed=seed, version=version()))
    write_html(
        reports,
        lambda: sweep_page(swept, seed=seed, version=version(), command=typed_command()),
    )
    wrong = any(each.problems for each in swept)
    context.exit(ExitCode.VIOLATION if wrong else ExitCode.OK)


def sweep_text(swept: Sequence[SweptScenario], *, seed: int, version: str) -> str:
    """Return counts by scenario and by fault, then the problems."""
    from wavetank.scenarios import OperationSweep

    whole = OperationSweep.of_all(
        part for each in swept for part in (each.workload, each.recoveries)
    )
    lines = [f"wavetank {version}, failing operations of the backend builtin, seed {seed}", ""]
    lines += [*counts_table("scenario", _COUNTED, _by_scenario(swept)), ""]
    by_fault = (_counts(name, counts) for name, counts in whole.kinds.items())
    lines += [*counts_table("fault", _COUNTED, by_fault), ""]
    lines += [f"WRONG  {problem}" for problem in whole.problems[:_SHOWN_PROBLEMS]]
    hidden = len(whole.problems) - _SHOWN_PROBLEMS
    if hidden > 0:
        lines.append(f"and {hidden} more; --format json gives all")
    lines += [""] if whole.problems else []
    word = "FAIL" if whole.problems else "PASS"
    verdict = (
        f"{word}: {whole.counts.faults} faults injected, one at a time, {whole.counts.refused} "
        f"refused, problems: {whole.counts.problems}"
    )
    return "\n".join([*lines, verdict])


def _by_scenario(swept: Sequence[SweptScenario]) -> Iterator[tuple[object, ...]]:
    for each in swept:
        yield _counts(each.name, each.workload.counts)
        name = f"{each.name}, {each.recoveries.images} recoveries"
        yield _counts(name, each.recoveries.counts)


def _counts(name: str, counts: OperationCounts) -> tuple[object, ...]:
    return name, counts.faults, counts.refused, counts.problems
