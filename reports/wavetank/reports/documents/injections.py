"""``wavetank.zoo/1``, ``wavetank.damage/1``, ``wavetank.sweep/1``: what injected defects led to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from wavetank.reports.documents import document
from wavetank.reports.documents.writing import Write, shape, writer
from wavetank.reports.patch_hunt import PatchHunt, PatchResults
from wavetank.scenarios import (
    OperationCounts,
    OperationProblem,
    OperationSweep,
    SweptScenario,
    Violation,
)
from wavetank.scenarios.corruption import CellKey, DamageResult, Outcome, WrongCell
from wavetank.scenarios.mutants import (
    BUGS,
    PATCHES,
    RACES,
    BugResult,
    Hunt,
    Kill,
    NecessityResult,
    RaceHunt,
    ReproSizes,
    Sighting,
    Witness,
    ZooResult,
)
from wavetank.scenarios.shrinking import ShrinkNote

__all__ = ["damage_document", "sweep_document", "zoo_document"]


def zoo_document(result: ZooResult, patches: PatchResults, version: str) -> dict[str, object]:
    """Return which planted bugs were found as ``wavetank.zoo/1``."""
    alarms = (*result.false_alarms, *patches.false_alarms)
    members = {
        "verdict": "pass" if result.passed and patches.passed else "fail",
        **_write_zoo(result),
        "patches": _write_zoo(patches.hunts),
        "survivors": [*result.survivors, *patches.survivors],
        "false_alarms": len(alarms),
        "alarms": list(alarms),
    }
    return document("zoo", version, members)


def _shortest_kill(result: BugResult) -> dict[str, object] | None:
    small = result.repro
    if small is not None:
        shrunk = _write_small(small.note)
        return {
            "profile": small.profile,
            **_write_small(small.story),
            "trial": small.trial,
            "shrunk": shrunk,
        }
    shortest = result.shortest
    if shortest is None or shortest.kill is None:
        return None
    return _repro(shortest.profile, shortest.kill)


def _repro(profile: str, kill: Kill) -> dict[str, object]:
    return {"profile": profile, **_write_kill(kill), "shrunk": None}


_write_small: Final[Write] = writer(
    shape(Violation, "invariant", "kind", "summary", "steps", "lost", "why", "cure"),
    shape(
        ShrinkNote,
        "steps_before",
        "steps",
        "lost_before",
        "lost",
        "judged",
        finished="is_finished",
    ),
)

_write_kill: Final[Write] = writer(
    shape(Kill, "invariant", "kind", "summary", "trial", "steps", "lost", "why", "cure")
)

_write_zoo: Final[Write] = writer(
    shape(
        ZooResult,
        bugs="bugs",
        races="races",
        necessity="necessity",
        invariants="witnesses",
        repros="repro_sizes",
    ),
    shape(ReproSizes, "repros", "most_steps", "median_steps", "most_lost", "median_lost"),
    shape(
        BugResult,
        "id",
        summary=lambda result: BUGS[result.id].summary,
        cost=lambda result: BUGS[result.id].cost,
        killed=lambda result: bool(result.killed_by),
        hunts="hunts",
        repro=_shortest_kill,
    ),
    shape(
        RaceHunt,
        "id",
        "runs",
        summary=lambda hunt: RACES[hunt.id].summary,
        cost=lambda hunt: RACES[hunt.id].cost,
        killed=lambda hunt: hunt.sighting is not None,
        sighting="sighting",
    ),
    shape(
        PatchHunt,
        "id",
        summary=lambda hunt: PATCHES[hunt.id].summary,
        cost=lambda hunt: PATCHES[hunt.id].cost,
        command=lambda hunt: PATCHES[hunt.id].command_line,
        killed="killed",
        invariants="invariants",
    ),
    shape(Sighting, "scenario", "schedule", "invariant", "kind", "summary", "crash"),
    shape(
        Hunt,
        "profile",
        images="judged",
        complete="complete",
        killed=lambda hunt: hunt.kill is not None,
        invariant=lambda hunt: None if hunt.kill is None else hunt.kill.invariant,
        killed_after=lambda hunt: None if hunt.kill is None else hunt.kill.judged,
    ),
    shape(
        NecessityResult,
        operation=lambda result: result.site.operation,
        target=lambda result: result.site.target,
        function=lambda result: result.site.function,
        ordinal="ordinal",
        verdict="necessity",
        profiles="profiles",
        trials="trials",
        images="judged",
        repro=lambda result: (
            None
            if result.kill is None
            else {"profile": "posix", **_write_kill(result.kill), "shrunk": None}
        ),
    ),
    shape(
        Witness,
        id="invariant",
        survivors=lambda witness: [
            {"bug": bug, "profile": profile} for bug, profile in witness.survivors
        ],
    ),
)


def damage_document(result: DamageResult, version: str) -> dict[str, object]:
    """Return the answers of damaged stores as ``wavetank.damage/1``."""
    return document("damage", version, _write_damage(result))


def _counts(
    part: Callable[[CellKey], Iterable[str]],
) -> Callable[[DamageResult], dict[str, dict[str, int]]]:
    """Return what counts cells by outcome, for each of what `part` says of a cell."""
    words = [outcome.value for outcome in Outcome]
    return lambda result: {
        name: {word: counted[word] for word in words} for name, counted in result.by(part).items()
    }


_write_damage: Final[Write] = writer(
    shape(
        DamageResult,
        verdict=lambda result: "pass" if result.passed else "fail",
        cells="cells",
        right=lambda result: result.cells - len(result.wrong),
        pairs="pairs",
        wrong="wrong",
        outcomes=lambda result: result.outcomes(),
        stores=_counts(lambda key: (key.store,)),
        modes=_counts(lambda key: (key.mode,)),
        damages=_counts(lambda key: () if key.pair else (key.damage,)),
        rules=_counts(lambda key: key.rules),
    ),
    shape(WrongCell, "store", "damages", "mode", "rules", "outcome", "problem"),
)


def sweep_document(swept: Sequence[SweptScenario], *, seed: int, version: str) -> dict[str, object]:
    """Return what failing operations led to as ``wavetank.sweep/1``."""
    whole = OperationSweep.of_all(
        part for each in swept for part in (each.workload, each.recoveries)
    )
    verdict = "fail" if whole.problems else "pass"
    members = {"verdict": verdict, "seed": seed, **_write_sweep(whole)}
    return document("sweep", version, {**members, "scenarios": _write_sweep(swept)})


_write_sweep: Final[Write] = writer(
    shape(SweptScenario, "name", "workload", "recoveries", wrong="problems"),
    shape(
        OperationSweep,
        "images",
        faults=lambda sweep: sweep.counts.faults,
        refused=lambda sweep: sweep.counts.refused,
        problems=lambda sweep: sweep.counts.problems,
        kinds="kinds",
    ),
    shape(OperationCounts, "faults", "refused", "problems"),
    shape(
        OperationProblem,
        fault=lambda found: str(found.fault),
        step=lambda found: str(found.step),
        crash="crash",
        problem="problem",
    ),
)
