"""Space reserved ahead: a full disk shows before an append, and its zeros confuse nobody."""

import errno
from collections.abc import Callable

import pytest
from attrs import evolve
from engine_site import INLINE, EngineSite, entries
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    CorruptedLogError,
    FileStorage,
    FileStorageOptions,
    LogEntry,
    RecoveryMode,
    StorageIOError,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

PLAIN = FileStorageOptions(retained_log_size=0, compaction_requires_snapshot=False, features=INLINE)
RESERVING = evolve(PLAIN, preallocate=4096)
HEADER_SIZE = 48


def reservations(site: EngineSite) -> list[int]:
    return [call.length for call in site.calls(frozenset({"preallocate"}))]


def test_space_is_reserved_a_step_at_a_time(site: EngineSite) -> None:
    store = site.open(RESERVING)
    store.append_log_entries(entries(1, 1, size=1000))
    assert reservations(site) == [4096]
    assert len(site.read("log.dat")) == HEADER_SIZE + 4096
    for index in (2, 3):
        store.append_log_entries(entries(index, index, size=1000))
    assert reservations(site) == [4096]
    store.append_log_entries(entries(4, 4, size=1000))
    assert reservations(site) == [4096, 4096]
    store.append_log_entries(entries(5, 9, size=4000))
    assert reservations(site)[2:] == [72 + 5 * 4016]
    assert store.get_log_entries(1, 5) == entries(1, 4, size=1000)


def test_without_the_option_nothing_is_reserved(site: EngineSite) -> None:
    store = site.open(PLAIN)
    store.append_log_entries(entries(1, 9))
    assert reservations(site) == []


def test_an_append_within_reserved_space_is_still_one_write_and_one_sync(site: EngineSite) -> None:
    store = site.open(RESERVING)
    store.append_log_entries(entries(1, 1))
    site.forget()
    store.append_log_entries(entries(2, 2))
    assert [(call.kind, call.name) for call in site.watched.calls] == [
        ("pwrite", "log.dat"),
        ("datasync", "log.dat"),
    ]


@pytest.mark.parametrize("end", ["close", "kill"])
@pytest.mark.parametrize("options", [PLAIN, RESERVING], ids=["plain", "reserving"])
def test_reserved_space_is_no_tail_and_goes(
    site: EngineSite, end: str, options: FileStorageOptions
) -> None:
    store = site.open(RESERVING)
    store.append_log_entries(entries(1, 5))
    if end == "close":
        store.close()
        assert not site.read("log.dat").endswith(bytes(9))
    store = site.reopen(options)
    assert store.recovery_report.cut is None
    assert store.recovery_report.clean == (end == "close")
    assert len(site.read("log.dat").rstrip(b"\0")) > len(site.read("log.dat")) - 80
    assert store.get_log_entries(1, 6) == entries(1, 5)
    store.append_log_entries(entries(6, 6))
    assert site.reopen(PLAIN).get_log_entries(1, 7) == entries(1, 6)


def test_a_store_that_no_longer_reserves_space_takes_zeros_for_a_tail_again(
    site: EngineSite,
) -> None:
    site.open(RESERVING).close()
    store = site.open(PLAIN)
    store.append_log_entries(entries(1, 5))
    site.kill()
    site.write("log.dat", site.read("log.dat") + bytes(4096))
    with pytest.raises(CorruptedLogError):
        site.open(evolve(PLAIN, recovery_mode=RecoveryMode.CONSERVATIVE))
    site.kill()
    assert site.open(PLAIN).recovery_report.cut is not None


def test_a_conservative_open_has_no_doubt_about_reserved_space(site: EngineSite) -> None:
    store = site.open(RESERVING)
    store.append_log_entries(entries(1, 5))
    store = site.reopen(evolve(RESERVING, recovery_mode=RecoveryMode.CONSERVATIVE))
    assert store.get_log_entries(1, 6) == entries(1, 5)


def test_a_read_only_open_takes_reserved_space_for_nothing(site: EngineSite) -> None:
    store = site.open(RESERVING)
    store.append_log_entries(entries(1, 5))
    site.kill()
    store = site.open(evolve(PLAIN, read_only=True))
    assert store.recovery_report.cut is None
    assert store.recovery_report.lost == ()
    assert store.get_log_entries(1, 6) == entries(1, 5)


@pytest.mark.parametrize("kept", [1, 71, 72, 300])
def test_an_append_that_broke_off_within_reserved_space_is_cut(site: EngineSite, kept: int) -> None:
    store = site.open(RESERVING)
    store.append_log_entries(entries(1, 2))
    end = len(site.read("log.dat").rstrip(b"\0"))
    store.append_log_entries(entries(3, 5, size=200))
    site.kill()
    content = site.read("log.dat")
    site.write("log.dat", content[: end + kept] + bytes(len(content) - end - kept))
    store = site.open(RESERVING)
    cut = store.recovery_report.cut
    assert cut is not None
    assert (cut.offset, cut.ambiguous) == (end, True)
    store.append_log_entries(entries(3, 4, term=2))
    assert site.reopen(PLAIN).get_log_entries(1, 5) == entries(1, 2) + entries(3, 4, term=2)


def test_damage_before_reserved_space_is_refused_as_ever(site: EngineSite) -> None:
    store = site.open(RESERVING)
    for index in (1, 2, 3):
        store.append_log_entries(entries(index, index, size=100))
    site.kill()
    site.flip("log.dat", HEADER_SIZE + 100)
    with pytest.raises(CorruptedLogError, match="index 1"):
        site.open(RESERVING)


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.append_log_entries(entries(2, 2)),
        lambda store: store.truncate_log_suffix(1),
    ],
    ids=["append", "truncate"],
)
def test_a_full_disk_refuses_a_change_before_it_begins_and_work_goes_on_when_there_is_room(
    site: EngineSite, change: Callable[[FileStorage], None]
) -> None:
    store = site.open(RESERVING)
    store.append_log_entries(entries(1, 1, size=4096 - 72 - 16))
    site.forget()
    site.watched.refuse = lambda call: errno.ENOSPC if call.kind == "preallocate" else None
    for _ in range(2):
        with pytest.raises(StorageIOError) as caught:
            change(store)
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, site.path("log.dat"))
    assert site.calls() == []
    assert store.last_log_index == 1
    site.heal()
    store.append_log_entries(entries(2, 2))
    assert site.reopen(RESERVING).get_log_entry(2) == entries(2, 2)[0]


def test_where_the_whole_step_does_not_fit_the_append_alone_may(site: EngineSite) -> None:
    store = site.open(RESERVING)
    site.watched.refuse = lambda call: (
        errno.ENOSPC if call.kind == "preallocate" and call.length > 200 else None
    )
    store.append_log_entries(entries(1, 1))
    assert reservations(site) == [4096, 72 + 16 + len(entries(1, 1)[0].command)]
    with pytest.raises(StorageIOError):
        store.append_log_entries(entries(2, 2, size=500))
    store.append_log_entries(entries(2, 2))
    assert store.get_log_entries(1, 3) == entries(1, 2)


def test_a_compacted_log_begins_without_reserved_space(site: EngineSite) -> None:
    store = site.open(RESERVING)
    store.append_log_entries(entries(1, 9))
    store.truncate_log_prefix(5)
    assert not site.read("log.dat").endswith(bytes(9))
    store.append_log_entries(entries(10, 10))
    assert site.reopen(PLAIN).get_log_entries(5, 11) == entries(5, 10)


@examples(60)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["append", "append", "suffix", "close", "kill"]),
            st.integers(1, 9),
            st.integers(0, 900),
        ),
        max_size=20,
    ),
    sizes=st.lists(st.sampled_from([0, 1, 100, 4096, 1 << 20]), min_size=1, max_size=4),
)
def test_whatever_is_reserved_the_log_agrees_with_a_plain_list(
    steps: list[tuple[str, int, int]], sizes: list[int]
) -> None:
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    turn = 0
    store = site.open(evolve(PLAIN, preallocate=sizes[0]))
    expected: list[LogEntry] = []
    for step, number, size in steps:
        if step == "append":
            batch = entries(len(expected) + 1, len(expected) + number, size=size)
            store.append_log_entries(batch)
            expected += batch
        elif step == "suffix":
            store.truncate_log_suffix(max(1, len(expected) + 1 - number))
            del expected[max(0, len(expected) - number) :]
        else:
            if step == "close":
                store.close()
            turn += 1
            store = site.reopen(evolve(PLAIN, preallocate=sizes[turn % len(sizes)]))
            assert store.recovery_report.cut is None
        assert store.last_log_index == len(expected)
        if expected:
            assert store.get_log_entries(1, len(expected) + 1) == expected


@pytest.mark.parametrize("value", [-1, (1 << 30) + 1, "1", 1.0, True])
def test_an_amount_of_no_meaning_is_refused_by_name(value: object) -> None:
    expected = ValueError if type(value) is int else TypeError
    with pytest.raises(expected, match=r"FileStorageOptions\.preallocate"):
        FileStorageOptions(preallocate=value)  # type: ignore[arg-type]
