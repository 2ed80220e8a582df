"""`dump_directory`: what is in a directory, intact or not, as values."""

from typing import Final

import pytest
from attrs import evolve
from engine_site import CHANGES, NOTHING_RETAINED, EngineSite, entries

from wavetank.engine import (
    DumpedDamage,
    DumpedFrame,
    DumpedLogHeader,
    FileKind,
    FileStorageOptions,
    NotInitializedError,
    PersistentState,
    SnapshotMetadata,
    StorageFeatureFlags,
    StoreDump,
    dump_directory,
)

KEEP_LOG: Final = evolve(NOTHING_RETAINED, auto_truncate_on_snapshot=False)
IN_JSON: Final = FileStorageOptions(features=StorageFeatureFlags(binary_format=False))


def filled(site: EngineSite) -> list[int]:
    store = site.open(KEEP_LOG)
    store.save_state(PersistentState(4, "a"))
    offsets = [48]
    for first, last, term in ((1, 2, 1), (3, 5, 2), (6, 9, 3)):
        store.append_log_entries(entries(first, last, term, size=20))
        offsets.append(len(site.read("log.dat")))
    store.save_snapshot(SnapshotMetadata(2, 1), b"two")
    store.truncate_log_suffix(9)
    store.close()
    return offsets


def dumped(site: EngineSite) -> StoreDump:
    """Dump a directory and hold that to changing nothing."""
    before = site.content()
    watched = EngineSite(site.filesystem, site.make_runtime, site.directory).watched
    dump = dump_directory(site.directory, fs=watched)
    for part in dump.frames():
        if isinstance(part, DumpedFrame):
            dump.entries(part)
    assert [call for call in watched.calls if call.kind in CHANGES] == []
    assert site.content() == before
    return dump


def test_everything_in_a_sound_store_is_there(site: EngineSite) -> None:
    offsets = filled(site)
    dump = dumped(site)
    assert [(file.name, file.kind, file.is_own) for file in dump.files] == [
        (name, FileKind.FILE, True) for name in sorted(site.names())
    ]
    state = {"sequence": 1, "current_term": 4, "voted_for": "a"}
    assert [(each.name, each.fields, each.damage) for each in dump.state] == [
        ("state.json", state, ""),
        ("state.copy.json", state, ""),
    ]
    assert dump.metadata is not None
    assert dump.metadata.fields is not None
    assert dump.metadata.fields["last_index"] == 8
    (meta,) = dump.snapshot
    assert meta.fields is not None
    assert (meta.name, meta.fields["last_included_index"]) == ("snapshot_meta.json", 2)
    assert dump.snapshot_data == {"snapshot.dat": True}
    assert dump.log_header == DumpedLogHeader(
        incarnation=int(dump.metadata.fields["incarnation"]),
        generation=1,
        base_index=0,
        base_term=0,
        source="log.dat",
    )
    frames = [part for part in dump.frames() if isinstance(part, DumpedFrame)]
    assert [(f.kind, f.offset, f.batch, f.first_index, f.count, f.watermark) for f in frames] == [
        ("entries", offsets[0], 1, 1, 2, 0),
        ("entries", offsets[1], 2, 3, 3, 1),
        ("entries", offsets[2], 3, 6, 4, 2),
        ("truncation", offsets[3], 4, 9, 0, 3),
    ]
    assert [f.size for f in frames[:3]] == [offsets[i + 1] - offsets[i] for i in range(3)]
    assert dump.entries(frames[1]) == entries(3, 5, 2, size=20)
    assert dump.entries(frames[3]) == []


def test_entries_in_json_are_shown_too(site: EngineSite) -> None:
    with site.open(IN_JSON) as store:
        store.append_log_entries(entries(1, 3))
    dump = dumped(site)
    (frame,) = dump.frames()
    assert isinstance(frame, DumpedFrame)
    assert frame.encoding == "json"
    assert dump.entries(frame) == entries(1, 3)


@pytest.mark.parametrize("within", [0, 30, 100])
def test_frames_before_and_behind_damage_are_there(site: EngineSite, within: int) -> None:
    offsets = filled(site)
    site.flip("log.dat", offsets[1] + within)
    dump = dumped(site)
    before, damage, behind, _ = dump.frames()
    assert isinstance(before, DumpedFrame)
    assert isinstance(damage, DumpedDamage)
    assert isinstance(behind, DumpedFrame)
    assert (damage.offset, damage.length, damage.index) == (
        offsets[1],
        offsets[2] - offsets[1],
        3,
    )
    assert dump.entries(before) + dump.entries(behind) == entries(1, 2, 1, size=20) + entries(
        6, 9, 3, size=20
    )


def test_damaged_documents_say_why(site: EngineSite) -> None:
    filled(site)
    site.flip("state.json", -20)
    site.flip("metadata.json", -20)
    site.flip("snapshot_meta.json", -20)
    site.write("state.copy.json", site.read("state.copy.json").replace(b":1,", b":7,", 1))
    site.write("notes.txt", b"not ours")
    dump = dumped(site)
    assert [each.fields for each in (*dump.state, *dump.snapshot)] == [None] * 3
    assert "JSON" in dump.state[0].damage
    assert "version 7" in dump.state[1].damage
    assert dump.metadata is not None
    assert dump.metadata.damage
    assert dump.snapshot_data == {"snapshot.dat": False}
    assert [file.name for file in dump.files if not file.is_own] == ["notes.txt"]


def test_a_damaged_header_that_metadata_knows_hides_no_frame(site: EngineSite) -> None:
    filled(site)
    site.flip("log.dat", 20)
    dump = dumped(site)
    assert dump.log_header is not None
    assert (dump.log_header.source, dump.log_damage != "") == ("metadata.json", True)
    assert len(list(dump.frames())) == 4
    site.remove("metadata.json")
    dump = dumped(site)
    assert (dump.log_header, list(dump.frames())) == (None, [])
    site.remove("log.dat")
    assert dumped(site).log_damage == "missing"


def test_no_store_is_an_error(site: EngineSite) -> None:
    site.filesystem.mkdir(site.directory)
    with pytest.raises(NotInitializedError):
        dump_directory(site.directory, fs=site.filesystem)
