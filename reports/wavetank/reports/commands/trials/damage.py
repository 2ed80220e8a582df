"""`wavetank damage`: corrupt the files of stores and judge what the engine makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.arguments.choices import choose_all
from wavetank.reports.commands.html_report import typed_command, write_html
from wavetank.reports.commands.options import format_option, report_option, workers_option
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.tables import counts_table

if TYPE_CHECKING:
    from wavetank.scenarios.corruption import CellKey, DamageResult, WrongCell

__all__ = ["damage_command", "damage_text"]

_HELP: Final = """Corrupt the files of stores and judge what the engine reports.

Damages each STORE (a name or a shell pattern; default: all) in every region of every file, in eight
ways, and opens it in each recovery mode. The outcome is correct, detected, ambiguous or
undetectable; docs/damage.md says which outcomes are right where. Exits with 1 if one is wrong.

\b
Examples:
  wavetank damage
  wavetank damage '*, killed' --pairs 20000
  wavetank damage --report html=damage.html
"""

_SHOWN_WRONG: Final = 20


@click.command("damage", help=_HELP)
@click.argument("stores", metavar="[STORE]...", nargs=-1)
@click.option(
    "--pairs",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Also judge N random combinations of two damages, over all stores.",
)
@workers_option
@format_option
@report_option("html")
@click.pass_context
def damage_command(
    context: click.Context,
    *,
    stores: tuple[str, ...],
    pairs: int,
    workers: int,
    output_format: str,
    reports: Mapping[str, Path],
) -> None:
    from wavetank.reports._version import version
    from wavetank.reports.commands.progress_lines import ProgressLines
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.injections import damage_document
    from wavetank.reports.page.damage_page import damage_page
    from wavetank.reports.runs.workers import work_executor
    from wavetank.scenarios.corruption import STORES, run_damage

    names = choose_all("store", stores, STORES) if stores else None
    with work_executor(workers) as executor:
        result = run_damage(names, pairs=pairs, executor=executor, on_progress=ProgressLines())
    as_json = output_format == "json"
    click.echo(
        to_text(damage_document(result, version())) if as_json else damage_text(result, version())
    )
    write_html(reports, lambda: damage_page(result, version(), command=typed_command()))
    context.exit(ExitCode.OK if result.passed else ExitCode.VIOLATION)


def damage_text(result: DamageResult, version: str) -> str:
    """Return counts by store, damage, recovery mode and rule, then the wrong cells."""
    lines = [f"wavetank {version}, damage to stores of the backend builtin", ""]
    lines += _counts(result, "store", lambda key: (key.store,))
    lines += _counts(result, "damage", lambda key: () if key.pair else (key.damage,))
    lines += _counts(result, "recovery mode", lambda key: (key.mode,))
    lines += _counts(result, "rule that applies", lambda key: key.rules)
    for cell in result.wrong[:_SHOWN_WRONG]:
        lines += _wrong(cell)
    hidden = len(result.wrong) - _SHOWN_WRONG
    if hidden > 0:
        lines += [f"and {hidden} more wrong cells; --format json gives all", ""]
    return "\n".join([*lines, _verdict(result)])


def _counts(
    result: DamageResult, title: str, part: Callable[[CellKey], Iterable[str]]
) -> Iterator[str]:
    from wavetank.scenarios.corruption import Outcome

    words = [outcome.value for outcome in Outcome]
    rows = [(name, *(counted[word] for word in words)) for name, counted in result.by(part).items()]
    yield from counts_table(title, words, rows)
    yield ""


def _wrong(cell: WrongCell) -> Iterator[str]:
    first, *rest = cell.damages
    yield f"WRONG  {cell.store}, {cell.mode}: {cell.problem}"
    yield f"  damage  {first}"
    yield from (f"  and     {each}" for each in rest)
    yield from (f"  rule    {each}" for each in cell.rules)
    yield ""


def _verdict(result: DamageResult) -> str:
    counted = ", ".join(f"{count} {word}" for word, count in result.outcomes().items())
    right = result.cells - len(result.wrong)
    pairs = f" ({result.pairs} of two damages)" if result.pairs else ""
    word = "PASS" if result.passed else "FAIL"
    return f"{word}: {right} of {result.cells} cells{pairs} right: {counted}"
