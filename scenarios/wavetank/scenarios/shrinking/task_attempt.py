"""Whether a smaller case with tasks still shows a finding: under which schedule, after which crash.

The schedule of the larger case is tried first. Steps of a schedule are counted, so that it may mean
something else for fewer calls: then others are run, as the portfolio chooses them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from attrs import evolve

from wavetank.engine import FileStorageOptions
from wavetank.scenarios.case import Case
from wavetank.scenarios.concurrency.concurrent_run import ConcurrentRun, start_of
from wavetank.scenarios.concurrency.crashes import recording_of
from wavetank.scenarios.concurrency.schedules import Player, portfolio_runs
from wavetank.scenarios.exploration.judging import judge_crash
from wavetank.scenarios.raft.recording import Recording
from wavetank.scenarios.raft.reopening.recovery import RaftSubject
from wavetank.scenarios.reproduction import limits_of, trace_digest
from wavetank.scenarios.runs.unit import found_case
from wavetank.scenarios.shrinking.attempt import Candidate, Outcome, first_shown
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim.scheduling.schedule import Schedule
from wavetank.sim.scheduling.shrinking import ReplaySwitches, Switches, fewest_departures

__all__ = ["TaskAttempts"]

_RUNS: Final = 60
"""Schedules of one smaller case."""
_CRASHED_RUNS: Final = 1
"""The same where crashes of each are explored."""
_SETS_AT_A_GLANCE: Final = 2
"""Sets of pending ops of each crash point: none of them, and one more."""
_SCHEDULE_RUNS: Final = 100
_CRASHED_SCHEDULE_RUNS: Final = 12
"""Runs that make a schedule small."""
_QUICK_RUNS: Final = 12
"""The same where another schedule has just been found: leaving out most departures is enough."""


class TaskAttempts:
    """Tries cases with tasks on one store.

    Args:
        wanted: the finding: its invariant, its kind.
        store: on which it shows.
        explores: whether runs are crashed that show nothing without a crash.
    """

    def __init__(self, wanted: Case, store: StoreAdapter, *, explores: bool) -> None:
        self._wanted = wanted
        self._explores = explores
        self._store = store
        self._subjects: dict[FileStorageOptions, RaftSubject] = {}

    def recording(self, case: Case) -> Recording:
        """Return the run of a case under its schedule."""
        with Player(start_of(case.workload, self._store)) as player:
            return recording_of(player.replay(case.schedule or Schedule()))

    def __call__(self, candidate: Candidate) -> Outcome:
        """Look for the finding in a case, under its schedule if it names one."""
        case = candidate.case
        with Player(start_of(case.workload, self._store)) as player:
            if candidate.fewer_departures:
                runs = _SCHEDULE_RUNS if case.crash is None else _CRASHED_SCHEDULE_RUNS
                return self._fewer_departures(case, player, runs)
            if case.schedule is not None:
                return Outcome(self._under(case, player.replay(case.schedule)), 1)
            return self._searched(candidate, player)

    def _searched(self, candidate: Candidate, player: Player) -> Outcome:
        case, judged = candidate.case, 0
        for problem in player.start.problems:
            if self._wanted.is_shown_by(problem.invariant, problem.kind):
                return Outcome(evolve(case, invariant=problem.invariant, kind=problem.kind), 1)
        subject = self._subject(case)
        for run in self._runs(candidate, player):
            found, cost = self._after_any_crash(case, run, subject)
            judged += cost
            if found is not None:
                # Another schedule than before: the case would be larger by all its departures.
                runs = _QUICK_RUNS if found.crash is None else _QUICK_RUNS // 4
                fewer = self._fewer_departures(found, player, runs)
                return Outcome(fewer.case or found, judged + fewer.judged)
        return Outcome(None, judged)

    def _subject(self, case: Case) -> RaftSubject:
        """Return what recovers; it remembers images for all cases with the same options."""
        options = case.workload.options
        if options not in self._subjects:
            self._subjects[options] = RaftSubject(case.workload, self._store)
        return self._subjects[options]

    def _runs(self, candidate: Candidate, player: Player) -> Iterator[ConcurrentRun]:
        wanted = self._wanted
        if candidate.schedule is not None:
            yield player.replay(candidate.schedule)
        count = _CRASHED_RUNS if self._explores else _RUNS
        yield from islice(portfolio_runs(player, wanted.workload.seed, count), count)

    def _after_any_crash(
        self, case: Case, run: ConcurrentRun, subject: RaftSubject
    ) -> tuple[Case | None, int]:
        """Return the case with what shows the finding in a run, and what that took to judge."""
        if run.problem is not None or not self._explores:
            return self._without_crash(case, run), 1
        limits = evolve(limits_of(case), depth=0, max_sets_per_point=_SETS_AT_A_GLANCE)
        recording = recording_of(run)
        finding, judged = first_shown(recording, case.profile, self._wanted, limits, subject)
        if finding is None:
            return None, 1 + judged
        found = found_case(case, recording, finding)
        return evolve(found, schedule=run.schedule), 1 + judged

    def _without_crash(self, case: Case, run: ConcurrentRun) -> Case | None:
        problem = run.problem
        if problem is None or not self._wanted.is_shown_by(problem.invariant, problem.kind):
            return None
        return evolve(
            case,
            crash=None,
            invariant=problem.invariant,
            kind=problem.kind,
            trace=run.digest,
            schedule=run.schedule,
        )

    def _under(self, case: Case, run: ConcurrentRun) -> Case | None:
        """Return the case if its own crash, or the run without one, shows the finding."""
        if case.crash is None or run.problem is not None:
            return self._without_crash(case, run)
        recording, wanted = recording_of(run), self._wanted
        try:
            problems = judge_crash(recording, case.profile, case.crash)
            trace = trace_digest(recording, case.profile, case.crash)
        except ValueError:
            return None  # the profile does not allow it
        if not any(wanted.is_shown_by(each.invariant, each.kind) for each in problems):
            return None
        return evolve(case, trace=trace, invariant=wanted.invariant, kind=wanted.kind)

    def _fewer_departures(self, case: Case, player: Player, runs: int) -> Outcome:
        """Look for a schedule with fewer departures."""
        assert case.schedule is not None, "it was found under one"
        subject = self._subject(case)
        best: Case | None = None
        judged = 0
        whole = case.without_finding()

        def replay(strategy: ReplaySwitches) -> tuple[bool, Switches]:
            nonlocal best, judged
            assert case.schedule is not None
            run = player.run(strategy, case.schedule.grain)
            found, cost = self._after_any_crash(whole, run, subject)
            judged += cost
            best = best if found is None else found
            return found is not None, strategy.switches

        fewest_departures(case.schedule.departures, replay, runs=runs)
        has_fewer = best is not None and _departures(best) < _departures(case)
        return Outcome(best if has_fewer else None, judged)


def _departures(case: Case) -> int:
    return 0 if case.schedule is None else len(case.schedule.departures)
