"""The damage matrix: its rules on cases told by hand, the engine in it, and broken engines."""

from collections.abc import Sequence

import pytest
from attrs import evolve

from wavetank.engine import (
    CorruptedError,
    CorruptedLogError,
    CorruptedSnapshotError,
    CorruptedStateError,
    FileStorage,
    FileStorageOptions,
    FileSystem,
    LogEntry,
    OpenFlag,
    PersistentState,
    RecoveryMode,
    RecoveryReport,
)
from wavetank.scenarios.corruption import (
    RULES,
    STORES,
    Damage,
    DamagedFiles,
    DamageKind,
    DamageResult,
    LogView,
    Opener,
    Outcome,
    Rule,
    StoreRecord,
    damages,
    expect,
    inflict,
    interrupted,
    judge,
    look,
    medium_of,
    open_engine,
    regions,
    run_damage,
    store_record,
)

NORMAL, AGGRESSIVE, CONSERVATIVE = (
    RecoveryMode.NORMAL,
    RecoveryMode.AGGRESSIVE,
    RecoveryMode.CONSERVATIVE,
)
KILLED = "batches, killed"
CLOSED = "batches, closed"


def changed(record: StoreRecord, **files: bytes | None) -> DamagedFiles:
    """Return the store's files, with some replaced or, for None, gone; `_` stands for a dot."""
    held = dict(record.files)
    for name, content in files.items():
        path = name.replace("__", ".")
        if content is None:
            del held[path]
        else:
            held[path] = content
    return DamagedFiles(files=held, unreadable={})


def log_rule(record: StoreRecord, damaged: DamagedFiles) -> Rule:
    return expect(record, damaged).log.rule


# The rules, by hand


def test_the_newest_batch_of_a_killed_store_is_in_doubt_and_of_a_closed_one_is_not() -> None:
    for name, rule in ((KILLED, Rule.NEWEST_BATCH), (CLOSED, Rule.ACKNOWLEDGED_FRAME)):
        record = store_record(name)
        log, end = record.files["log.dat"], record.end_of_frames
        assert log_rule(record, changed(record, log__dat=log[: end - 1])) is rule
        hurt = log[: end - 1] + b"?" + log[end:]
        assert log_rule(record, changed(record, log__dat=hurt)) is rule


def test_a_frame_below_a_watermark_is_acknowledged() -> None:
    record = store_record(KILLED)
    log, second = record.files["log.dat"], record.frames[1]
    hurt = bytearray(log)
    hurt[second.offset + 80] ^= 1
    damaged = changed(record, log__dat=bytes(hurt))
    expected = expect(record, damaged)
    assert expected.log.rule is Rule.ACKNOWLEDGED_FRAME
    assert (expected.log.broken_at, expected.log.index) == (second.offset, second.first_index)
    assert (expected.log.term, expected.log.intact) == (second.first_term, (0, 2, 3, 4, 5))
    assert expected.log.shown == record.frames_alone[1]
    # A caller's command may hold what looks like a frame.
    inside = bytearray(log[: record.frames[2].offset])
    inside[second.offset + 300 : second.offset + 372] = log[record.frames[2].offset :][:72]
    assert log_rule(record, changed(record, log__dat=bytes(inside))) is Rule.NEWEST_BATCH
    # Once nothing behind it is left, nothing speaks of it any more.
    cut = changed(record, log__dat=bytes(hurt[: record.frames[2].offset]))
    assert log_rule(record, cut) is Rule.NEWEST_BATCH
    # A header proves it, whatever became of the payload behind it.
    headers = bytes(hurt[: record.frames[2].offset + 72])
    assert log_rule(record, changed(record, log__dat=headers)) is Rule.ACKNOWLEDGED_FRAME


def test_a_suffix_lost_at_a_boundary_is_undetectable_above_what_metadata_knows_alone() -> None:
    record = store_record("reopened, killed")
    log = record.files["log.dat"]
    said = record.says("metadata.json", record.files["metadata.json"]) or {}
    known = said["watermark"]
    assert isinstance(known, int)
    assert 0 < known < len(record.frames) - 1
    for kept, frame in enumerate(record.frames):
        rule = log_rule(record, changed(record, log__dat=log[: frame.offset]))
        wanted = Rule.LOST_SUFFIX if kept >= known else Rule.ACKNOWLEDGED_FRAME
        assert rule is wanted, kept


def test_words_are_allowed_where_the_rules_allow_them_and_nowhere_else() -> None:
    undetectable = {rule for rule in Rule if Outcome.UNDETECTABLE in RULES[rule][NORMAL]}
    assert undetectable == {
        Rule.LOST_SUFFIX,
        Rule.OLDER_STORE,
        Rule.STATE_REVERTED,
        Rule.CLOSED_EARLY,
    }
    for rule in (
        Rule.ACKNOWLEDGED_FRAME,
        Rule.BOTH_STATE_COPIES,
        Rule.CLOSED_END,
        Rule.LOG_MISSING,
        Rule.SNAPSHOT,
    ):
        assert all(RULES[rule][mode] == {Outcome.DETECTED} for mode in RecoveryMode), rule
    assert set(RULES) == set(Rule)


def test_one_copy_of_the_state_and_both_are_told_apart() -> None:
    record = store_record(CLOSED)
    one = changed(record, state__json=None)
    both = changed(record, state__json=None, state__copy__json=b"")
    assert expect(record, one).state is Rule.ONE_STATE_COPY
    assert expect(record, both).state is Rule.BOTH_STATE_COPIES
    named = record.files["state.json"].replace(b'"version":1', b'"version":3')
    assert expect(record, changed(record, state__json=named)).state is Rule.OTHER_VERSION


def reverted(record: StoreRecord, copies: dict[str, bytes | None]) -> Rule:
    return expect(record, changed(record, **copies)).state


def test_an_older_copy_of_the_state_is_told_by_the_terms_of_the_log_or_not_at_all() -> None:
    record = store_record("batches, killed")
    older = record.older["state.json"][0]
    assert older is not None
    torn = record.files["state.json"][:20]
    assert reverted(record, {"state__json": older, "state__copy__json": torn}) is (
        Rule.BOTH_STATE_COPIES
    )
    # A kill in the middle of a save leaves two copies that are one save apart.
    assert reverted(record, {"state__json": older, "state__copy__json": older}) is (
        Rule.STATE_REVERTED
    )
    # What is left of a damaged copy shows that it was an older one, too.
    assert reverted(record, {"state__json": older, "state__copy__json": older[:60]}) is (
        Rule.STATE_REVERTED
    )
    voted = store_record("voted, killed")
    vote = voted.older["state.json"][0]
    assert reverted(voted, {"state__json": vote, "state__copy__json": None}) is Rule.STATE_REVERTED


def test_a_log_that_seems_closed_ends_where_metadata_says_or_is_damaged() -> None:
    record = store_record(KILLED)
    log = record.files["log.dat"]
    short = log[: record.end_of_frames - 1]
    assert log_rule(record, changed(record, log__dat=short)) is Rule.NEWEST_BATCH
    unmarked = changed(record, log__dat=short, recovery__marker=None)
    assert log_rule(record, unmarked) is Rule.CLOSED_END
    torn = changed(record, log__dat=log + b"?", recovery__marker=None)
    assert log_rule(record, torn) is Rule.CLOSED_END
    # An older metadata.json may say that the log ended just there.
    closed = store_record("reopened, closed")
    older = closed.older["metadata.json"][0]
    said = closed.says("metadata.json", older) or {}
    ended = said["log_length"]
    assert isinstance(ended, int)
    content = closed.files["log.dat"]
    for rest, rule in ((content[ended:][:30], Rule.CLOSED_END), (b"?" * 30, Rule.CLOSED_EARLY)):
        damaged = changed(closed, log__dat=content[:ended] + rest, metadata__json=older)
        assert log_rule(closed, damaged) is rule


def test_filler_to_the_end_is_nothing_and_filler_with_other_bytes_in_it_is_in_doubt() -> None:
    record = store_record(KILLED)
    log, end = record.files["log.dat"], record.end_of_frames
    free = log[end:]
    assert free == (b"\xf6Wvfree\n" * len(free))[end % 8 :][: len(free)]
    assert len(free) > 512
    for rest, rule in (
        (free[:100], Rule.UNTOUCHED),
        (free[:100] + b"?" + free[101:], Rule.BEHIND_THE_LOG),
        (free[1:], Rule.BEHIND_THE_LOG),  # it depends on the offset
        (bytes(72) + free[72:], Rule.BEHIND_THE_LOG),
    ):
        assert log_rule(record, changed(record, log__dat=log[:end] + rest)) is rule
    # A frame that turned into filler cannot be told from one that was never written.
    last = record.frames[-1].offset
    gone = log[:last] + (b"\xf6Wvfree\n" * 99)[last % 8 :][: end - last] + free
    assert log_rule(record, changed(record, log__dat=gone)) is Rule.LOST_SUFFIX


def test_a_snapshot_under_way_says_that_the_store_was_not_closed() -> None:
    record = store_record("inside the first snapshot 5")
    damaged = changed(record, log__dat=record.files["log.dat"][:84], recovery__marker=None)
    assert "snapshot.marker" in damaged.files
    assert log_rule(record, damaged) is Rule.NEWEST_BATCH
    for mode in RecoveryMode:
        judged = judge(record, damaged, mode, expect(record, damaged), look(record, damaged, mode))
        assert (judged.outcome, judged.problem) == (Outcome.AMBIGUOUS, "")


def test_an_older_log_whose_header_is_damaged_is_known_from_its_metadata() -> None:
    record = store_record("inside the second snapshot 14")
    older = record.older["log.dat"][0]
    assert older is not None
    damaged = changed(record, log__dat=older[:12] + bytes([older[12] ^ 1]) + older[13:])
    expected = expect(record, damaged)
    assert expected.log.rule is Rule.LOG_HEADER
    for mode in RecoveryMode:
        assert judge(record, damaged, mode, expected, look(record, damaged, mode)).problem == ""


# Stores, places and damages


def test_there_is_every_damage_to_every_file_and_each_leaves_something_of_its_own() -> None:
    for name in list(STORES)[::10]:
        record = store_record(name)
        done = list(damages(record))
        untouched = DamagedFiles(files=record.files, unreadable={})
        left = [inflict(damage, record, untouched) for damage in done]
        assert untouched not in left
        assert len({repr(each) for each in left}) == len(left)
        assert {damage.region.file for damage in done} >= set(record.files)
        assert {damage.kind for damage in done} == set(DamageKind)


def test_regions_name_each_field() -> None:
    meanings = {region.meaning for region in regions(store_record("compacted, closed"))}
    assert {
        "whole file",
        "header: incarnation",
        "frame header: watermark",
        "frame header: payload length",
        "payload: terms",
        "payload: commands",
        "key checksum",
        "value of current_term",
        "value of log_length",
        "value of data_checksum",
        "data",
    } <= meanings
    torn = {region.meaning for region in regions(store_record("torn append, killed"))}
    assert "behind the last frame" in torn


def test_calls_are_interrupted_at_every_moment_that_leaves_something_of_its_own() -> None:
    inside = {
        (recipe.steps, recipe.call): interrupted(recipe)
        for recipe in STORES.values()
        if recipe.call is not None
    }
    assert len(inside) == 4
    for (_, call), moments in inside.items():
        numbers = [recipe.moment for recipe in STORES.values() if recipe.call is call]
        assert numbers == list(range(1, len(moments) + 1))
    names = {name for moments in inside.values() for each in moments for name in each.files}
    assert {"snapshot.marker", "snapshot.dat.tmp", "log.dat.tmp", "metadata.json.tmp"} <= names
    assert {"state.json.tmp", "state.copy.json.tmp", "snapshot_meta.json.tmp"} <= names


def test_a_snapshot_under_way_is_there_or_the_one_before() -> None:
    committed = store_record("inside the second snapshot 6")
    old, new = committed.before, committed.content
    assert old is not None
    assert old.snapshot is not None
    assert new.snapshot is not None
    assert new.snapshot[0].last_included_index > old.snapshot[0].last_included_index
    damaged = changed(committed, snapshot_meta__json=b"?")
    expected = expect(committed, damaged)
    assert expected.snapshot is Rule.PENDING_SNAPSHOT
    assert expected.snapshot_shown == new.snapshot
    assert look(committed, damaged, NORMAL).snapshot == new.snapshot
    # Its data has replaced the old one: without its metadata, or the marker, there is none.
    for name in ("snapshot_meta__json__tmp", "snapshot__marker"):
        damaged = changed(committed, **{name: None})
        assert expect(committed, damaged).snapshot is Rule.SNAPSHOT
    before = store_record("inside the second snapshot 4")
    damaged = changed(before, snapshot__dat__tmp=b"?")
    assert expect(before, damaged).snapshot_shown == old.snapshot


def test_stores_hold_what_they_say() -> None:
    assert store_record("compacted, closed").dump.log_header is not None
    header = store_record("compacted, closed").dump.log_header
    assert header is not None
    assert header.base_index > 0
    torn = store_record("torn append, killed")
    assert torn.end_of_frames < len(torn.files["log.dat"])
    assert {frame.kind for frame in store_record("truncated, killed").frames} == {
        "entries",
        "truncation",
    }
    assert {frame.encoding for frame in store_record("json, closed").frames} == {"json"}
    for name in STORES:
        record = store_record(name)
        assert record.log == record.log_after(len(record.frames), record.snapshot)
        assert record.closed == ("recovery.marker" not in record.files)


# The engine


@pytest.mark.parametrize("part", range(10))
def test_cells_of_every_store_are_right(part: int) -> None:
    result = run_damage(list(STORES)[part::10], one_in=37)
    assert result.wrong == ()
    assert result.cells > 120


@pytest.mark.minutes
@pytest.mark.parametrize("name", STORES)
def test_every_cell_is_right(name: str) -> None:
    result = run_damage([name])
    assert result.wrong == ()
    assert result.cells > 600


def test_the_matrix_has_each_outcome_and_says_how_often() -> None:
    result = run_damage(["batches, killed", "compacted, closed"], one_in=9)
    assert all(count > 0 for count in result.outcomes().values())
    assert sum(result.outcomes().values()) == result.cells
    by_mode = result.by(lambda key: (key.mode,))
    assert set(by_mode) == {"conservative", "normal", "aggressive"}
    closed = result.by(lambda key: (key.store,))["compacted, closed"]
    assert (closed["ambiguous"], closed["undetectable"]) == (0, 0)


def test_pairs_are_the_same_however_many_are_asked_for() -> None:
    few, more = (run_damage([KILLED], pairs=count, one_in=99) for count in (40, 80))
    assert (few.pairs, more.pairs) == (40, 80)
    kept = {key: count for key, count in few.counts.items() if key.pair}
    assert all(more.counts[key] >= count for key, count in kept.items())


def test_two_damages_at_once_are_right_too() -> None:
    result = run_damage(list(STORES)[::6], pairs=300, one_in=10_000)
    assert result.pairs == 300
    assert result.wrong == ()


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs: expected 0 or more, got -1"):
        run_damage([KILLED], pairs=-1)
    with pytest.raises(ValueError, match="one_in: expected 1 or more, got 0"):
        run_damage([KILLED], one_in=0)
    with pytest.raises(KeyError):
        run_damage(["no such store"])


# Engines that are broken on purpose


class _Quiet(FileStorage):
    """Says nothing of what it lost."""

    @property
    def recovery_report(self) -> RecoveryReport:
        return evolve(super().recovery_report, lost=(), cut=None)


class _Unchecked(FileStorage):
    """Shows a byte that was never written."""

    def get_log_entries(
        self, start: int, end: int, *, timeout: float | None = None, cancel: object = None
    ) -> list[LogEntry]:
        del timeout, cancel
        first, *rest = super().get_log_entries(start, end)
        return [LogEntry(first.index, first.term, first.command[:-1] + b"?"), *rest]


class _Blind(FileStorage):
    """Shows nothing of a damaged log to those who only look."""

    def get_log_entry(
        self, index: int, *, timeout: float | None = None, cancel: object = None
    ) -> LogEntry:
        del timeout, cancel
        raise CorruptedLogError(f"no entry {index}")


class _Forgetful(FileStorage):
    """Knows of no vote."""

    def load_state(self, **_: object) -> PersistentState:
        return PersistentState(0, "")


def _made_of(kind: type[FileStorage]) -> Opener:
    def opener(fs: FileSystem, options: FileStorageOptions) -> FileStorage:
        opened = open_engine(fs, options)
        opened.__class__ = kind
        return opened

    return opener


def _cuts_what_it_cannot_read(fs: FileSystem, options: FileStorageOptions) -> FileStorage:
    """Open as a store does that takes every damage for a torn tail."""
    try:
        return open_engine(fs, options)
    except CorruptedLogError as error:
        if error.offset is None:
            raise
        file = fs.open("/store/log.dat", OpenFlag.WRITE)
        file.truncate(error.offset)
        file.close()
        fs.unlink("/store/metadata.json")
        return open_engine(fs, options)


def _starts_afresh(fs: FileSystem, options: FileStorageOptions) -> FileStorage:
    try:
        return open_engine(fs, options)
    except CorruptedError:
        for name in list(fs.listdir("/store")):
            fs.unlink(f"/store/{name}")
        return open_engine(fs, options)


def _changes_before_it_refuses(fs: FileSystem, options: FileStorageOptions) -> FileStorage:
    try:
        return open_engine(fs, options)
    except CorruptedError:
        fs.open("/store/metadata.json.tmp", OpenFlag.WRITE | OpenFlag.CREATE).close()
        raise


def _trips(fs: FileSystem, options: FileStorageOptions) -> FileStorage:
    try:
        return open_engine(fs, options)
    except CorruptedStateError as error:
        raise KeyError("term") from error
    except CorruptedLogError as error:
        raise KeyError("index") from error


def _never_ends(fs: FileSystem, options: FileStorageOptions) -> FileStorage:
    try:
        return open_engine(fs, options)
    except CorruptedLogError:
        file = fs.open("/store/log.dat", OpenFlag.READ)
        while True:
            file.pread(1, 0)


def _problems(result: DamageResult) -> set[str]:
    return {cell.problem.partition(":")[0] for cell in result.wrong}


@pytest.mark.parametrize(
    ("opener", "problem"),
    [
        (_made_of(_Quiet), "silent loss"),
        (_made_of(_Unchecked), "wrong data"),
        (_made_of(_Forgetful), "wrong data"),
        (_made_of(_Blind), "read_only does not show entry 1"),
        (_cuts_what_it_cannot_read, "silent loss"),
        (_starts_afresh, "wrong data"),
        (_changes_before_it_refuses, "a refused open has changed the directory"),
        (_trips, "an untyped error"),
        (_never_ends, "no end after 5000 reads"),
    ],
)
def test_a_broken_engine_is_found_out(opener: Opener, problem: str) -> None:
    result = run_damage(["reopened, killed"], one_in=11, opener=opener)
    assert not result.passed
    assert problem in _problems(result)


def _one(record: StoreRecord, kind: DamageKind, meaning: str) -> Sequence[Damage]:
    return [
        damage
        for damage in damages(record)
        if damage.kind is kind and damage.region.meaning == meaning
    ]


def test_an_answer_names_its_word_and_what_is_wrong_with_it() -> None:
    record = store_record(KILLED)
    (flip, *_) = _one(record, DamageKind.BIT_FLIP, "payload: commands")
    damaged = inflict(flip, record, DamagedFiles(files=record.files, unreadable={}))
    expected = expect(record, damaged)
    shown = look(record, damaged, NORMAL)
    assert judge(record, damaged, NORMAL, expected, shown).outcome is Outcome.DETECTED
    lost = look(record, damaged, AGGRESSIVE)
    assert judge(record, damaged, AGGRESSIVE, expected, lost).problem == ""
    # The answer to one damage is wrong for another.
    untouched = evolve(expected, log=evolve(expected.log, rule=Rule.UNTOUCHED))
    wrong = judge(record, damaged, CONSERVATIVE, untouched, shown)
    assert wrong.problem.startswith("refused without reason: CorruptedLogError")


def test_an_unreadable_snapshot_hides_no_entry_from_those_who_only_look() -> None:
    record = store_record("snapshots, killed")
    unreadable = {"snapshot.dat": ((0, 1 << 20),)}
    damaged = DamagedFiles(files=record.files, unreadable=unreadable)
    store = open_engine(medium_of(damaged), evolve(record.options, read_only=True))
    assert tuple(store.get_log_entries(1, record.log.last_index + 1)) == record.log.entries
    with pytest.raises(CorruptedSnapshotError):
        store.load_snapshot()


def test_two_damaged_frames_in_a_row_are_told_as_a_loss_to_those_who_only_look() -> None:
    record = store_record("inside the second snapshot 11")
    log, (first, second, _) = bytearray(record.files["log.dat"]), record.frames
    log[first.offset + 100] ^= 1
    log[second.offset] ^= 1
    damaged = changed(record, log__dat=bytes(log), metadata__json=None)
    store = open_engine(medium_of(damaged), evolve(record.options, read_only=True))
    (loss,) = store.recovery_report.lost
    assert (loss.offset, loss.first_index) == (first.offset, first.first_index)


def test_a_log_that_ends_before_a_snapshot_gives_way_to_it_though_the_marker_is_lost() -> None:
    record = store_record("inside the second snapshot 5")
    older = record.older["log.dat"][0]
    shown = look(record, changed(record, log__dat=older, recovery__marker=None), NORMAL)
    assert (shown.log, shown.snapshot) == (LogView(9, 2, ()), record.snapshot)


def test_a_sector_that_cannot_be_read_hides_nothing_but_itself() -> None:
    record = store_record("json, closed")
    metadata, frame = record.older["metadata.json"][0], record.frames[0]
    assert metadata is not None
    lost = frame.offset // 512 * 512 + 512
    assert frame.offset + 72 < lost < frame.offset + frame.size
    damaged = evolve(
        changed(record, metadata__json=metadata),
        unreadable={"log.dat": ((lost, lost + 512),)},
    )
    (loss,) = (look(record, damaged, AGGRESSIVE).report or pytest.fail("refused")).lost
    assert (loss.offset, loss.first_index, loss.last_index) == (frame.offset, 1, 14)
