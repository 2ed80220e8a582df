"""`wavetank zoo`: plant bugs in the engine and see which of them the testbed finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_lowercase
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports._choices import choose_all
from wavetank.reports.commands.options import format_option, workers_option
from wavetank.reports.exit_codes import ExitCode
from wavetank.reports.tables import table

if TYPE_CHECKING:
    from wavetank.scenarios.mutants import (
        BugResult,
        Hunt,
        Kill,
        NecessityResult,
        RaceHunt,
        Witness,
        ZooResult,
    )

__all__ = ["zoo_command", "zoo_text"]

_HELP: Final = """Plant bugs in the engine and see which of them the testbed finds.

Each BUG (a name or a shell pattern; default: all) is a variant of the engine. It is explored under
every safe profile and counts as found, or killed, if a crash image breaks an invariant. Races are
hunted by schedules of the concurrent scenarios instead, 2,000 at most. Without arguments, the
command also removes each sync of the engine in turn, to see whether it is needed, and each
invariant, to see which bugs are then missed. Exits with 1 if a bug is not found, or if a violation
is reported for the unchanged engine.

\b
Examples:
  wavetank zoo
  wavetank zoo S2 'A*'
"""

_SURVIVED: Final = "-"
_PLACES: Final = {".": "the directory", "..": "the directory above"}


@click.command("zoo", help=_HELP)
@click.argument("bugs", metavar="[BUG]...", nargs=-1)
@workers_option
@format_option
@click.pass_context
def zoo_command(
    context: click.Context, *, bugs: tuple[str, ...], workers: int, output_format: str
) -> None:
    from wavetank.reports._version import version
    from wavetank.reports._workers import work_executor
    from wavetank.reports.commands.progress_lines import ProgressLines
    from wavetank.reports.documents import to_text
    from wavetank.reports.documents.injections import zoo_document
    from wavetank.scenarios.mutants import BUGS, RACES, run_zoo

    ids = choose_all("bug", bugs, {**BUGS, **RACES}) if bugs else None
    with work_executor(workers) as executor:
        result = run_zoo(ids, executor=executor, on_progress=ProgressLines())
    as_json = output_format == "json"
    click.echo(to_text(zoo_document(result, version())) if as_json else zoo_text(result, version()))
    context.exit(ExitCode.OK if result.passed else ExitCode.VIOLATION)


def zoo_text(result: ZooResult, version: str) -> str:
    """Return the kill matrix, the shortest repro of each bug, then syncs and invariants."""
    lines = [f"wavetank {version}, planted bugs in the backend builtin", ""]
    if result.bugs:
        lines += _matrix(result.bugs)
    for bug in result.bugs:
        lines += _repro(bug)
    if result.races:
        lines += _races(result.races)
    if result.necessity:
        lines += _necessity(result.necessity)
    if result.witnesses:
        lines += _witnesses(result.witnesses)
    lines += [f"false alarm: {alarm}" for alarm in result.false_alarms]
    return "\n".join([*lines, _verdict(result)])


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
    if shortest is None or shortest.kill is None:
        yield "  SURVIVED under every safe profile"
    else:
        yield f"  killed    {shortest.kill.invariant} under {shortest.profile}"
        yield from _story(shortest.kill)
    yield ""


def _story(kill: Kill) -> Iterator[str]:
    yield f"  broken    {kill.summary}"
    yield from _labelled("steps", kill.steps)
    yield from _labelled("lost", kill.lost)
    yield f"  why       {kill.why}"
    if kill.cure:
        yield f"  cure      {kill.cure}"


def _races(hunts: Sequence[RaceHunt]) -> Iterator[str]:
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


def _verdict(result: ZooResult) -> str:
    from wavetank.scenarios.mutants import Necessity

    planted = len(result.bugs) + len(result.races)
    killed = planted - len(result.survivors)
    redundant = sum(each.necessity is Necessity.REDUNDANT for each in result.necessity)
    counts = [f"{killed} of {planted} bugs killed"]
    if result.survivors:
        counts.append(f"survived: {', '.join(result.survivors)}")
    counts.append(f"{len(result.false_alarms)} false alarms")
    if result.necessity:
        counts.append(f"{redundant} of {len(result.necessity)} syncs redundant")
    return f"{'PASS' if result.passed else 'FAIL'}: {', '.join(counts)}"
