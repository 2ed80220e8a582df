"""The other ways in which this project's engine shows what it holds, each held against the model.

Reads of entries, bounds, state and snapshot are every store's (`observe`). The engine has more:
its length and iteration, its snapshot as a stream, a reader beside the running store, a backup.
What they show differently breaks O6; what is beside the store and may not be, O16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import evolve

from wavetank.engine import (
    FileStorage,
    FileSystem,
    NoSnapshotError,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
    StorageError,
    StorageLockedError,
    StorageReadOnlyError,
    verify_directory,
)
from wavetank.scenarios.exploration.subject import Problem
from wavetank.scenarios.raft.driving.live_checks import MeteredStore
from wavetank.scenarios.raft.judging.observation import check_points, observe
from wavetank.scenarios.raft.judging.oracle import Knowledge, is_as_promised
from wavetank.scenarios.raft.model import ModelState
from wavetank.scenarios.stores.adapter import Site

__all__ = ["inspection_problems"]


def inspection_problems(
    store: object,
    shown: ModelState,
    site: Site,
    copy: str = "",
    after_power_cut: Callable[[], FileSystem] | None = None,
) -> Iterator[Problem]:
    """Yield what the other ways to look at a store show differently.

    Args:
        store: open; any but the engine is left alone.
        shown: what it holds.
        site: where it lives, with a filesystem without faults.
        copy: a directory for a backup, which must not be there; "": none is made.
        after_power_cut: returns what is left of everything if nothing that is pending is; a backup
            must be there whole. None: nobody knows.
    """
    engine = store.inner if isinstance(store, MeteredStore) else store
    if not isinstance(engine, FileStorage):
        return
    yield from _iteration(engine, shown)
    yield from _stream(engine, shown)
    yield from _reader_beside(site, shown)
    yield from _second_opener(site)
    if copy:
        place = evolve(site, directory=copy)
        engine.backup(copy)
        if after_power_cut is not None:
            yield from _durable_copy(evolve(place, fs=after_power_cut()), shown)
        yield from _backup(engine, shown, place)
    yield from _metrics(engine)
    if isinstance(store, MeteredStore):
        engine.reset_metrics()
        store.account.reset()


def _differs(how: str, came: object) -> Problem:
    return Problem("O6", f"{how} shows something else", f"{how} shows {str(came)[:200]}")


def _iteration(engine: FileStorage, shown: ModelState) -> Iterator[Problem]:
    bounds, entries = engine.log_bounds(), tuple(engine)
    if not shown.allows_log(bounds, entries):
        yield _differs("iteration", [entry.index for entry in entries])
    if len(engine) != len(entries):
        yield _differs("the length", len(engine))
    if not engine:
        yield _differs("the truth value of an open store", "false")


def _stream(engine: FileStorage, shown: ModelState) -> Iterator[Problem]:
    try:
        with engine.open_snapshot() as stream:
            came: tuple[SnapshotMetadata, bytes] | None = (stream.metadata, b"".join(stream))
    except NoSnapshotError:
        came = None
    if came != shown.snapshot:
        yield _differs("the stream of the snapshot", came and came[0])


def _reader_beside(site: Site, shown: ModelState) -> Iterator[Problem]:
    """Open the store once more, to read only, which needs no lock and changes nothing."""
    options = evolve(site.options, read_only=True)
    reader = _open(evolve(site, options=options))
    try:
        yield from _shown_by(reader, shown, "a reader beside the store")
        state = PersistentState(shown.state.current_term, shown.state.voted_for)
        try:
            reader.save_state(state)
        except StorageReadOnlyError:
            return
        yield _differs("a reader beside the store", "that it can save")
    finally:
        reader.close()


def _second_opener(site: Site) -> Iterator[Problem]:
    try:
        _open(site).close()
    except StorageLockedError:
        return
    yield Problem(
        "O16", "a second process has opened the store", "while the store is open, it opened again"
    )


def _backup(engine: FileStorage, shown: ModelState, copy: Site) -> Iterator[Problem]:
    report = verify_directory(
        copy.directory,
        fs=copy.fs,
        compaction_requires_snapshot=copy.options.compaction_requires_snapshot,
    )
    for place in report.places:
        yield Problem("O18", "verify finds damage in a backup", f"in a fresh backup: {place}")
    opened = _open(copy)
    try:
        if not opened.recovery_report.clean:
            yield _differs("a backup", "that it was not closed cleanly")
        yield from _shown_by(opened, shown, "a backup")
    finally:
        opened.close()
    try:
        engine.backup(copy.directory)
    except StorageError:
        return
    yield _differs("a second backup to the same place", "no error")


def _durable_copy(copy: Site, shown: ModelState) -> Iterator[Problem]:
    how = "a backup after a power cut"
    try:
        opened = _open(copy)
    except StorageError as error:
        yield _differs(how, f"{type(error).__name__}: {error}")
        return
    try:
        yield from _shown_by(opened, shown, how)
    finally:
        opened.close()


def _shown_by(other: FileStorage, shown: ModelState, how: str) -> Iterator[Problem]:
    seen = observe(other)
    if not is_as_promised(seen, Knowledge(possible=(shown,))):
        yield _differs(how, seen.bounds)
    yield from seen.problems
    yield from check_points(other, seen)


def _metrics(engine: FileStorage) -> Iterator[Problem]:
    if not engine.metrics_summary() or engine.metrics() is None:
        return
    # What has not been asked for since it was counted must go, too.
    engine.load_state()
    engine.reset_metrics()
    left = {key: value for key, value in (engine.metrics() or {}).items() if value}
    counted = sorted(key for key in left if key.endswith(("_ops", "_errors", "_bytes")))
    if counted:
        yield Problem("O17", "a reset leaves counts", f"after a reset the metrics have {counted}")


def _open(site: Site) -> FileStorage:
    config = StorageConfig(directory=site.directory)
    return FileStorage(config, site.options, fs=site.fs, runtime=site.runtime)
