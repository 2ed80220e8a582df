"""The page of `wavetank zoo`: planted bugs, the invariants that found them, needed syncs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import evolve

from wavetank.reports.page.blocks import (
    Block,
    Cell,
    Fact,
    Matrix,
    MatrixRow,
    Notice,
    Page,
    Section,
    Table,
    Tone,
)
from wavetank.reports.page.failure_pages import EVENTS, finding_of, promise_of
from wavetank.reports.page.finding import Finding
from wavetank.reports.patch_hunt import PatchResults
from wavetank.scenarios import evidence_of
from wavetank.scenarios.mutants import (
    BUGS,
    PATCHES,
    RACES,
    Hunt,
    Kill,
    Necessity,
    NecessityResult,
    PlantedBug,
    Race,
    RaceHunt,
    SmallRepro,
    ZooResult,
    store_name,
)

__all__ = ["zoo_page"]

_PLACES: Final = {".": "the directory", "..": "the directory above"}


def zoo_page(result: ZooResult, patches: PatchResults, version: str, *, command: str) -> Page:
    """Return the page of a hunt for planted bugs.

    Args:
        result: bugs and races.
        patches: patches of the engine's source.
        version: of wavetank.
        command: what a person typed.
    """
    planted = len(result.bugs) + len(result.races) + len(patches.hunts)
    survived = (*result.survivors, *patches.survivors)
    alarms = (*result.false_alarms, *patches.false_alarms)
    passed = result.passed and patches.passed
    sections = (
        Section(
            id="matrix",
            title="Bugs and crash models",
            lead="Each row is the engine with one bug planted in it. A cell names the promise that "
            "a power cut broke under that crash model, and how many disks were judged until then.",
            blocks=tuple(_matrix(result)),
        ),
        Section(
            id="races",
            title="Races",
            lead="Bugs that show only when calls run beside one another, hunted by schedules.",
            blocks=tuple(_races(result.races)),
        ),
        Section(
            id="patches",
            title="Patches of the source",
            lead="Bugs that are planted in the engine's source, each hunted by one command.",
            blocks=tuple(_patches(patches)),
        ),
        Section(
            id="syncs",
            title="Which syncs are needed",
            lead="The engine without one of its syncs at a time, and what is then lost.",
            blocks=tuple(_necessity(result.necessity)),
        ),
        Section(
            id="witnesses",
            title="Which invariants are needed",
            lead="The oracle without one of its invariants at a time, and the bugs it then misses.",
            blocks=tuple(_witnesses(result)),
        ),
        Section(
            id="findings",
            title="How each bug shows",
            lead="The shortest story of each planted bug that was found.",
            blocks=tuple(_stories(result)),
        ),
    )
    return Page(
        title="wavetank zoo",
        verdict="pass" if passed else "fail",
        sentence=_sentence(planted, survived, alarms),
        command=command,
        facts=(Fact("version", version), Fact("store", "builtin, with bugs")),
        sections=(
            *(
                Section(
                    id="alarms",
                    title="False alarms",
                    lead="What was reported about the engine as it is.",
                    blocks=tuple(map(Notice, alarms)),
                ),
            )
            * bool(alarms),
            *(section for section in sections if section.blocks),
        ),
    )


def _sentence(planted: int, survived: Sequence[str], alarms: Sequence[str]) -> str:
    missed = f"; not found: {', '.join(survived)}" if survived else ""
    counted = f"{len(alarms) or 'No'} false alarm{'s' * (len(alarms) != 1)}"
    return f"{planted - len(survived)} of {planted} planted bugs were found{missed}. {counted}."


def _matrix(result: ZooResult) -> Iterator[Block]:
    if result.bugs:
        shown = {bug.id for bug in result.bugs if bug.killed_by}
        yield Matrix(
            corner="bug",
            columns=tuple(hunt.profile for hunt in result.bugs[0].hunts),
            rows=tuple(
                MatrixRow(
                    bug.id,
                    tuple(_cell(hunt, bug.id if bug.id in shown else "") for hunt in bug.hunts),
                )
                for bug in result.bugs
            ),
            legend="O2@17: invariant O2 was broken on the 17th disk. A dash: this crash model does "
            "not show the bug; some need a weaker one.",
        )


def _cell(hunt: Hunt, target: str) -> Cell:
    if hunt.kill is None:
        return Cell(text="-", note=f"not shown on {hunt.judged:,} disks")
    return Cell(
        text=f"{hunt.kill.invariant}@{hunt.kill.judged}",
        tone=Tone.GOOD,
        note=hunt.kill.summary,
        target=target,
    )


def _stories(result: ZooResult) -> Iterator[Finding]:
    """Yield the story of each bug that was found; small repros are run again and drawn."""
    room = EVENTS
    for bug in result.bugs:
        shortest = bug.shortest
        if bug.repro is not None:
            finding = _small_story(bug.id, BUGS[bug.id], bug.repro, room)
            room -= sum(timeline.rows for timeline in finding.timelines)
            yield finding
        elif shortest is not None and shortest.kill is not None:
            yield _story(bug.id, BUGS[bug.id], shortest.kill)
    for race, repro in result.race_repros.items():
        yield _small_story(race, RACES[race], repro, room)


def _small_story(name: str, planted: PlantedBug | Race, repro: SmallRepro, limit: int) -> Finding:
    case = evolve(repro.case, store=store_name(name))
    finding = finding_of(repro.story, case, evidence_of(case), limit=limit)
    return evolve(
        finding,
        id=name,
        label=name,
        sentence=_planted(planted),
        place=(("costs", planted.cost), *finding.place),
        replay=f"wavetank explain {name}",
    )


def _story(name: str, planted: PlantedBug | Race, kill: Kill) -> Finding:
    return Finding(
        id=name,
        sentence=_planted(planted),
        label=name,
        promise=f"{kill.invariant}: {promise_of(kill.invariant)}",
        broken=kill.summary,
        place=(("costs", planted.cost),),
        steps=kill.steps,
        lost=kill.lost,
        why=(kill.why,),
        cure=kill.cure,
        replay=f"wavetank explain {name}",
    )


def _planted(planted: PlantedBug | Race) -> str:
    return planted.summary[:1].upper() + planted.summary[1:]


def _races(hunts: Sequence[RaceHunt]) -> Iterator[Block]:
    if hunts:
        yield Table(
            columns=("race", "what is planted", "schedules", "scenario", "broken"),
            rows=tuple(
                (
                    hunt.id,
                    RACES[hunt.id].summary,
                    f"{hunt.runs:,}",
                    "survived" if hunt.sighting is None else hunt.sighting.scenario,
                    ""
                    if hunt.sighting is None
                    else f"{hunt.sighting.invariant}: {hunt.sighting.summary}",
                )
                for hunt in hunts
            ),
        )


def _patches(patches: PatchResults) -> Iterator[Block]:
    if patches.hunts:
        yield Table(
            columns=("patch", "what is planted", "command", "reported"),
            rows=tuple(
                (
                    hunt.id,
                    PATCHES[hunt.id].summary,
                    PATCHES[hunt.id].command_line,
                    ", ".join(hunt.invariants) if hunt.killed else f"SURVIVED {hunt.problem}",
                )
                for hunt in patches.hunts
            ),
        )


def _necessity(results: Sequence[NecessityResult]) -> Iterator[Block]:
    if results:
        yield Table(
            columns=("during", "sync of", "asked for by", "without it"),
            rows=tuple(
                (
                    each.site.operation,
                    _PLACES.get(each.site.target, each.site.target),
                    f"{each.site.function} {each.ordinal}",
                    _need(each),
                )
                for each in results
            ),
        )


def _need(result: NecessityResult) -> str:
    if result.kill is not None:
        return f"{result.kill.invariant} breaks under {', '.join(result.profiles)}"
    if result.necessity is Necessity.UNDECIDED:
        return "undecided: not every disk was judged"
    return f"nothing breaks, on {result.judged:,} disks: redundant"


def _witnesses(result: ZooResult) -> Iterator[Block]:
    if result.witnesses:
        yield Table(
            columns=("invariant", "asks that", "bugs missed without it"),
            rows=tuple(
                (
                    each.invariant,
                    promise_of(each.invariant),
                    ", ".join(f"{bug} under {profile}" for bug, profile in each.survivors)
                    or "none: whatever breaks it breaks another",
                )
                for each in result.witnesses
            ),
        )
