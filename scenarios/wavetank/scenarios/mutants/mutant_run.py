"""A trial: the few steps on which a planted bug is hunted, and how far the hunt goes.

A trial is a workload of a few steps, so that every legal image of it can be judged. It may begin
with a store that was made long ago: what its creation leaves pending multiplies with everything
else, and belongs to trials of its own.
"""

from __future__ import annotations

from attrs import evolve, frozen

from wavetank.engine import Storage
from wavetank.scenarios.raft.recording import Recording, record
from wavetank.scenarios.raft.steps import Workload
from wavetank.scenarios.stores.adapter import Site, StoreAdapter
from wavetank.sim import POSIX, Mark, MicroOp, OpLog, PendingOps, Record, Sync

__all__ = ["Trial", "is_new", "record_trial", "store_of"]


@frozen(kw_only=True)
class Trial:
    """Where a bug is hunted.

    Attributes:
        workload: a few steps.
        depth: crashes inside recoveries, one inside the other; None: until no new image comes.
        from_step: the first step at which the power may go, or the process be killed.
        directory_made: a run that was killed at once has made the store's directory, and only
            that, without making its name durable.
        needs_crash: whether the bug shows only after a crash; else it shows while the steps run.
    """

    workload: Workload
    depth: int | None = 0
    from_step: int = 0
    directory_made: bool = False
    needs_crash: bool = True


def record_trial(trial: Trial, backend: StoreAdapter) -> Recording:
    """Run a trial's workload on `backend`, and let crashes begin where the trial says.

    Raises:
        ValueError: something was still pending there.
    """
    return _behind(record(trial.workload, store_of(trial, backend)), trial.from_step)


def store_of(trial: Trial, backend: StoreAdapter) -> StoreAdapter:
    """Return the store that a trial runs on: `backend`, perhaps behind a run that was killed."""
    return _behind_a_killed_run(backend) if trial.directory_made else backend


def is_new(site: Site) -> bool:
    """Whether no store has been made at `site` yet, or its making never ended."""
    try:
        return "metadata.json" not in site.fs.listdir(site.directory)
    except FileNotFoundError:
        return True


def _behind_a_killed_run(backend: StoreAdapter) -> StoreAdapter:
    def open_store(site: Site) -> Storage:
        if site.directory.rpartition("/")[2] not in site.fs.listdir("/"):
            site.fs.mkdir(site.directory)
        return backend.open(site)

    return evolve(backend, factory=open_store)


def _behind(recording: Recording, step: int) -> Recording:
    """Return a recording as if all before `step` had been durable for ever."""
    if not step:
        return recording
    start = next(moment.position for moment in recording.history if moment.step == step)
    records = list(recording.log)
    before = PendingOps(recording.image, POSIX)
    before.take_all(records[:start])
    if any(before.ops):
        raise ValueError(f"from_step: expected a step before which all is durable, got {step}")
    ops = sum(not isinstance(each, (Sync, Mark)) for each in records[:start])
    calls = 1 + max(each.call for each in records[:start] if not isinstance(each, Mark))
    log = OpLog()
    for each in records[start:]:
        log.append(_renumbered(each, ops, calls))
    moments = [moment for moment in recording.history if moment.step >= step]
    return evolve(
        recording,
        image=before.full,
        log=log,
        history=tuple(evolve(moment, position=moment.position - start) for moment in moments),
    )


def _renumbered(record: Record, ops: int, calls: int) -> Record:
    if isinstance(record, Mark):
        return record
    if isinstance(record, Sync):
        return evolve(record, call=record.call - calls)
    return _moved(record, ops, calls)


def _moved(op: MicroOp, ops: int, calls: int) -> MicroOp:
    return evolve(op, number=op.number - ops, call=op.call - calls)
