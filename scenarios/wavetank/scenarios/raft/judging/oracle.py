"""The oracle: which invariants an observation breaks, given every state that is possible.

Verifies: O1 (term and vote), O2 (acknowledged entries, nothing invented), O3 (nothing removed
returns), O4 (snapshot pair), O5 (no hole between snapshot and log), O6 (through the observation's
own problems), O11 (batches whole or absent), and O12 as far as one of these is broken after a clean
close. O7, O8, O10 and the rest of O12 are questions about a whole recovery, or about what is
pending, and stand in recovery.py and explorer.py. What may be missing where the disk lies is
weighed in loss_rules.py. O13 and O14 are those of tasks beside one another (concurrency/).

An observation is right exactly if one possible state allows all of it; what follows a mismatch only
finds the best name for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from attrs import evolve, frozen

from wavetank.engine import FileStorageOptions, LogEntry, SnapshotMetadata
from wavetank.scenarios.exploration.causes import Breach, BrokenPromise, PromiseKind
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.contract import Contract
from wavetank.scenarios.raft.judging.loss_rules import is_tolerated, unnoticed
from wavetank.scenarios.raft.judging.observation import Observation
from wavetank.scenarios.raft.model import ModelState, Possible

__all__ = ["INVARIANTS", "Knowledge", "is_as_promised", "judge", "judge_parts"]

INVARIANTS: Final[dict[str, str]] = {
    "O1": "term and vote are the last acknowledged ones or one in flight; they never go back",
    "O2": "acknowledged entries are there, unchanged; the log is contiguous; nothing is invented",
    "O3": "nothing removed by an acknowledged truncation reappears",
    "O4": "snapshot metadata and data belong together and are not older than acknowledged",
    "O5": "no hole between the snapshot and the first log entry",
    "O6": "bounds, point reads, range reads and scans agree",
    "O7": "the store opens on every image that legal work can leave",
    "O8": "a recovered store takes the next append and save, and these survive another crash",
    "O9": "a crash inside a recovery loses nothing: opening again ends in an allowed state",
    "O10": "no litter after a clean open, and no growth over crash cycles",
    "O11": "a batch that was not acknowledged is there as a whole or not at all",
    "O12": "a clean close makes everything durable",
    "O13": "some order of the calls explains what callers beside one another were told",
    "O14": "calls end: no deadlock, no leaked lock, no lost wake-up",
    "O15": "what an opened store has shown survives the next crash",
    "O16": "a store that is closed, or failed to open, holds no descriptor and no lock",
    "O17": "metrics count every call, its bytes and its failure",
    "O18": "verify and dump of a running store show what it holds",
    "O19": "a store is poisoned once a write, sync or rename has failed, and then takes no change",
    "O20": "a compaction that has ended keeps what the options retain, and no other entry",
    "O21": "a call whose cancel token is set in time raises, and changes nothing",
}
"""What is checked, by id."""


@frozen(kw_only=True)
class Knowledge:
    """What is known of a store at a moment.

    Attributes:
        possible: every state it may be in.
        removed: entries that acknowledged truncations and snapshots removed.
        closed: whether the last thing acknowledged was a clean close.
        earlier: every state that was possible before; only kept where the disk may lie.
    """

    possible: Possible
    removed: AbstractSet[LogEntry] = frozenset()
    closed: bool = False
    earlier: Possible = ()


def judge(
    observation: Observation,
    knowledge: Knowledge,
    options: FileStorageOptions,
    disabled: frozenset[str] = frozenset(),
    *,
    promises: Contract | None = None,
) -> tuple[Problem, ...]:
    """Return the invariants that `observation` breaks; () if it is right.

    Args:
        observation: what a store shows.
        knowledge: what it may show.
        options: of the store.
        disabled: ids of invariants that are not judged, to test the tester.
        promises: what the store is held to; None: what its options say.
    """
    promises = promises or Contract.of(options)
    problems = list(observation.problems)
    if options.compaction_requires_snapshot:
        problems.extend(_hole(observation))
    if not promises.snapshots_kept and observation.snapshot is None:
        # The hole between snapshot and log, above, tells whether the log covers what is gone.
        forgone = tuple(evolve(state, snapshot=None) for state in knowledge.possible)
        knowledge = evolve(knowledge, possible=forgone)
    tolerated = is_tolerated(observation, knowledge.possible, knowledge.earlier)
    if not tolerated and not is_as_promised(observation, knowledge):
        named = list(_named(observation, knowledge))
        problems.extend(named if named or problems else [_mixed(observation)])
    if observation.tolerated.is_damaged:
        problems = list(_by_their_names(problems, observation, knowledge, options, promises))
    if disabled:
        problems = [problem for problem in problems if problem.invariant not in disabled]
    if problems and knowledge.closed and "O12" not in disabled:
        first = problems[0]
        problems.append(
            Problem(
                "O12",
                f"after a clean close: {first.kind}",
                f"after a clean close {first.summary}",
                first.broken,
            )
        )
    return tuple(problems)


def judge_parts(observation: Observation, possible: Possible) -> tuple[Problem, ...]:
    """Return what is wrong with what a store shows in which a call has failed halfway.

    Until it is opened again it may show a new snapshot beside the log of before, but no part of it
    may be what it never was.

    Args:
        observation: what it shows.
        possible: the states before and after that call.
    """
    parts = (
        any(state.state == observation.state for state in possible)
        or _vote_problem(observation, possible),
        any(state.snapshot == observation.snapshot for state in possible)
        or _snapshot_problem(observation, possible),
        any(state.allows_log(observation.bounds, observation.entries) for state in possible)
        or _extent_problem(observation, possible),
    )
    return (*observation.problems, *(each for each in parts if isinstance(each, Problem)))


def _by_their_names(
    problems: Iterable[Problem],
    seen: Observation,
    knowledge: Knowledge,
    options: FileStorageOptions,
    promises: Contract,
) -> Iterator[Problem]:
    """Tell what damage has brought about from what is wrong without it, too."""
    known = () if seen.sound is None else judge(seen.sound, knowledge, options, promises=promises)
    ordinary = {(problem.invariant, problem.kind) for problem in known}
    for problem in problems:
        is_ordinary = (problem.invariant, problem.kind) in ordinary
        yield problem if is_ordinary else unnoticed(problem)


def is_as_promised(observation: Observation, knowledge: Knowledge) -> bool:
    """Whether one possible state allows all that is shown, with nothing tolerated."""
    return any(_allows(state, observation) for state in knowledge.possible)


def _allows(state: ModelState, seen: Observation) -> bool:
    return (
        state.state == seen.state
        and state.snapshot == seen.snapshot
        and state.allows_log(seen.bounds, seen.entries)
    )


def _named(seen: Observation, knowledge: Knowledge) -> Iterator[Problem]:
    possible = knowledge.possible
    if all(state.state != seen.state for state in possible):
        yield _vote_problem(seen, possible)
    if all(state.snapshot != seen.snapshot for state in possible):
        yield _snapshot_problem(seen, possible)
    if not any(state.allows_log(seen.bounds, seen.entries) for state in possible):
        yield from _log_problems(seen, knowledge)


def _vote_problem(seen: Observation, possible: Possible) -> Problem:
    came, promised = seen.state, [state.state for state in possible]
    wanted = " or ".join(
        f"term {state.current_term}, vote {state.voted_for!r}" for state in dict.fromkeys(promised)
    )
    least = min(promised, key=lambda state: state.current_term)
    kind, breach = "another vote in the same term", Breach.ALTERED
    if came.current_term < least.current_term:
        kind, breach = "term went back", Breach.GONE
    elif came.current_term > max(state.current_term for state in promised):
        kind, breach = "term never saved", Breach.INVENTED
    return Problem(
        "O1",
        kind,
        f"expected {wanted}, but term {came.current_term}, vote {came.voted_for!r} came back",
        BrokenPromise(
            kind=PromiseKind.VOTE,
            breach=breach,
            term=least.current_term,
            voted_for=least.voted_for or "",
            came=f"term {came.current_term}"
            + (f" with a vote for {came.voted_for}" if came.voted_for else ""),
        ),
    )


def _snapshot_problem(seen: Observation, possible: Possible) -> Problem:
    promised = [state.snapshot for state in possible]
    wanted = " or ".join(
        "none" if snapshot is None else f"index {snapshot[0].last_included_index}"
        for snapshot in dict.fromkeys(promised)
    )
    broken = _broken_snapshot(promised[0], Breach.GONE)
    if seen.snapshot is None:
        summary = f"expected snapshot {wanted}, but none is there"
        return Problem("O4", "snapshot lost", summary, broken)
    metadata, data = seen.snapshot
    index = metadata.last_included_index
    if any(snapshot is not None and snapshot[0] == metadata for snapshot in promised):
        return Problem(
            "O4",
            "metadata with other data",
            f"the snapshot of index {index} came back with {len(data)} bytes that are not its own",
            _broken_snapshot(seen.snapshot, Breach.MIXED),
        )
    summary = f"expected snapshot {wanted}, but index {index} came"
    breach = Breach.INVENTED if broken.first is None else Breach.ALTERED
    broken = evolve(broken, breach=breach, came=f"the snapshot of index {index}")
    return Problem("O4", "another snapshot", summary, broken)


def _broken_snapshot(
    snapshot: tuple[SnapshotMetadata, bytes] | None, breach: Breach
) -> BrokenPromise:
    metadata = None if snapshot is None else snapshot[0]
    return BrokenPromise(
        kind=PromiseKind.SNAPSHOT,
        breach=breach,
        term=None if metadata is None else metadata.last_included_term,
        first=None if metadata is None else metadata.last_included_index,
    )


def _hole(seen: Observation) -> Iterator[Problem]:
    first = seen.bounds.first_index
    covered = 0 if seen.snapshot is None else seen.snapshot[0].last_included_index
    if first > covered + 1:
        yield Problem(
            "O5",
            "hole between snapshot and log",
            f"the log begins at {first}, but the snapshot covers only up to {covered}",
            _broken_entries(range(covered + 1, first), Breach.GONE),
        )
    elif covered > seen.bounds.last_index:
        yield Problem(
            "O5",
            "snapshot beyond the log",
            f"the snapshot covers up to {covered}, but the log takes entries from "
            f"{seen.bounds.last_index + 1} on",
            BrokenPromise(
                kind=PromiseKind.SNAPSHOT,
                breach=Breach.MIXED,
                first=covered,
                came=f"a log that ends at {seen.bounds.last_index}",
            ),
        )


def _log_problems(seen: Observation, knowledge: Knowledge) -> Iterator[Problem]:
    shown = {entry.index: entry for entry in seen.entries}
    lost = [
        entry.index for entry in _required(knowledge.possible) if shown.get(entry.index) != entry
    ]
    if lost:
        altered = [index for index in lost if index in shown]
        kind = "acknowledged entry altered" if altered else "acknowledged entry lost"
        breach = Breach.ALTERED if altered else Breach.GONE
        broken = _broken_entries(altered or lost, breach)
        yield Problem("O2", kind, f"{kind}: index {_span(lost)}", broken)
    known = {entry for state in knowledge.possible for entry in state.entries}
    strange = [entry for entry in seen.entries if entry not in known]
    returned = [entry.index for entry in strange if entry in knowledge.removed]
    invented = [entry.index for entry in strange if entry not in knowledge.removed]
    if returned:
        yield Problem(
            "O3",
            "removed entry returned",
            f"removed entries are back: {_span(returned)}",
            evolve(_broken_entries(returned, Breach.RETURNED), kind=PromiseKind.REMOVAL),
        )
    if invented:
        yield Problem(
            "O2",
            "entry never submitted",
            f"entries nobody submitted there: {_span(invented)}",
            _broken_entries(invented, Breach.INVENTED),
        )
    if not (lost or strange):
        yield _extent_problem(seen, knowledge.possible)


def _extent_problem(seen: Observation, possible: Possible) -> Problem:
    lasts = sorted({state.last_index for state in possible})
    last = seen.bounds.last_index
    if lasts[0] < last < lasts[-1]:
        return Problem(
            "O11",
            "batch torn apart",
            f"the log ends at {last}, inside the batch {lasts[0] + 1}..{lasts[-1]}",
            evolve(
                _broken_entries(range(lasts[0] + 1, lasts[-1] + 1), Breach.SPLIT),
                kind=PromiseKind.BATCH,
            ),
        )
    wanted = " or ".join(f"{state.base_index + 1}..{state.last_index}" for state in possible)
    return Problem(
        "O2",
        "log of another extent",
        f"expected the log {wanted}, but {seen.bounds} came back",
        evolve(
            _broken_entries(range(possible[0].base_index + 1, lasts[0] + 1), Breach.ALTERED),
            came=f"a log of {seen.bounds.first_index}..{last}"
            if last >= seen.bounds.first_index
            else "an empty log",
        ),
    )


def _broken_entries(indices: Sequence[int], breach: Breach) -> BrokenPromise:
    first, last = (indices[0], indices[-1]) if indices else (None, None)
    return BrokenPromise(kind=PromiseKind.ENTRIES, breach=breach, first=first, last=last)


def _mixed(seen: Observation) -> Problem:
    return Problem(
        "O2",
        "parts of different moments",
        f"state, log {seen.bounds} and snapshot are each possible, but not together",
        BrokenPromise(kind=PromiseKind.STORE, breach=Breach.MIXED),
    )


def _required(possible: Possible) -> Iterator[LogEntry]:
    """Yield the entries that are there in every possible state."""
    first, *others = possible
    for entry in first.entries:
        if entry.index > first.compactable_through and all(
            entry.index > state.compactable_through and entry in state.log_from(entry.index)[:1]
            for state in others
        ):
            yield entry


def _span(indices: list[int]) -> str:
    if len(indices) == 1:
        return str(indices[0])
    contiguous = indices[-1] - indices[0] == len(indices) - 1
    return f"{indices[0]}..{indices[-1]}" if contiguous else ", ".join(map(str, indices))
