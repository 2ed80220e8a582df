"""`wavetank zoo`: plant bugs in the engine and see which of them the testbed finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.arguments.choices import choose_all
from wavetank.reports.commands.html_report import typed_command, write_html
from wavetank.reports.commands.options import format_option, report_option, workers_option
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.outputs.tables import table

if TYPE_CHECKING:
    from wavetank.reports.patch_hunt import PatchHunt, PatchResults
    from wavetank.scenarios import Violation
    from wavetank.scenarios.mutants import (
        BugResult,
        Hunt,
        Kill,
        NecessityResult,
        RaceHunt,
        ReproSizes,
        SmallRepro,
        Witness,
        ZooResult,
    )
    from wavetank.scenarios.shrinking import ShrinkNote

__all__ = ["zoo_command", "zoo_text"]

_HELP: Final = """Plant bugs in the engine and see which of them the testbed finds.

Each BUG (a name or a shell pattern; default: all) is a variant of the engine. It is explored under
every safe profile and counts as found, or killed, if a crash image breaks an invariant. Races are
hunted by schedules of the concurrent scenarios instead, 2,000 at most. Patches of the engine's
source (B01 and so on) are hunted by the command that is named with each, in a process of its own;
they need the package whatthepatch (pip install 'wavetank[zoo]'). Without arguments, the
command also removes each sync of the engine in turn, to see whether it is needed, and each
invariant, to see which bugs are then missed. Exits with 1 if a bug is not found, or if a violation
is reported for the unchanged engine.

\b
Examples:
  wavetank zoo
  wavetank zoo S2 'A*'
  wavetank zoo B01
  wavetank zoo --shrink
  wavetank zoo --report html=zoo.html
"""

_SURVIVED: Final = "-"
_INSTALL: Final = "pip install 'wavetank[zoo]'"
_PLACES: Final = {".": "the directory", "..": "the directory above"}


@click.command("zoo", help=_HELP)
@click.argument("bugs", metavar="[BUG]...", nargs=-1)
@click.option(
    "--shrink",
    "shrinks",
    is_flag=True,
    help="Make the repro of each bug that is found small, and tell how many steps and lost "
    "micro-ops it takes.",
)
@workers_option
@format_option
@report_option("html")
@click.pass_context
def zoo_command(
    context: click.Context,
    *,
    bugs: tuple[str, ...],
    shrinks: bool,
    workers: int,
    output_format: str,
    reports: Mapping[str, Path],
) -> None:
    from wavetank.reports._version import version
    from wavetank.reports.commands.progress_lines import ProgressLines
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.injections import zoo_document
    from wavetank.reports.page.zoo_page import zoo_page
    from wavetank.reports.patch_hunt import can_hunt_patches, hunt_patches
    from wavetank.reports.runs.workers import work_executor
    from wavetank.scenarios.mutants import BUGS, PATCHES, RACES, run_zoo

    ids = choose_all("bug", bugs, {**BUGS, **RACES, **PATCHES}) if bugs else (*PATCHES,)
    patched = [each for each in ids if each in PATCHES]
    if patched and not can_hunt_patches():
        if bugs:
            raise click.UsageError(f"{patched[0]}: a patch needs whatthepatch; {_INSTALL}")
        click.echo(f"patches are left out, since whatthepatch is missing; {_INSTALL}", err=True)
        patched = []
    others = [each for each in ids if each not in PATCHES] if bugs else None
    progress = ProgressLines()
    with work_executor(workers) as executor:
        result = run_zoo(others, executor=executor, on_progress=progress, shrinks=shrinks)
        patches = hunt_patches(patched, executor=executor, on_progress=progress)
    as_json = output_format == "json"
    click.echo(
        to_text(zoo_document(result, patches, version()))
        if as_json
        else zoo_text(result, patches, version())
    )
    write_html(reports, lambda: zoo_page(result, patches, version(), command=typed_command()))
    passed = result.passed and patches.passed
    context.exit(ExitCode.OK if passed else ExitCode.VIOLATION)


def zoo_text(result: ZooResult, patches: PatchResults, version: str) -> str:
    """Return the kill matrix, the repro of each bug, patches, then syncs and invariants."""
    lines = [f"wavetank {version}, planted bugs in the backend builtin", ""]
    if result.bugs:
        lines += _matrix(result.bugs)
    for bug in result.bugs:
        lines += _repro(bug)
    if result.races:
        lines += _races(result.races, result.race_repros)
    if result.repro_sizes is not None:
        lines += [*_sizes(result.repro_sizes), ""]
    if patches.hunts:
        lines += _patches(patches.hunts)
    if result.necessity:
        lines += _necessity(result.necessity)
    if result.witnesses:
        lines += _witnesses(result.witnesses)
    alarms = (*result.false_alarms, *patches.false_alarms)
    lines += [f"false alarm: {alarm}" for alarm in alarms]
    return "\n".join([*lines, _verdict(result, patches)])


def _matrix(bugs: Sequence[BugResult]) -> Iterator[str]:
    yield "Killed by which invariant, after how many judged images:"
    yield ""
    profiles = [hunt.profile for hunt in bugs[0].hunts]
    letters = ascii_lowercase[: len(profiles)]
    rows = [["", *letters]]
    rows += [[bug.id, *(_cell(hunt) for hunt in bug.hunts)] for bug in bugs]
    yield from table(rows)
    yield ""
    pairs = zip(letters, profiles, strict=True)
    yield "  " + ", ".join(f"{letter} {profile}" for letter, profile in pairs)
    yield ""


def _cell(hunt: Hunt) -> str:
    return _SURVIVED if hunt.kill is None else f"{hunt.kill.invariant}@{hunt.kill.judged}"


def _repro(result: BugResult) -> Iterator[str]:
    from wavetank.scenarios.mutants import BUGS

    bug = BUGS[result.id]
    shortest = result.shortest
    yield f"{bug.id}: {bug.summary}"
    yield f"  costs     {bug.cost}"
    small = result.repro
    if shortest is None or shortest.kill is None:
        yield "  SURVIVED under every safe profile"
    elif small is not None:
        yield f"  killed    {small.story.invariant} under {small.profile}"
        yield from _story(small.story)
        yield _shrunk(small.note)
    else:
        yield f"  killed    {shortest.kill.invariant} under {shortest.profile}"
        yield from _story(shortest.kill)
    yield ""


def _shrunk(note: ShrinkNote) -> str:
    return (
        f"  shrunk    steps {note.steps_before} -> {note.steps}, lost micro-ops "
        f"{note.lost_before} -> {note.lost}, on {note.judged} images and runs"
    )


def _sizes(sizes: ReproSizes) -> Iterator[str]:
    yield (
        f"{sizes.repros} repros: at most {sizes.most_steps} steps (median "
        f"{sizes.median_steps:g}) and {sizes.most_lost} lost micro-ops (median "
        f"{sizes.median_lost:g})"
    )


def _story(kill: Kill | Violation) -> Iterator[str]:
    yield f"  broken    {kill.summary}"
    yield from _labelled("steps", kill.steps)
    yield from _labelled("lost", kill.lost)
    yield f"  why       {kill.why}"
    if kill.cure:
        yield f"  cure      {kill.cure}"


def _races(hunts: Sequence[RaceHunt], repros: Mapping[str, SmallRepro]) -> Iterator[str]:
    from wavetank.scenarios.mutants import RACES

    yield "Races, shown by which scenario, after how many schedules of all of them:"
    yield ""
    rows = [["", "runs", "scenario", "broken"]]
    for hunt in hunts:
        seen = hunt.sighting
        shown = ("-", "-") if seen is None else (seen.scenario, seen.invariant)
        rows.append([hunt.id, str(hunt.runs), *shown])
    yield from table(rows)
    yield ""
    for hunt in hunts:
        yield f"{hunt.id}: {RACES[hunt.id].summary}"
        yield f"  costs     {RACES[hunt.id].cost}"
        if hunt.sighting is None:
            yield f"  SURVIVED {hunt.runs} schedules"
        else:
            yield f"  broken    {hunt.sighting.invariant}: {hunt.sighting.summary}"
            yield f"  scenario  {hunt.sighting.scenario}"
            yield f"  schedule  {hunt.sighting.schedule}"
            if hunt.sighting.crash:
                yield f"  crash     {hunt.sighting.crash}"
        if hunt.id in repros:
            small = repros[hunt.id]
            yield from _labelled("calls", small.story.steps)
            yield f"  under     {small.story.schedule}"
            yield _shrunk(small.note)
        yield ""


def _patches(hunts: Sequence[PatchHunt]) -> Iterator[str]:
    from wavetank.scenarios.mutants import PATCHES

    yield "Patches of the engine's source, each found by its command:"
    yield ""
    for hunt in hunts:
        patch = PATCHES[hunt.id]
        yield f"{hunt.id}: {patch.summary}"
        yield f"  costs     {patch.cost}"
        yield f"  command   {patch.command_line}"
        if hunt.killed:
            yield f"  reports   {', '.join(hunt.invariants)}"
        else:
            reported = ", ".join(hunt.invariants) or "nothing"
            expected = ", ".join(patch.reports)
            yield f"  SURVIVED  expected {expected} but got {hunt.problem or reported}"
        yield ""


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"  {label if not number else '':<9} {line}"


def _necessity(results: Sequence[NecessityResult]) -> Iterator[str]:
    yield "Without one of its syncs, the engine breaks:"
    yield ""
    rows = [["call", "sync of", "asked for by", "breaks", "under"]]
    for result in results:
        target = _PLACES.get(result.site.target, result.site.target)
        function = f"{result.site.function} {result.ordinal}"
        rows.append([result.site.operation, target, function, *_need(result)])
    yield from table(rows)
    yield ""


def _need(result: NecessityResult) -> tuple[str, str]:
    from wavetank.scenarios.mutants import Necessity

    if result.kill is not None:
        return result.kill.invariant, ", ".join(result.profiles)
    if result.necessity is Necessity.UNDECIDED:
        return "undecided", "not every image was judged"
    return "redundant", f"nothing, on {result.judged} images"


def _witnesses(witnesses: Sequence[Witness]) -> Iterator[str]:
    yield "Without one of its invariants, the oracle misses:"
    yield ""
    for witness in witnesses:
        missed = ", ".join(f"{bug} under {profile}" for bug, profile in witness.survivors)
        yield f"  {witness.invariant:<4} {missed or 'nothing: whatever breaks it breaks another'}"
    yield ""


def _verdict(result: ZooResult, patches: PatchResults) -> str:
    from wavetank.scenarios.mutants import Necessity

    planted = len(result.bugs) + len(result.races) + len(patches.hunts)
    survivors = (*result.survivors, *patches.survivors)
    killed = planted - len(survivors)
    false_alarms = len(result.false_alarms) + len(patches.false_alarms)
    redundant = sum(each.necessity is Necessity.REDUNDANT for each in result.necessity)
    counts = [f"{killed} of {planted} bugs killed"]
    if survivors:
        counts.append(f"survived: {', '.join(survivors)}")
    counts.append(f"{false_alarms} false alarms")
    if result.necessity:
        counts.append(f"{redundant} of {len(result.necessity)} syncs redundant")
    passed = result.passed and patches.passed
    return f"{'PASS' if passed else 'FAIL'}: {', '.join(counts)}"
