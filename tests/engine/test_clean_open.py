"""A large log that was closed cleanly is opened by the headers of its frames."""

import pytest
from engine_site import EngineSite, entries

from wavetank.engine import CorruptedLogError, FileStorageOptions, LogBounds

FRAME = 72 + 8 * (16 + 1024)
FRAMES = 140
LAST = 8 * FRAMES


@pytest.fixture
def closed(site: EngineSite) -> EngineSite:
    """Make a log of more than a mebibyte in frames of 8 KiB, and close it."""
    with site.open() as store:
        for first in range(1, LAST + 1, 8):
            store.append_log_entries(entries(first, first + 7, size=1024))
        store.truncate_log_suffix(LAST)
        store.append_log_entries(entries(LAST, LAST, term=2))
    return site


def reads(site: EngineSite) -> int:
    kinds = frozenset({"pread"})
    return sum(call.length for call in site.calls(kinds) if call.name == "log.dat")


def test_only_headers_and_what_is_read_at_once_anyway_are_read(closed: EngineSite) -> None:
    store = closed.open()
    assert store.recovery_report.clean
    assert store.log_bounds() == LogBounds(first_index=1, last_index=LAST, last_term=2)
    assert reads(closed) == (1 << 20) + (FRAMES + 2) * 72
    assert store.get_log_entries(1, LAST) == entries(1, LAST - 1, size=1024)
    assert store.get_log_entry(LAST) == entries(LAST, LAST, term=2)[0]


def test_damage_in_a_payload_shows_when_it_is_read_and_in_verify(closed: EngineSite) -> None:
    closed.flip("log.dat", 48 + 3 * FRAME + 500)
    store = closed.open()
    assert store.get_log_entries(1, 25) == entries(1, 24, size=1024)
    with pytest.raises(CorruptedLogError) as caught:
        store.get_log_entry(25)
    assert (caught.value.offset, caught.value.index) == (48 + 3 * FRAME, 25)
    (place,) = store.verify().places
    assert (place.offset, place.index) == (48 + 3 * FRAME, 25)


@pytest.mark.parametrize("within", [0, 5, 30, 70])
def test_damage_in_a_header_is_refused_as_ever(closed: EngineSite, within: int) -> None:
    closed.flip("log.dat", 48 + 3 * FRAME + within)
    with pytest.raises(CorruptedLogError) as caught:
        closed.open()
    assert (caught.value.offset, caught.value.index) == (48 + 3 * FRAME, 25)


def test_after_a_kill_every_byte_is_checked(closed: EngineSite) -> None:
    closed.open().append_log_entries(entries(LAST + 1, LAST + 1, term=2))
    closed.kill()
    closed.flip("log.dat", 48 + 3 * FRAME + 500)
    with pytest.raises(CorruptedLogError, match="index 25"):
        closed.open()


def test_bytes_behind_the_closed_log_are_judged_as_ever(closed: EngineSite) -> None:
    closed.write("log.dat", closed.read("log.dat") + b"garbage" * 100)
    cut = closed.open(FileStorageOptions(recovery_mode="conservative")).recovery_report.cut
    assert cut is not None
    assert (cut.length, cut.ambiguous) == (700, False)
