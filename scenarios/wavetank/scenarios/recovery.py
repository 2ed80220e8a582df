"""What becomes of a store on one image: it is opened, asked everything, and given work to do.

`Recovery.open` restarts the store and looks; `Recovery.work` lets it go on, crashes it again and
looks at what is left of that work. Both are functions of the image alone, since stores are
deterministic. Verified here, because they are questions about a whole recovery: O7 (it opens), O8
(it takes work, which survives a second crash), O10 (no litter). Left out: crashes inside the
recovery itself (fates.py), and what was acknowledged before (oracle.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from attrs import frozen

from wavetank.engine import LogEntry, PersistentState, Storage, StorageError
from wavetank.scenarios.backend import Backend, Site
from wavetank.scenarios.model import Possible, acknowledge
from wavetank.scenarios.observation import Observation, Problem, check_points, observe
from wavetank.scenarios.oracle import Knowledge, judge
from wavetank.scenarios.recording import STORE_DIRECTORY
from wavetank.scenarios.steps import Append, SaveState, Workload
from wavetank.sim import (
    Cell,
    DiskImage,
    MicroOp,
    PendingOps,
    Profile,
    ReadTrace,
    Record,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
)

__all__ = ["Opening", "Recovery"]

_LITTER: Final = (".tmp", "snapshot.marker")


@frozen(kw_only=True)
class Opening:
    """A store opened on an image.

    Attributes:
        disk: the machine's disk, with the log of the recovery.
        store: the store; None if it did not open.
        observation: what it shows; None if it did not open.
        problems: what is wrong whatever was acknowledged before the crash.
        log: what opening did to the disk, without what came after.
    """

    disk: SimDisk
    store: Storage | None
    observation: Observation | None
    problems: tuple[Problem, ...]
    log: tuple[Record, ...]


class Recovery:
    """Recovers the images of one workload on one backend, and remembers what it saw.

    Args:
        workload: whose options the store is opened with.
        backend: the store.
        disabled: invariants in whose name nobody is accused, to test the tester.
        reads: told of everything that the stores look at on their disks.

    Attributes:
        recoveries: how many times a store was opened.
    """

    def __init__(
        self,
        workload: Workload,
        backend: Backend,
        disabled: frozenset[str] = frozenset(),
        *,
        reads: ReadTrace | None = None,
    ) -> None:
        self.recoveries = 0
        self._reads = reads
        self._workload = workload
        self._backend = backend
        self._disabled = disabled
        self._worked: dict[_Settled, tuple[Problem, ...]] = {}
        self._reopened: dict[bytes, Observation | Exception] = {}

    def open(self, image: DiskImage) -> Opening:
        """Open a store on `image` after a power cut."""
        return self.open_on(SimDisk(image, reads=self._reads))

    def open_on(self, disk: SimDisk) -> Opening:
        """Open a store on a disk whose cache may hold more than is durable: after a kill."""
        self.recoveries += 1
        store: Storage | None = None
        try:
            store = self._backend.open(_site(disk, self._workload))
            length = len(disk.log)
            seen = observe(store)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            problems = self._enabled((_refused(error),))
            log = tuple(disk.log)
            return Opening(disk=disk, store=None, observation=None, problems=problems, log=log)
        return Opening(
            disk=disk,
            store=store,
            observation=seen,
            problems=self._enabled((*seen.problems, *_litter(disk))),
            log=tuple(disk.log)[:length],
        )

    def work(self, opening: Opening, pending: PendingOps) -> tuple[Problem, ...]:
        """Let an opened store work, crash it again, and tell what was wrong with that.

        Args:
            opening: of a store that did open; it is used up.
            pending: what is durable and what is not after the opening.

        Stores that show the same on the same disk do the same from here on: each is done once.
        """
        assert opening.store is not None
        assert opening.observation is not None
        key = _Settled(
            pending.profile.name, pending.durable.digest(), tuple(pending.ops), opening.observation
        )
        if key not in self._worked:
            problems = [*_point_reads(opening.store, opening.observation)]
            pending = pending.fork()
            pending.take_all(tuple(opening.disk.log)[len(opening.log) :])
            problems += self._work_and_crash(opening, pending)
            self._worked[key] = self._enabled(problems)
        return self._worked[key]

    def cells_read(self, image: DiskImage, profile: Profile) -> tuple[Cell, ...]:
        """Return all that is looked at, in this order, to find out the fate of an image.

        It is done with nothing remembered, since what is remembered is not looked at again.
        """
        trace = ReadTrace()
        twin = Recovery(self._workload, self._backend, self._disabled, reads=trace)
        opening = twin.open(image)
        if opening.store is not None:
            pending = PendingOps(image, profile)
            pending.take_all(opening.log)
            twin.work(opening, pending)
        self.recoveries += twin.recoveries
        return trace.cells

    def _work_and_crash(self, opening: Opening, pending: PendingOps) -> Iterator[Problem]:
        store, seen = opening.store, opening.observation
        assert store is not None
        assert seen is not None
        term = max(seen.state.current_term, seen.bounds.last_term) + 1
        entry = LogEntry(seen.bounds.last_index + 1, term, b"after the crash")
        steps = (Append((entry,)), SaveState(PersistentState(term, "second-generation")))
        before = len(opening.disk.log)
        try:
            store.append_log_entries(steps[0].entries)
            store.save_state(steps[1].state)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            kind = type(error).__name__
            summary = f"the recovered store refused new work: {kind}: {error}"
            yield Problem("O8", f"new work refused: {kind}", summary)
            return
        possible: Possible = (seen.as_model(),)
        for step in steps:
            possible = acknowledge(possible, step, self._workload.options)
        pending.take_all(tuple(opening.disk.log)[before:])
        found: dict[str, Problem] = {}
        for image in dict.fromkeys((pending.durable, pending.full)):
            for problem in self._second_crash(image, Knowledge(possible=possible)):
                found.setdefault(problem.kind, problem)
        yield from found.values()

    def _second_crash(self, image: DiskImage, knowledge: Knowledge) -> Iterator[Problem]:
        seen = self._reopen(image)
        if isinstance(seen, Exception):
            kind = type(seen).__name__
            yield Problem(
                "O8",
                f"does not open after a second crash: {kind}",
                f"after a second crash the store does not open: {kind}: {seen}",
            )
            return
        for problem in judge(seen, knowledge, self._workload.options, self._disabled):
            yield Problem(
                "O8",
                f"second crash: {problem.invariant} {problem.kind}",
                f"work done after the crash did not survive a second one: {problem.summary}",
            )

    def _enabled(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        return tuple(each for each in problems if each.invariant not in self._disabled)

    def _reopen(self, image: DiskImage) -> Observation | Exception:
        name = image.digest()
        if name not in self._reopened:
            self.recoveries += 1
            try:
                disk = SimDisk(image, reads=self._reads)
                store = self._backend.open(_site(disk, self._workload))
                self._reopened[name] = observe(store)
            except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
                self._reopened[name] = error.with_traceback(None)
        return self._reopened[name]


@frozen
class _Settled:
    """A disk after a recovery, and what the store on it shows."""

    profile: str
    durable: bytes
    pending: tuple[MicroOp, ...]
    seen: Observation


def _site(disk: SimDisk, workload: Workload) -> Site:
    return Site(
        fs=SimFileSystem(disk),
        runtime=SerialRuntime(workload.seed),
        directory=STORE_DIRECTORY,
        options=workload.options,
    )


def _point_reads(store: Storage, seen: Observation) -> Iterator[Problem]:
    try:
        yield from check_points(store, seen)
    except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
        kind = type(error).__name__
        yield Problem("O6", f"point read refused: {kind}", f"a point read was refused: {error}")


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
