"""What becomes of a store after one crash: restart it, look, let it work, crash it again, look.

`Recovery.outcome` is a function of the image alone (the engine is deterministic), so outcomes are
kept by image and judged again whenever more has been acknowledged. Verified here because they are
questions about a whole recovery: O7 (it opens), O8 (it takes work, which survives a second crash),
O10 (no litter, no growth when nothing is added). The second crash keeps
nothing pending, or everything. Left out: crashes inside the recovery itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from wavetank.engine import LogEntry, PersistentState, Storage, StorageError
from wavetank.scenarios.backend import Backend, Site
from wavetank.scenarios.model import Possible, acknowledge
from wavetank.scenarios.observation import Observation, Problem, observe
from wavetank.scenarios.oracle import Knowledge, judge
from wavetank.scenarios.recording import STORE_DIRECTORY
from wavetank.scenarios.steps import Append, SaveState, Workload
from wavetank.sim import (
    DiskImage,
    MicroOp,
    OpLog,
    PendingOps,
    Profile,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
)

__all__ = ["Outcome", "Recovery"]

_LITTER = (".tmp", "snapshot.marker")


@frozen(kw_only=True)
class Outcome:
    """What came of one image.

    Attributes:
        observation: what the reopened store showed; None if it did not open.
        problems: invariants broken whatever was acknowledged before the crash.
        recoveries: how many times a store was opened to find out.
    """

    observation: Observation | None
    problems: tuple[Problem, ...]
    recoveries: int


class Recovery:
    """Recovers one workload's images under one profile, and remembers what it saw.

    Args:
        workload: whose options the store is opened with.
        backend: the store.
        profile: what the second crash may lose.
    """

    def __init__(self, workload: Workload, backend: Backend, profile: Profile) -> None:
        self._workload = workload
        self._backend = backend
        self._profile = profile
        self._second: dict[
            tuple[bytes, tuple[MicroOp, ...], Observation], tuple[tuple[Problem, ...], int]
        ] = {}

    def outcome(self, image: DiskImage) -> Outcome:
        """Open a store on `image` and find out everything about it."""
        disk = SimDisk(image)
        try:
            store = self._open(disk)
            seen = observe(store)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            return Outcome(observation=None, problems=(_refused(error),), recoveries=1)
        litter = tuple(_litter(disk))
        problems, recoveries = self._second_generation(disk, store, seen)
        return Outcome(observation=seen, problems=litter + problems, recoveries=recoveries + 1)

    def _second_generation(
        self, disk: SimDisk, store: Storage, seen: Observation
    ) -> tuple[tuple[Problem, ...], int]:
        """Work on the recovered store, crash again, and hold what comes back against that work.

        Stores that show the same on the same disk do the same from here on: each is done once.
        """
        pending = _settle(disk.image, disk.log, self._profile)
        key = (pending.durable.digest(), tuple(pending.ops), seen)
        if key not in self._second:
            self._second[key] = self._work_and_crash(disk, store, seen)
            return self._second[key]
        return self._second[key][0], 0

    def _work_and_crash(
        self, disk: SimDisk, store: Storage, seen: Observation
    ) -> tuple[tuple[Problem, ...], int]:
        term = max(seen.state.current_term, seen.bounds.last_term) + 1
        entry = LogEntry(seen.bounds.last_index + 1, term, b"after the crash")
        steps = (Append((entry,)), SaveState(PersistentState(term, "second-generation")))
        possible: Possible = (seen.as_model(),)
        try:
            store.append_log_entries(steps[0].entries)
            store.save_state(steps[1].state)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            kind = type(error).__name__
            summary = f"the recovered store refused new work: {kind}: {error}"
            return (Problem("O8", f"new work refused: {kind}", summary),), 0
        for step in steps:
            possible = acknowledge(possible, step, self._workload.options)
        knowledge = Knowledge(possible=possible)
        pending = _settle(disk.image, disk.log, self._profile)
        found: dict[str, Problem] = {}
        recoveries = 0
        for image in dict.fromkeys((pending.durable, pending.full)):
            recoveries += 1
            for problem in self._reopen(image, knowledge):
                found.setdefault(problem.kind, problem)
        return tuple(found.values()), recoveries

    def _reopen(self, image: DiskImage, knowledge: Knowledge) -> Iterator[Problem]:
        disk = SimDisk(image)
        try:
            seen = observe(self._open(disk), thorough=False)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            kind = type(error).__name__
            yield Problem(
                "O8",
                f"does not open after a second crash: {kind}",
                f"after a second crash the store does not open: {kind}: {error}",
            )
            return
        for problem in judge(seen, knowledge, self._workload.options):
            yield Problem(
                "O8",
                f"second crash: {problem.invariant} {problem.kind}",
                f"work done after the crash did not survive a second one: {problem.summary}",
            )

    def _open(self, disk: SimDisk) -> Storage:
        site = Site(
            fs=SimFileSystem(disk),
            runtime=SerialRuntime(self._workload.seed),
            directory=STORE_DIRECTORY,
            options=self._workload.options,
        )
        return self._backend.open(site)


def _refused(error: Exception) -> Problem:
    kind = type(error).__name__
    typed = "" if isinstance(error, StorageError) else "an untyped error, "
    return Problem(
        "O7", f"does not open: {kind}", f"the store does not open: {typed}{kind}: {error}"
    )


def _litter(disk: SimDisk) -> Iterator[Problem]:
    for name in SimFileSystem(disk).listdir(STORE_DIRECTORY):
        if name.endswith(_LITTER):
            yield Problem("O10", f"litter: {name}", f"{name} is left behind after a clean open")


def _settle(image: DiskImage, log: OpLog, profile: Profile) -> PendingOps:
    """Return what is durable and what is pending at the end of `log`."""
    pending = PendingOps(image, profile)
    pending.take_all(log)
    return pending
