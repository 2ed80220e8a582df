"""`wavetank syncs`: which syncs of a store are needed, and what is lost without each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.commands.options import format_option, workers_option
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.tables import table

if TYPE_CHECKING:
    from wavetank.scenarios.mutants import NecessityResult, SyncsResult

__all__ = ["syncs_command", "syncs_text"]

_HELP: Final = """Tell which syncs of a store are needed, and what each saves.

Each place in the store's code that asks for a sync is left out in turn, and the store is crashed
while it runs a few short lives, or each SCENARIO if any is named. A sync is needed if something is
reported that is not reported with it; what was lost is stored as a failure, to replay and explain.
It is redundant if every image was judged and nothing new came, and undecided otherwise. The store
must take its filesystem from its site. Exits with 0 whatever the answers.

\b
Examples:
  wavetank syncs
  wavetank syncs --backend raftlock-published
  wavetank syncs leader-steady --backend my_package.my_module:open_store
"""

_PLACES: Final = {".": "the directory", "..": "the directory above"}


@click.command("syncs", help=_HELP)
@click.argument("scenarios", metavar="[SCENARIO]...", nargs=-1)
@click.option(
    "--backend",
    default="builtin",
    show_default=True,
    metavar="NAME",
    help="Store whose syncs are in question: as in wavetank run.",
)
@workers_option
@format_option
@click.pass_context
def syncs_command(
    context: click.Context,
    *,
    scenarios: tuple[str, ...],
    backend: str,
    workers: int,
    output_format: str,
) -> None:
    from wavetank.reports._version import version
    from wavetank.reports.arguments.choices import choose_all, import_from_here
    from wavetank.reports.commands.progress_lines import ProgressLines
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.syncs import syncs_document
    from wavetank.reports.runs.workers import work_executor
    from wavetank.reports.stored.failures import FailureStore, StoredFailure
    from wavetank.scenarios import SCENARIOS, Capability, StoreNotFoundError, find_store
    from wavetank.scenarios.mutants import SYNC_TRIALS, Trial, run_syncs

    import_from_here()
    try:
        store = find_store(backend)
    except StoreNotFoundError as error:
        raise click.UsageError(str(error)) from error
    if not store.has(Capability.SITE_FILESYSTEM):
        raise click.UsageError(
            f"--backend: expected a store that declares {Capability.SITE_FILESYSTEM.value}, since "
            f"its syncs are left out there, but got {backend}"
        )
    names = choose_all("scenario", scenarios, SCENARIOS) if scenarios else ()
    trials = tuple(Trial(workload=SCENARIOS[name].workload(seed=0)) for name in names)
    with work_executor(workers) as executor:
        result = run_syncs(
            store, trials or SYNC_TRIALS, executor=executor, on_progress=ProgressLines()
        )
    for each in result.syncs:
        if each.image is not None:
            case, story = each.image.case, each.image.story
            FailureStore().save(StoredFailure(case=case, violation=story, version=version()))
    as_json = output_format == "json"
    click.echo(
        to_text(syncs_document(result, version())) if as_json else syncs_text(result, version())
    )
    context.exit(ExitCode.OK)


def syncs_text(result: SyncsResult, version: str) -> str:
    """Return the table of all syncs, and what is lost without each that is needed."""
    lines = [f"wavetank {version}, syncs of the backend {result.store}", ""]
    rows = [["call", "sync of", "asked for by", "line", "", "without it"]]
    for each in result.syncs:
        site = each.site
        target = _PLACES.get(site.target, site.target)
        rows.append(
            [
                site.operation,
                target,
                site.function,
                str(site.line),
                each.necessity.value,
                _need(each),
            ]
        )
    lines += [*table(rows), ""]
    lines += _losses(result)
    counts: dict[str, int] = {}
    for each in result.syncs:
        counts[each.necessity.value] = counts.get(each.necessity.value, 0) + 1
    told = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
    lines.append(f"{len(result.syncs)} syncs: {told or 'none was asked for'}")
    if result.wrong_already:
        lines.append(
            "Something is reported of the store as it is: only what comes besides counts here."
        )
    return "\n".join(lines)


def _need(result: NecessityResult) -> str:
    if result.kill is None:
        complete = "all" if result.necessity.value == "redundant" else "not all"
        return f"nothing new on {result.judged} images, {complete}"
    image = "" if result.image is None else f" {result.image.case.id}"
    return f"{result.kill.invariant} under {', '.join(result.profiles)}{image}"


def _losses(result: SyncsResult) -> Iterator[str]:
    from wavetank.reports.telling.sentences import first_sentence

    for each in result.syncs:
        if each.image is not None:
            yield f"{each.image.case.id}:"
            yield f"  {first_sentence(each.image.story)}"
            yield ""
