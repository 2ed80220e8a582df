"""The loop of the fuzzer: draw an input, run it, keep it if it reached something new.

Inputs are drawn here, in the order of their numbers, and run here or in other processes. What is
drawn for one number depends on the runs up to so many before it (`_AHEAD`) and on no later one: the
result is the same however the runs are spread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future, wait
from hashlib import blake2b
from random import Random  # noqa: TID251 - one stream a run, named after it
from typing import Final

from attrs import field, frozen

from wavetank.scenarios.case import Case
from wavetank.scenarios.fuzzing.corpus import Corpus
from wavetank.scenarios.fuzzing.coverage import Coverage
from wavetank.scenarios.fuzzing.notes import FuzzFinding, FuzzKey
from wavetank.scenarios.fuzzing.probing import drawer_for
from wavetank.scenarios.fuzzing.swarm import by_chance
from wavetank.scenarios.fuzzing.trial import Trial, try_case
from wavetank.scenarios.runs.plan import OwnProfile
from wavetank.scenarios.stores.registry import find_store

__all__ = ["BrokenRun", "FuzzCounts", "FuzzPlan", "FuzzResult", "Fuzzer"]

_AHEAD: Final = 64
"""Inputs are drawn so many runs ahead of the last one whose result is known."""
_CHANGED: Final = 0.4
_PATIENCE_S: Final = 0.2
"""Between two looks at whether it is over, while a run in another process is awaited."""


@frozen(kw_only=True)
class FuzzPlan:
    """What to fuzz; names and plain values.

    Attributes:
        seed: of everything that is drawn.
        backend: name of the store.
        profiles: what crashes may lose, one of these in each run.
        runs: how many at most; None: until it is over.
        images: crash images judged in each run at most.
        max_findings: it is over once so many different findings are known; None: it goes on.
    """

    seed: int
    backend: str
    profiles: tuple[OwnProfile, ...]
    runs: int | None = None
    images: int = 40
    max_findings: int | None = None


@frozen(kw_only=True)
class FuzzCounts:
    """How much has been done.

    Attributes:
        runs: inputs run.
        steps: calls and restarts of stores in them.
        images: crash images judged.
        recoveries: stores opened on those.
        wrong: runs in which something was wrong.
    """

    runs: int = 0
    steps: int = 0
    images: int = 0
    recoveries: int = 0
    wrong: int = 0


@frozen
class BrokenRun:
    """A run that broke off by an error of wavetank itself.

    Attributes:
        number: of the run.
        case: its input.
        error: what was raised, and where.
    """

    number: int
    case: Case
    error: str


@frozen(kw_only=True)
class FuzzResult:
    """What came of a plan so far.

    Attributes:
        plan: what was asked for.
        counts: how much was done.
        coverage: what was reached.
        corpus: inputs that reached something new, those of earlier runs among them.
        findings: what was wrong, each kind once, in the order of the runs.
        seen: in how many runs each of these was wrong, in the same order.
        broken: runs that broke off.
        digest: a hash of all runs in order; equal for equal plans that ended by their number.
    """

    plan: FuzzPlan
    counts: FuzzCounts
    coverage: Coverage
    corpus: tuple[Case, ...]
    findings: tuple[FuzzFinding, ...]
    seen: tuple[int, ...]
    broken: tuple[BrokenRun, ...]
    digest: str


@frozen
class _Begun:
    """A run that has been drawn; its result comes from another process, if there is one."""

    case: Case
    future: Future[Trial] | None = field(default=None)


class Fuzzer:
    """Runs one plan, and can tell at any moment what came of it so far.

    Args:
        plan: what to do.
        corpus: inputs of earlier runs to begin with.

    Raises:
        StoreNotFoundError: there is no store of that name.

    >>> from wavetank.scenarios import OwnProfile
    >>> from wavetank.sim import POSIX
    >>> plan = FuzzPlan(seed=1, backend="builtin", profiles=(OwnProfile(POSIX, ""),), runs=2)
    >>> fuzzer = Fuzzer(plan)
    >>> fuzzer.run()
    >>> result = fuzzer.result()
    >>> result.counts.runs, result.findings
    (2, ())
    """

    def __init__(self, plan: FuzzPlan, corpus: Sequence[Case] = ()) -> None:
        store = find_store(plan.backend)
        self._plan = plan
        self._drawer = drawer_for(store, plan.profiles)
        self._corpus = Corpus(case for case in corpus if case.store == plan.backend)
        self._begun = 0
        self._counts = FuzzCounts()
        self._findings: dict[FuzzKey, FuzzFinding] = {}
        self._seen: dict[FuzzKey, int] = {}
        self._broken: list[BrokenRun] = []
        self._digest = blake2b(digest_size=16)

    def run(
        self,
        *,
        is_over: Callable[[], bool] = lambda: False,
        executor: Executor | None = None,
        on_trial: Callable[[FuzzCounts, tuple[FuzzFinding, ...], int], None] | None = None,
    ) -> None:
        """Run inputs until the plan or `is_over` ends it.

        Args:
            is_over: asked before each run, and while a result is awaited.
            executor: where the runs run; None: here.
            on_trial: told after each run how much has been done, what it found that is new, and how
                many features have been reached.
        """
        waiting: deque[_Begun] = deque()
        while not is_over() and not self._has_found_enough:
            while len(waiting) < _AHEAD and self._wants_more:
                waiting.append(self._begin(executor))
            if not waiting:
                return
            trial = self._result(waiting[0], is_over)
            if trial is None:
                break
            new = self._keep(waiting.popleft().case, trial)
            if on_trial is not None:
                on_trial(self._counts, new, self._corpus.reached)
        self._leave(waiting)

    def result(self) -> FuzzResult:
        """Return what came so far."""
        return FuzzResult(
            plan=self._plan,
            counts=self._counts,
            coverage=self._corpus.coverage,
            corpus=self._corpus.cases,
            findings=tuple(self._findings.values()),
            seen=tuple(self._seen[key] for key in self._findings),
            broken=tuple(self._broken),
            digest=self._digest.hexdigest(),
        )

    @property
    def _wants_more(self) -> bool:
        return self._plan.runs is None or self._begun < self._plan.runs

    @property
    def _has_found_enough(self) -> bool:
        most = self._plan.max_findings
        return most is not None and len(self._findings) >= most

    def _begin(self, executor: Executor | None) -> _Begun:
        number = self._begun
        self._begun += 1
        random = Random(f"fuzz/{self._plan.seed}/{number}")  # noqa: S311 - reproducible on purpose
        known = self._corpus.choose(random) if by_chance(random, _CHANGED) else None
        case = (
            self._drawer.new(random, number)
            if known is None
            else self._drawer.changed(random, known, number)
        )
        if executor is None:
            return _Begun(case)
        told = frozenset(self._findings)
        return _Begun(case, executor.submit(try_case, case, self._plan.images, told))

    def _result(self, begun: _Begun, is_over: Callable[[], bool]) -> Trial | None:
        """Return what came of a run; None if it is over before that is known."""
        future = begun.future
        if future is None:
            return try_case(begun.case, self._plan.images, frozenset(self._findings))
        while not future.done():
            if is_over():
                return None
            wait((future,), timeout=_PATIENCE_S)
        return future.result()

    def _keep(self, case: Case, trial: Trial) -> tuple[FuzzFinding, ...]:
        new = tuple(each for each in trial.findings if each.key not in self._findings)
        self._findings.update((each.key, each) for each in new)
        for key in trial.wrong:
            self._seen[key] = self._seen.get(key, 0) + 1
        self._corpus.take(case, trial.features)
        if trial.error:
            self._broken.append(BrokenRun(case.workload.seed, case, trial.error))
        self._digest.update(f"{case.id} {trial.digest}\n".encode())
        counts = self._counts
        self._counts = FuzzCounts(
            runs=counts.runs + 1,
            steps=counts.steps + trial.steps,
            images=counts.images + trial.images,
            recoveries=counts.recoveries + trial.recoveries,
            wrong=counts.wrong + bool(trial.wrong),
        )
        return new

    def _leave(self, waiting: deque[_Begun]) -> None:
        """Give up what has not run; of what has, lose nothing."""
        for begun in waiting:
            if begun.future is None or begun.future.cancel() or not begun.future.done():
                continue
            try:
                trial = begun.future.result()
            except CancelledError:
                continue
            self._keep(begun.case, trial)
