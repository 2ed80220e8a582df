"""What an open may do with damage, by mode: refuse, cut what is in doubt, or salvage and tell."""

import errno
import logging
from collections.abc import Callable
from typing import Final

import pytest
from attrs import evolve, frozen
from engine_site import NOTHING_RETAINED, EngineSite, entries
from hypothesis import given
from hypothesis import strategies as st
from laws import examples
from recovery_crashes import image_of, images_inside, left_by_open, opened

from wavetank.engine import (
    CorruptedError,
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    FileCondition,
    FileStorage,
    FileStorageOptions,
    LogBounds,
    LogEntry,
    NoSnapshotError,
    PersistentState,
    RecoveryAction,
    RecoveryMode,
    SnapshotMetadata,
    UnsupportedFormatError,
)
from wavetank.scenarios import SCENARIOS, explore, find_store, record
from wavetank.sim import POSIX, SerialRuntime, SimDisk, SimFileSystem

NORMAL: Final = NOTHING_RETAINED
CONSERVATIVE: Final = evolve(NORMAL, recovery_mode=RecoveryMode.CONSERVATIVE)
AGGRESSIVE: Final = evolve(NORMAL, recovery_mode=RecoveryMode.AGGRESSIVE)
STATE: Final = PersistentState(4, "a")
ALL: Final = entries(1, 2, 1, 100) + entries(3, 5, 2, 100) + entries(6, 9, 3, 100)


def filled(site: EngineSite, *, clean: bool, snapshot: bool = False) -> list[int]:
    """Write term, vote and frames of 2, 3 and 4 entries; return where each begins, and the end."""
    store = site.open(evolve(NORMAL, auto_truncate_on_snapshot=False))
    store.save_state(STATE)
    offsets = [len(site.read("log.dat"))]
    for first, last in ((1, 2), (3, 5), (6, 9)):
        store.append_log_entries(ALL[first - 1 : last])
        offsets.append(len(site.read("log.dat")))
    if snapshot:
        store.save_snapshot(SnapshotMetadata(4, 2), b"four")
    if clean:
        store.close()
    site.kill()
    return offsets


def bounds(first: int, last: int, term: int) -> LogBounds:
    return LogBounds(first_index=first, last_index=last, last_term=term)


def replaced(store: FileStorage) -> list[str]:
    steps = store.recovery_report.steps
    return [step.path for step in steps if step.action is RecoveryAction.REPLACED]


# The option


@pytest.mark.parametrize("mode", RecoveryMode)
def test_a_mode_is_given_as_itself_or_by_its_name(mode: RecoveryMode) -> None:
    assert FileStorageOptions(recovery_mode=mode).recovery_mode is mode
    assert FileStorageOptions(recovery_mode=mode.value).recovery_mode is mode
    assert FileStorageOptions().recovery_mode is RecoveryMode.NORMAL


@pytest.mark.parametrize(("mode", "error"), [("reckless", ValueError), (1, TypeError)])
def test_another_mode_is_refused_by_the_name_of_the_option(
    mode: object, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"FileStorageOptions\.recovery_mode: expected conservative"):
        FileStorageOptions(recovery_mode=mode)  # type: ignore[arg-type]


# Conservative


@pytest.mark.parametrize("kept", [1, 72, 300])
def test_conservative_refuses_a_tail_that_may_have_been_acknowledged(
    site: EngineSite, kept: int
) -> None:
    offsets = filled(site, clean=False)
    site.write("log.dat", site.read("log.dat")[: offsets[2] + kept])
    before = site.content()
    with pytest.raises(CorruptedLogError, match=r"RecoveryMode\.NORMAL") as caught:
        site.open(CONSERVATIVE)
    error = caught.value
    assert (error.path, error.offset, error.index) == (site.path("log.dat"), offsets[2], 6)
    assert error.ambiguous
    assert site.content() == before
    assert site.open(NORMAL).log_bounds() == bounds(1, 5, 2)


def test_conservative_cuts_what_no_run_can_have_acknowledged(site: EngineSite) -> None:
    filled(site, clean=True)
    site.write("log.dat", site.read("log.dat") + b"garbage" * 100)
    store = site.open(CONSERVATIVE)
    assert store.recovery_report.mode is RecoveryMode.CONSERVATIVE
    assert store.recovery_report.cut is not None
    assert not store.recovery_report.cut.ambiguous
    assert store.log_bounds() == bounds(1, 9, 3)


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
def test_conservative_opens_what_is_whole(site: EngineSite, *, clean: bool) -> None:
    filled(site, clean=clean, snapshot=True)
    store = site.open(CONSERVATIVE)
    assert store.get_log_entries(1, 10) == ALL
    assert store.load_snapshot() == (SnapshotMetadata(4, 2), b"four")


@pytest.mark.parametrize("mode", [RecoveryMode.CONSERVATIVE, RecoveryMode.NORMAL])
def test_without_leave_to_give_up_what_was_acknowledged_nothing_is_changed(
    site: EngineSite, mode: RecoveryMode
) -> None:
    offsets = filled(site, clean=False)
    site.flip("log.dat", offsets[1] + 150)
    before = site.content()
    with pytest.raises(CorruptedLogError, match="read_only=True") as caught:
        site.open(evolve(NORMAL, recovery_mode=mode))
    assert not caught.value.ambiguous
    assert site.content() == before


# Aggressive: the log


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
@pytest.mark.parametrize("position", ["magic", "header", "payload", "last byte"])
def test_aggressive_keeps_what_lies_before_the_damage_and_tells_the_rest(
    site: EngineSite, caplog: pytest.LogCaptureFixture, position: str, *, clean: bool
) -> None:
    offsets = filled(site, clean=clean)
    size = len(site.read("log.dat"))
    within = {"magic": 0, "header": 30, "payload": 150, "last byte": offsets[2] - offsets[1] - 1}
    site.flip("log.dat", offsets[1] + within[position])
    with caplog.at_level(logging.WARNING, "wavetank.engine"):
        store = site.open(AGGRESSIVE)
    report = store.recovery_report
    (lost,) = report.lost
    assert (lost.path, lost.offset, lost.length) == (
        site.path("log.dat"),
        offsets[1],
        size - offsets[1],
    )
    assert (lost.first_index, lost.last_index) == (3, 9)
    assert "entries from index 3 to 9" in str(lost)
    assert str(lost) in caplog.text
    assert str(lost) in report.sentences()
    assert report.cut is None
    assert replaced(store) == [site.path("log.dat")]
    assert store.get_log_entries(1, 3) == ALL[:2]
    assert store.log_bounds() == bounds(1, 2, 1)
    assert store.load_state() == STATE
    found = {file.path: file.condition for file in report.found}
    assert found[site.path("log.dat")] is FileCondition.DAMAGED


@pytest.mark.parametrize(
    "off", ["binary_format", "index_map", "chunked_io", "atomic_writes", "lock_timeout"]
)
def test_salvage_and_looking_need_no_feature(site: EngineSite, off: str) -> None:
    features = evolve(NORMAL.features, **{off: False})
    options = evolve(NORMAL, features=features, preallocate=4096)
    store = site.open(options)
    for first, last, term in ((1, 2, 1), (3, 5, 2), (6, 9, 3)):
        store.append_log_entries(entries(first, last, term, 100))
    site.kill()
    content = site.read("log.dat")
    site.flip("log.dat", content.index(b"3/2" if off != "binary_format" else b'"index":3'))
    looked = site.open(evolve(options, read_only=True))
    assert looked.get_log_entries(6, 10) == ALL[5:]
    assert looked.get_log_entries(1, 3) == ALL[:2]
    with pytest.raises(CorruptedLogError):
        looked.get_log_entry(4)
    with pytest.raises(CorruptedLogError):
        site.open(options)
    store = site.open(evolve(options, recovery_mode=RecoveryMode.AGGRESSIVE))
    assert [(loss.first_index, loss.last_index) for loss in store.recovery_report.lost] == [(3, 9)]
    store.append_log_entries(entries(3, 4, term=5))
    assert site.reopen(options).get_log_entries(1, 5) == ALL[:2] + entries(3, 4, term=5)


def test_what_was_given_up_never_comes_back(site: EngineSite) -> None:
    """The frame behind the damage would follow the new one in number and index."""
    offsets = filled(site, clean=False)
    site.flip("log.dat", offsets[1] + 150)
    store = site.open(AGGRESSIVE)
    assert b"6/3" not in site.read("log.dat")
    store.append_log_entries(entries(3, 5, term=7))
    store = site.reopen(NORMAL)
    assert store.recovery_report.lost == ()
    assert store.get_log_entries(1, 6) == ALL[:2] + entries(3, 5, term=7)


def test_a_tail_in_doubt_is_cut_and_not_called_lost(site: EngineSite) -> None:
    offsets = filled(site, clean=False)
    site.write("log.dat", site.read("log.dat")[: offsets[2] + 100])
    report = site.open(AGGRESSIVE).recovery_report
    assert report.lost == ()
    assert report.cut is not None
    assert report.cut.ambiguous
    assert "perhaps of an acknowledged append" in str(report.cut)


@pytest.mark.parametrize("missing", [1, 100, 500])
def test_aggressive_takes_a_log_that_was_shortened(site: EngineSite, missing: int) -> None:
    filled(site, clean=True)
    site.write("log.dat", site.read("log.dat")[:-missing])
    store = site.open(AGGRESSIVE)
    (lost,) = store.recovery_report.lost
    assert lost.last_index == 9
    assert store.log_bounds().last_index == (lost.first_index or 0) - 1
    store.append_log_entries(entries(store.last_log_index + 1, 12, term=4))
    assert site.reopen(NORMAL).last_log_index == 12


def test_the_kept_frames_of_a_compacted_log_do_not_speak_of_lost_ones(site: EngineSite) -> None:
    """Each of its frames says how many were written with it."""
    options = evolve(AGGRESSIVE, compaction_requires_snapshot=False)
    store = site.open(options)
    for index in range(1, 7):
        store.append_log_entries(entries(index, index))
    store.truncate_log_prefix(3)
    site.kill()
    site.flip("log.dat", -80)
    store = site.open(options)
    assert store.log_bounds() == bounds(3, 5, 1)
    assert [loss.first_index for loss in store.recovery_report.lost] == [6]
    normal = evolve(options, recovery_mode=RecoveryMode.NORMAL)
    assert site.reopen(normal).log_bounds() == bounds(3, 5, 1)


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
@pytest.mark.parametrize("offset", [0, 9, 20, 47])
def test_a_damaged_header_is_rebuilt_if_metadata_knows_it(
    site: EngineSite, offset: int, *, clean: bool
) -> None:
    filled(site, clean=clean)
    site.flip("log.dat", offset)
    with pytest.raises(CorruptedLogError):
        site.open(NORMAL)
    store = site.open(AGGRESSIVE)
    assert store.recovery_report.lost == ()
    assert replaced(store) == [site.path("log.dat")]
    assert store.get_log_entries(1, 10) == ALL
    store.close()
    assert site.open(NORMAL).get_log_entries(1, 10) == ALL


@pytest.mark.parametrize("damage", ["header alone", "header and first frame", "removed", "emptied"])
def test_a_log_of_which_nothing_can_be_read_is_refused_in_each_mode(
    site: EngineSite, damage: str
) -> None:
    offsets = filled(site, clean=True, snapshot=True)
    if damage == "removed":
        site.remove("log.dat")
    elif damage == "emptied":
        site.write("log.dat", b"")
    else:
        site.flip("log.dat", 20)
        if damage == "header alone":
            site.remove("metadata.json")
        else:
            site.flip("log.dat", offsets[0] + 30)
    before = site.content()
    for mode in RecoveryMode:
        with pytest.raises(CorruptedLogError):
            site.open(evolve(NORMAL, recovery_mode=mode))
        assert site.content() == before


def test_an_older_log_is_refused_in_each_mode(site: EngineSite) -> None:
    """Its entries may have been removed since."""
    options = evolve(NORMAL, compaction_requires_snapshot=False)
    store = site.open(options)
    store.append_log_entries(ALL)
    older = site.read("log.dat")
    store.truncate_log_prefix(5)
    site.kill()
    site.write("log.dat", older)
    for mode in RecoveryMode:
        with pytest.raises(CorruptedLogError, match="generation 2"):
            site.open(evolve(options, recovery_mode=mode))


def test_a_newer_version_is_refused_in_each_mode(site: EngineSite) -> None:
    filled(site, clean=True)
    newer = site.read("metadata.json").replace(b'"version":1', b'"version":7')
    site.write("metadata.json", newer)
    for mode in RecoveryMode:
        with pytest.raises(UnsupportedFormatError, match="version 7"):
            site.open(evolve(NORMAL, recovery_mode=mode))


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_a_sector_that_cannot_be_read_is_given_up_with_what_follows(
    site: EngineSite, frame: int
) -> None:
    offsets = filled(site, clean=True)
    broken = BadSector(site, offsets[frame] + 80)
    for options in (CONSERVATIVE, NORMAL):
        with pytest.raises(OSError, match="log") as caught:
            broken.open(options)
        assert caught.value.errno == errno.EIO
    store = broken.open(AGGRESSIVE)
    (lost,) = store.recovery_report.lost
    first = (1, 3, 6)[frame]
    assert (lost.offset, lost.first_index, lost.last_index) == (offsets[frame], first, 9)
    assert store.last_log_index == first - 1
    assert site.reopen(NORMAL).last_log_index == first - 1


class BadSector:
    """A site whose log has one byte that the medium does not give back."""

    def __init__(self, site: EngineSite, offset: int) -> None:
        self._site = site
        self._offset = offset

    def open(self, options: FileStorageOptions) -> FileStorage:
        bad, path = self._offset, self._site.path("log.dat")

        class File:
            def __init__(self, inner: object) -> None:
                self._inner = inner

            def __getattr__(self, name: str) -> object:
                return getattr(self._inner, name)

            def pread(self, length: int, offset: int) -> bytes:
                if offset <= bad < offset + length:
                    raise OSError(errno.EIO, "log sector", path)
                content: bytes = self._inner.pread(length, offset)  # type: ignore[attr-defined]
                return content

        class FileSystem:
            def __init__(self, inner: object) -> None:
                self._inner = inner
                self._bad = True

            def __getattr__(self, name: str) -> object:
                return getattr(self._inner, name)

            def open(self, asked: str, flags: object) -> object:
                file = self._inner.open(asked, flags)  # type: ignore[attr-defined]
                return File(file) if asked == path and self._bad else file

            def rename(self, source: str, target: str) -> None:
                self._bad = self._bad and target != path
                self._inner.rename(source, target)  # type: ignore[attr-defined]

        site = EngineSite(
            FileSystem(self._site.filesystem),  # type: ignore[arg-type]
            self._site.make_runtime,
            self._site.directory,
        )
        self._site.kill()
        store = site.open(options)
        self._site.watched = site.watched
        return store


# Aggressive: the state


@pytest.mark.parametrize("damage", ["removed", "flipped", "contradicting"])
def test_term_and_vote_are_made_up_in_no_mode(site: EngineSite, damage: str) -> None:
    filled(site, clean=True)
    if damage == "contradicting":
        other = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/other")
        other.open().save_state(PersistentState(4, "b"))
        site.write("state.json", other.read("state.json"))
    else:
        for name in ("state.json", "state.copy.json"):
            if damage == "removed":
                site.remove(name)
            else:
                site.flip(name, -20)
    before = site.content()
    for mode in RecoveryMode:
        with pytest.raises(CorruptedStateError, match="state"):
            site.open(evolve(NORMAL, recovery_mode=mode))
        assert site.content() == before


# Aggressive: the snapshot


def damage_snapshot(site: EngineSite, damage: str) -> None:
    if damage.startswith("removed"):
        site.remove(damage.removeprefix("removed "))
    elif damage == "shortened data":
        site.write("snapshot.dat", b"fou")
    elif damage == "flipped data":
        site.flip("snapshot.dat", 1)
    else:
        site.flip("snapshot_meta.json", -20)


IN_META: Final = ("flipped meta", "removed snapshot_meta.json")
IN_DATA: Final = ("shortened data", "removed snapshot.dat")


@pytest.mark.parametrize(
    ("damage", "clean"),
    [
        *((damage, True) for damage in (*IN_META, *IN_DATA)),
        *((damage, False) for damage in (*IN_DATA, "flipped data")),
    ],
)
def test_a_damaged_snapshot_goes_if_the_log_still_holds_all_it_held(
    site: EngineSite, damage: str, *, clean: bool
) -> None:
    filled(site, clean=clean, snapshot=True)
    damage_snapshot(site, damage)
    with pytest.raises(CorruptedSnapshotError):
        site.open(NORMAL)
    store = site.open(AGGRESSIVE)
    (lost,) = store.recovery_report.lost
    assert (lost.path, lost.offset, lost.first_index) == (site.path("snapshot.dat"), None, None)
    assert "the log still holds every entry from index 1 on" in str(lost)
    assert site.names() & {"snapshot.dat", "snapshot_meta.json"} == set()
    with pytest.raises(NoSnapshotError):
        store.load_snapshot()
    assert store.get_log_entries(1, 10) == ALL
    store.save_snapshot(SnapshotMetadata(5, 2), b"five")
    assert site.reopen(NORMAL).load_snapshot() == (SnapshotMetadata(5, 2), b"five")


@pytest.mark.parametrize("damage", IN_META)
def test_a_snapshot_of_unknown_index_stays_where_a_crash_may_have_put_it_beyond_the_log(
    site: EngineSite, damage: str
) -> None:
    filled(site, clean=False, snapshot=True)
    damage_snapshot(site, damage)
    before = site.content()
    with pytest.raises(CorruptedSnapshotError):
        site.open(AGGRESSIVE)
    assert site.content() == before


@pytest.mark.parametrize("damage", [*IN_META, *IN_DATA])
@pytest.mark.parametrize("why", ["compacted", "log damaged too"])
def test_a_snapshot_that_nothing_replaces_is_refused_in_each_mode(
    site: EngineSite, damage: str, why: str
) -> None:
    offsets = filled(site, clean=False, snapshot=True)
    if why == "compacted":
        with site.open(NORMAL) as store:
            store.truncate_log_prefix(5)
    else:
        site.flip("log.dat", offsets[0] + 100)
    damage_snapshot(site, damage)
    before = site.content()
    for mode in RecoveryMode:
        with pytest.raises(CorruptedError):
            site.open(evolve(NORMAL, recovery_mode=mode))
        assert site.content() == before


# Crashes inside salvage


@frozen
class Salvage:
    """A damaged directory and what is left once it has been salvaged."""

    name: str
    damage: Callable[[EngineSite, list[int]], None]
    last_index: int
    clean: bool = False


def _flip_log(frame: int) -> Callable[[EngineSite, list[int]], None]:
    return lambda site, offsets: site.flip("log.dat", offsets[frame] + 90)


def _torn_litter(site: EngineSite, offsets: list[int]) -> None:
    site.flip("log.dat", offsets[2] + 10)
    for name in ("log.dat.tmp", "state.json.tmp", "snapshot.marker"):
        site.write(name, b"half a file")


SALVAGES: Final = (
    Salvage("a middle frame", _flip_log(1), 4),
    Salvage("the first frame", _flip_log(0), 4),
    Salvage("the log's header", lambda site, _: site.flip("log.dat", 20), 9),
    Salvage("the last frame of a clean log, litter", _torn_litter, 5, clean=True),
    Salvage("the snapshot's data", lambda site, _: site.flip("snapshot.dat", 0), 9),
    Salvage(
        "the snapshot's meta", lambda site, _: damage_snapshot(site, IN_META[0]), 9, clean=True
    ),
    Salvage("one copy of the state", lambda site, _: site.flip("state.json", -20), 9),
)


def shown(store: FileStorage) -> tuple[object, ...]:
    log = store.log_bounds()
    held: list[LogEntry] = []
    if log.first_index <= log.last_index:
        held = store.get_log_entries(log.first_index, log.last_index + 1)
    try:
        snapshot: object = store.load_snapshot()
    except NoSnapshotError:
        snapshot = None
    return store.load_state(), log, held, snapshot


@pytest.mark.parametrize("case", SALVAGES, ids=lambda case: case.name)
def test_a_salvage_that_is_cut_short_ends_the_same_when_it_is_done_again(case: Salvage) -> None:
    """Every crash under the weakest safe promises, and every crash inside the salvage after it."""
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    case.damage(site, filled(site, clean=case.clean, snapshot=True))
    image = image_of(site.content())
    store, _ = opened(image, AGGRESSIVE)
    expected = shown(store)
    assert store.last_log_index == case.last_index
    after = left_by_open(image, AGGRESSIVE).files()
    assert left_by_open(image, AGGRESSIVE).files() == after
    count = 0
    for crashed in images_inside(image, POSIX, AGGRESSIVE, depth=2):
        count += 1
        store, _ = opened(crashed, AGGRESSIVE)
        assert shown(store) == expected
        next_index = store.last_log_index + 1
        store.append_log_entries(entries(next_index, next_index, term=9))
        assert visible(left_by_open(crashed, AGGRESSIVE).files()) == visible(after)
    assert count >= 3


def visible(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return contents but for two that may differ: zeros behind the log, and older evidence."""
    return {
        path: content.rstrip(b"\0")
        for path, content in files.items()
        if not path.endswith("/metadata.json")
    }


@pytest.mark.parametrize("case", SALVAGES, ids=lambda case: case.name)
def test_once_salvaged_a_store_opens_in_each_mode(case: Salvage) -> None:
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    case.damage(site, filled(site, clean=case.clean, snapshot=True))
    with site.open(AGGRESSIVE) as store:
        expected = shown(store)
    for mode in RecoveryMode:
        with site.open(evolve(NORMAL, recovery_mode=mode)) as store:
            assert store.recovery_report.clean
            assert store.recovery_report.lost == ()
            assert shown(store) == expected


NAMES: Final = st.sampled_from(["log.dat", "snapshot.dat", "metadata.json"])


@examples(150)
@given(
    flips=st.lists(st.tuples(NAMES, st.integers(0, 10**6)), min_size=1, max_size=3),
    clean=st.booleans(),
)
def test_whatever_was_flipped_aggressive_shows_a_true_prefix_and_tells_what_is_gone(
    flips: list[tuple[str, int]], *, clean: bool
) -> None:
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    filled(site, clean=clean, snapshot=True)
    for name, position in flips:
        site.flip(name, position % len(site.read(name)))
    before = site.content()
    refused = False
    try:
        store = site.open(AGGRESSIVE)
    except (CorruptedError, UnsupportedFormatError):
        refused = True
    if refused:
        assert site.content() == before
        return
    last = store.last_log_index
    first = store.first_log_index
    assert first in (1, 5)
    if first <= last:
        assert store.get_log_entries(first, last + 1) == ALL[first - 1 : last]
    report = store.recovery_report
    assert store.load_state() == STATE
    assert (last == 9) or report.lost or (report.cut and report.cut.ambiguous)


@pytest.mark.minutes
@pytest.mark.parametrize("name", SCENARIOS)
def test_aggressive_is_never_reported_where_nothing_is_damaged(name: str) -> None:
    workload = SCENARIOS[name].workload(0)
    options = evolve(workload.options, recovery_mode=RecoveryMode.AGGRESSIVE)
    recording = record(evolve(workload, options=options), find_store("builtin"))
    sweep = explore(recording, POSIX)
    assert recording.problems == ()
    assert sweep.findings == ()
    assert sweep.judged > 0
