"""Entries in JSON: the same promises as in binary, and a store may hold both."""

import json
from base64 import b64decode
from struct import pack, unpack_from

import pytest
from attrs import evolve
from engine_site import INLINE, EngineSite, entries
from google_crc32c import extend
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    CorruptedLogError,
    FileStorage,
    FileStorageOptions,
    LogEntry,
    StorageFeatureFlags,
    UnsupportedFormatError,
)
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

BINARY = FileStorageOptions(
    retained_log_size=0, compaction_requires_snapshot=False, features=INLINE
)
JSON = evolve(BINARY, features=StorageFeatureFlags(async_truncation=False, binary_format=False))
HEADER_SIZE, FRAME_HEADER_SIZE = 48, 72


def log_of(store: FileStorage) -> list[LogEntry]:
    extent = store.log_bounds()
    if not extent.entry_count:
        return []
    return store.get_log_entries(extent.first_index, extent.last_index + 1)


def put_payload(site: EngineSite, payload: bytes, *, count: int = 1, encoding: int = 2) -> None:
    """Make a log of one frame that is intact in every way but for what its payload says."""
    head = site.read("log.dat")[:HEADER_SIZE]
    seed = extend(0x57617665, head[12:20])
    fields = pack("<4sBBHI", b"\xf7WvF", 1, encoding, 0, count)
    fields += pack("<6Q", 1, 1, len(payload), 0, 1, 1)
    fields += head[44:48] + pack("<I", extend(seed, payload))
    site.write("log.dat", head + fields + pack("<I", extend(seed, fields)) + payload)


def test_a_frame_in_json_is_read_by_any_reader_of_json(site: EngineSite) -> None:
    commands = [b"", b"a", b"\0\xff>?", b"set x 1" * 50]
    made = [LogEntry(index, 2**64 - 1, text) for index, text in enumerate(commands, 1)]
    with site.open(JSON) as store:
        store.append_log_entries(made)
    frame = site.read("log.dat")[HEADER_SIZE:]
    assert frame[5] == 2
    payload = frame[FRAME_HEADER_SIZE:]
    assert unpack_from("<Q", frame, 28)[0] == len(payload)
    assert payload.startswith(b'[{"index":1,"term":18446744073709551615,"command":""},{"index":2,')
    found = json.loads(payload)
    assert [set(entry) for entry in found] == [{"index", "term", "command"}] * 4
    read = [LogEntry(e["index"], e["term"], b64decode(e["command"])) for e in found]
    assert read == made


def test_a_truncation_is_binary_in_any_case(site: EngineSite) -> None:
    with site.open(JSON) as store:
        store.append_log_entries(entries(1, 3))
        end = len(site.read("log.dat"))
        store.truncate_log_suffix(2)
    assert site.read("log.dat")[end + 4 : end + 6] == b"\2\1"


def test_compaction_writes_what_the_options_say_now(site: EngineSite) -> None:
    with site.open(JSON) as store:
        store.append_log_entries(entries(1, 5))
    with site.open(BINARY) as store:
        store.append_log_entries(entries(6, 7))
        store.truncate_log_prefix(3)
        assert b'"command"' not in site.read("log.dat")
    with site.open(JSON) as store:
        store.truncate_log_prefix(4)
        assert site.read("log.dat").count(b'"command"') == 4
        assert log_of(store) == entries(4, 7)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "append", "suffix", "prefix", "close", "kill"]),
        st.integers(0, 9),
        st.binary(max_size=9),
    ),
    max_size=25,
)


@examples(60)
@given(steps=_STEPS, formats=st.lists(st.booleans(), min_size=1, max_size=4))
def test_a_store_that_changes_its_format_again_and_again_agrees_with_a_plain_list(
    steps: list[tuple[str, int, bytes]], formats: list[bool]
) -> None:
    site = EngineSite(SimFileSystem(SimDisk()), SerialRuntime, "/store")
    turn = 0
    store = site.open(JSON if formats[0] else BINARY)
    expected: list[LogEntry] = []
    base = 0
    for step, number, text in steps:
        last = base + len(expected)
        if step == "append":
            term = (expected[-1].term if expected else store.last_log_term) + number % 2
            batch = [LogEntry(last + 1 + k, term, text * k) for k in range(1 + number)]
            store.append_log_entries(batch)
            expected += batch
        elif step == "suffix":
            store.truncate_log_suffix(max(base + 1, last + 1 - number))
            del expected[max(0, len(expected) - number) :]
        elif step == "prefix":
            gone = min(number, len(expected))
            store.truncate_log_prefix(base + 1 + gone)
            base += gone
            del expected[:gone]
        else:
            if step == "close":
                store.close()
            turn += 1
            store = site.reopen(JSON if formats[turn % len(formats)] else BINARY)
        assert log_of(store) == expected
    for entry in expected:
        assert store.get_log_entry(entry.index) == entry


GOOD = b'[{"index":1,"term":1,"command":"YWJj"}]'


def test_the_payload_that_the_next_test_damages_is_good(site: EngineSite) -> None:
    site.open().close()
    put_payload(site, GOOD)
    assert site.open().get_log_entry(1) == LogEntry(1, 1, b"abc")


@pytest.mark.parametrize("opened", [JSON, BINARY], ids=["json", "binary"])
@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[" * 50_000 + b"]" * 50_000,
        GOOD.replace(b"1,", b"1" * 5_000_000 + b",", 1),
        GOOD.replace(b'"term":1', b'"term":18446744073709551616'),
        GOOD.replace(b'"term":1', b'"term":1e9'),
        GOOD.replace(b'"term":1', b'"term":-1'),
        GOOD.replace(b'"term":1', b'"term":01'),
        GOOD.replace(b'"index":1', b'"index":2'),
        GOOD.replace(b"YWJj", b"YWJ"),
        GOOD.replace(b"YWJj", b"YW=j"),
        GOOD.replace(b"YWJj", b"\xff\xfe\xfd\xfc"),
        GOOD.replace(b":", b": "),
        GOOD[:-1] + b"}" * 40,
        GOOD[:-1] + b"," + GOOD[1:],
        GOOD + b"\n",
        b"null".ljust(40),
        b"\0" * 40,
    ],
    ids=lambda payload: payload[:24].decode("latin-1"),
)
def test_a_payload_that_makes_no_sense_is_a_typed_error(
    site: EngineSite, payload: bytes, opened: FileStorageOptions
) -> None:
    site.open().close()
    put_payload(site, payload)
    store = site.open(opened)
    with pytest.raises(CorruptedLogError, match="index 1 ") as caught:
        store.get_log_entry(1)
    assert (caught.value.offset, caught.value.index) == (HEADER_SIZE, 1)


def test_more_entries_than_the_payload_has_are_refused(
    site: EngineSite,
) -> None:
    site.open().close()
    put_payload(site, GOOD + b" " * 1000, count=60)
    with pytest.raises(CorruptedLogError):
        site.open().get_log_entry(1)


def test_an_encoding_of_a_later_release_is_refused_by_name(site: EngineSite) -> None:
    site.open().close()
    put_payload(site, GOOD, encoding=3)
    with pytest.raises(UnsupportedFormatError, match="encoding 3"):
        site.open()
