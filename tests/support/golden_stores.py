"""Golden stores: directories as a release left them, which every later release must read.

`python tests/support/golden_stores.py VERSION` makes those of the release at hand in
tests/data/golden/VERSION, and refuses where that is there already: what an old release wrote is
never written again. Beside each store stands what it holds, as JSON. The stores are made on the
simulated filesystem, so that they are the same on every machine.
"""

from __future__ import annotations

import errno
import json
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import evolve
from engine_site import NOTHING_RETAINED, Call, EngineSite, entries

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    NoSnapshotError,
    PersistentState,
    SnapshotMetadata,
    StorageFeatureFlags,
    StorageIOError,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

__all__ = ["CASES", "EXPECTED", "GOLDEN", "STORE", "contents_of", "make_golden"]

GOLDEN: Final = Path(__file__).parents[1] / "data" / "golden"
STORE: Final = "store"
EXPECTED: Final = "expected.json"

_BINARY: Final = NOTHING_RETAINED
_JSON: Final = evolve(
    _BINARY, features=StorageFeatureFlags(async_truncation=False, binary_format=False)
)


def contents_of(store: FileStorage) -> dict[str, object]:
    """Return all that an open store shows, in the form of the JSON beside a golden store."""
    state, bounds, cut = store.load_state(), store.log_bounds(), store.recovery_report.cut
    held: list[LogEntry] = []
    if bounds.entry_count:
        held = store.get_log_entries(bounds.first_index, bounds.last_index + 1)
    return {
        "state": {"current_term": state.current_term, "voted_for": state.voted_for},
        "log": {
            "first_index": bounds.first_index,
            "last_index": bounds.last_index,
            "last_term": bounds.last_term,
        },
        "entries": [
            {"index": entry.index, "term": entry.term, "command": _text(entry.command)}
            for entry in held
        ],
        "snapshot": _snapshot(store),
        "clean": store.recovery_report.clean,
        "cut": {"offset": cut.offset, "length": cut.length} if cut else None,
    }


def _snapshot(store: FileStorage) -> dict[str, object] | None:
    try:
        metadata, data = store.load_snapshot()
    except NoSnapshotError:
        return None
    return {
        "last_included_index": metadata.last_included_index,
        "last_included_term": metadata.last_included_term,
        "data": _text(data),
    }


def _text(content: bytes) -> str:
    return b64encode(content).decode("ascii")


def _write(store: FileStorage) -> None:
    """Do one of everything but snapshots."""
    store.save_state(PersistentState(1, "node-a"))
    store.append_log_entries(entries(1, 3))
    store.append_log_entries([LogEntry(4, 2, b""), LogEntry(5, 2, bytes(range(256)))])
    store.truncate_log_suffix(5)
    store.append_log_entries(entries(5, 7, term=3))
    store.save_state(PersistentState(3, 'nöde "b"'))


def _new(site: EngineSite) -> None:
    site.open(_BINARY).close()


def _binary(site: EngineSite) -> None:
    with site.open(_BINARY) as store:
        _write(store)


def _json(site: EngineSite) -> None:
    with site.open(_JSON) as store:
        _write(store)


def _mixed(site: EngineSite) -> None:
    _binary(site)
    with site.open(_JSON) as store:
        store.append_log_entries(entries(8, 9, term=3))
    with site.open(_BINARY) as store:
        store.append_log_entries(entries(10, 10, term=4))


def _truncated(site: EngineSite) -> None:
    with site.open(_BINARY) as store:
        _write(store)
        store.truncate_log_suffix(1)


def _compacted(site: EngineSite) -> None:
    with site.open(_BINARY) as store:
        _write(store)
        store.save_snapshot(SnapshotMetadata(4, 2), b"all up to 4")
        store.append_log_entries(entries(8, 8, term=3))


def _installed(site: EngineSite) -> None:
    with site.open(_BINARY) as store:
        _write(store)
        store.save_snapshot(SnapshotMetadata(100, 9), b"from the leader")


def _killed(site: EngineSite) -> None:
    _write(site.open(_BINARY))


def _torn(site: EngineSite) -> None:
    _killed(site)
    site.write("log.dat", site.read("log.dat")[:-40])


def _recovered(site: EngineSite) -> None:
    _torn(site)
    site.reopen(_BINARY)


def _reserved(site: EngineSite) -> None:
    _write(site.open(evolve(_BINARY, preallocate=2048)))


def _snapshot_committed(site: EngineSite) -> None:
    _stop(site, Call("rename", "snapshot.dat"), _save_snapshot)


def _snapshot_uncommitted(site: EngineSite) -> None:
    _stop(site, Call("create", "snapshot.marker"), _save_snapshot)


def _state_half_saved(site: EngineSite) -> None:
    _stop(
        site,
        Call("rename", "state.copy.json"),
        lambda store: store.save_state(PersistentState(9, "node-c")),
    )


def _save_snapshot(store: FileStorage) -> None:
    store.save_snapshot(SnapshotMetadata(6, 3), b"all up to 6")


def _stop(site: EngineSite, before: Call, act: Callable[[FileStorage], None]) -> None:
    """Leave what is there when the process ends just before a call."""
    _compacted(site)
    store = site.open(_BINARY)
    site.watched.refuse = lambda call: (
        errno.EIO if (call.kind, call.name) == (before.kind, before.name) else None
    )
    try:
        act(store)
    except StorageIOError:
        return
    finally:
        site.heal()
    raise AssertionError(f"expected {before} to be reached")


CASES: Final[Mapping[str, Callable[[EngineSite], None]]] = {
    "new": _new,
    "binary": _binary,
    "json": _json,
    "mixed": _mixed,
    "truncated": _truncated,
    "compacted": _compacted,
    "installed": _installed,
    "killed": _killed,
    "torn": _torn,
    "recovered": _recovered,
    "reserved": _reserved,
    "snapshot-committed": _snapshot_committed,
    "snapshot-uncommitted": _snapshot_uncommitted,
    "state-half-saved": _state_half_saved,
}


def make_golden(folder: Path) -> None:
    """Make every case in a folder that does not exist yet; ``FileExistsError`` if it does."""
    folder.mkdir(parents=True)
    for name, make in CASES.items():
        site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
        make(site)
        site.kill()
        store = folder / name / STORE
        store.mkdir(parents=True)
        for file, content in site.content().items():
            (store / file).write_bytes(content)
        with site.open(FileStorageOptions(read_only=True)) as opened:
            told = json.dumps(contents_of(opened), indent=2)
        (folder / name / EXPECTED).write_text(f"{told}\n", encoding="ascii")


if __name__ == "__main__":
    if len(sys.argv) != 2 or "/" in sys.argv[1]:
        sys.exit("usage: python tests/support/golden_stores.py VERSION")
    try:
        make_golden(GOLDEN / sys.argv[1])
    except FileExistsError as error:
        sys.exit(f"{error.filename} is there already; golden stores are never made again")
