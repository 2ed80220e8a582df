"""docs/format.md is enough to write another reader, and what it says of bytes is what they are."""

import ast
import re
import sys
from itertools import accumulate
from pathlib import Path
from typing import Final

import format_reader
import pytest
from engine_site import EngineSite, entries
from engine_twin import ANY_OPTIONS, MANY_STEPS, STEPS, Step, Twin
from format_reader import Contents, DamageError, NewerVersionError, read_store
from google_crc32c import extend
from hypothesis import given
from hypothesis import strategies as st
from laws import examples

from wavetank.engine import (
    CorruptedError,
    DumpedFrame,
    FileStorage,
    FileStorageOptions,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
    UnsupportedFormatError,
    dump_directory,
)
from wavetank.scenarios import SCENARIOS, find_store, record
from wavetank.sim import (
    POSIX,
    DiskImage,
    PendingOps,
    SerialRuntime,
    SimDisk,
    SimFileSystem,
    newest_images,
)

PAGE: Final = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
STORE: Final = "/store"

Shown = tuple[object, ...]


def simulated(image: DiskImage | None = None) -> EngineSite:
    disk = SimDisk() if image is None else SimDisk(image)
    return EngineSite(SimFileSystem(disk), SerialRuntime, STORE)


def shown(store: FileStorage) -> Shown:
    """Return what a store shows, as plain values."""
    state, bounds = store.load_state(), store.log_bounds()
    held = []
    if bounds.entry_count:
        held = store.get_log_entries(bounds.first_index, bounds.last_index + 1)
    try:
        metadata, data = store.load_snapshot()
    except LookupError:
        snapshot = None
    else:
        snapshot = metadata.last_included_index, metadata.last_included_term, data
    return (
        (state.current_term, state.voted_for),
        (bounds.first_index, bounds.last_index, bounds.last_term),
        [(entry.index, entry.term, entry.command) for entry in held],
        snapshot,
    )


def told(contents: Contents) -> Shown:
    """Return what the other reader found, likewise."""
    held = contents.entries
    last_term = held[-1][1] if held else contents.base_term
    return (
        (contents.term, contents.vote),
        (contents.base_index + 1, contents.base_index + len(held), last_term),
        held,
        contents.snapshot,
    )


def engines_answer(site: EngineSite) -> Shown | str:
    try:
        store = site.open(FileStorageOptions())
        return shown(store)
    except CorruptedError:
        return "damaged"
    except UnsupportedFormatError:
        return "newer"


def readers_answer(site: EngineSite) -> Shown | str:
    files = site.content() if site.filesystem.listdir("/") else {}
    try:
        return told(read_store(files))
    except DamageError:
        return "damaged"
    except NewerVersionError:
        return "newer"


# The other reader


def test_the_other_reader_knows_nothing_of_the_engine() -> None:
    source = Path(str(format_reader.__file__)).read_text(encoding="utf-8")
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(str(node.module))
    foreign = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    assert foreign == {"google_crc32c"}
    assert "google_crc32c" in PAGE


@examples(80)
@given(steps=STEPS, turns=st.lists(ANY_OPTIONS, min_size=1, max_size=4))
def test_it_finds_what_the_store_shows_whatever_the_options_and_the_moment(
    steps: list[Step], turns: list[FileStorageOptions]
) -> None:
    twin = Twin(simulated(), turns)
    for step, number in steps:
        step(twin, number)
        assert told(read_store(twin.site.content())) == shown(twin.store)


@examples(250)
@given(
    steps=MANY_STEPS,
    turns=st.lists(ANY_OPTIONS, min_size=1, max_size=3),
    ends=st.sampled_from([Twin.close, None]),
    harm=st.data(),
)
def test_it_refuses_what_the_engine_refuses_and_cuts_what_it_cuts(
    steps: list[Step], turns: list[FileStorageOptions], ends: object, harm: st.DataObject
) -> None:
    twin = Twin(simulated(), turns)
    for step, number in steps:
        step(twin, number)
    if ends is not None:
        twin.store.close()
    site = twin.site
    site.kill()
    names = sorted(site.names() - {"LOCK"})
    name = harm.draw(st.sampled_from(["log.dat"] * len(names) + names))
    content = bytearray(site.read(name))
    if not content or harm.draw(st.integers(0, 9)) == 0:
        site.remove(name)
    elif harm.draw(st.integers(0, 4)) == 0:
        site.write(name, bytes(content[: harm.draw(st.integers(0, len(content)))]))
    else:
        content[harm.draw(st.integers(0, len(content) - 1))] ^= harm.draw(st.integers(1, 255))
        site.write(name, bytes(content))
    assert readers_answer(site) == engines_answer(site)


@pytest.mark.parametrize("name", ["install-snapshot", "log-conflict", "restart-loop"])
def test_it_reads_what_a_crash_leaves_as_recovery_does(name: str) -> None:
    recording = record(SCENARIOS[name].workload(0), find_store("builtin"))
    pending = PendingOps(recording.image, POSIX)
    judged = 0
    for position, each in enumerate(recording.log):
        pending.take(each)
        if position % 5 or not pending.whole:
            continue
        for kept in newest_images(pending, limit=64).images[:4]:
            site = simulated(pending.image(kept))
            answer = readers_answer(site)
            assert answer == engines_answer(site)
            judged += answer != "damaged"
    assert judged > 50


@pytest.mark.parametrize("name", ["state.json", "state.copy.json", "metadata.json"])
def test_it_refuses_a_newer_version(name: str) -> None:
    site = simulated()
    site.open().close()
    site.write(name, site.read(name).replace(b'"version":1', b'"version":2'))
    assert readers_answer(site) == engines_answer(site) == "newer"


# What the page says


def table(title: str) -> list[tuple[int, int, str]]:
    """Return offset, size and meaning of the fields that stand under a title."""
    section = PAGE.partition(title)[2].partition("\n#")[0]
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (.+) \|$", section, re.MULTILINE)
    return [(int(offset), int(size), meaning) for offset, size, meaning in rows]


@pytest.mark.parametrize(("title", "size"), [("### Header", 48), ("### Frame header", 72)])
def test_the_fields_of_a_header_fill_it(title: str, size: int) -> None:
    assert f"{title}, {size} bytes" in PAGE
    sizes = [size for _, size, _ in table(title)]
    assert [offset for offset, _, _ in table(title)] == [0, *list(accumulate(sizes))[:-1]]
    assert sum(sizes) == size


def test_the_fields_stand_where_the_page_says() -> None:
    site = simulated()
    with site.open() as store:
        store.append_log_entries([*entries(1, 2, term=3), *entries(3, 4, term=5)])
        store.save_snapshot(SnapshotMetadata(2, 3), b"data")
        store.append_log_entries(entries(5, 7, term=6))
        store.truncate_log_suffix(6)
    content = site.read("log.dat")
    dump = dump_directory(STORE, fs=site.filesystem)
    header = dump.log_header
    assert header is not None

    def fields(title: str, base: int) -> list[int]:
        return [
            int.from_bytes(content[base + offset : base + offset + size], "little")
            for offset, size, _ in table(title)
        ]

    magic = bytes.fromhex(re.findall(r"magic `([^`]+)`", table("### Header")[0][2])[0])
    assert fields("### Header", 0)[:-1] == [
        *(int.from_bytes(magic, "little"), 1, 1, 0),
        *(header.incarnation, header.generation, header.base_index, header.base_term),
    ]
    assert (header.generation, header.base_index, header.base_term) == (2, 2, 3)

    magic = bytes.fromhex(re.findall(r"magic `([^`]+)`", table("### Frame header")[0][2])[0])
    kinds, encodings = {"entries": 1, "truncation": 2}, {"binary": 1, "json": 2}
    link = content[44:48]
    frames = list(dump.frames())
    assert len(frames) == 3
    for frame in frames:
        assert isinstance(frame, DumpedFrame)
        assert fields("### Frame header", frame.offset)[:-3] == [
            *(int.from_bytes(magic, "little"), kinds[frame.kind], encodings[frame.encoding], 0),
            *(frame.count, frame.batch, frame.first_index, frame.size - 72),
            *(frame.watermark, frame.first_term, frame.last_term),
        ]
        head = content[frame.offset : frame.offset + 72]
        payload = content[frame.offset + 72 : frame.offset + frame.size]
        seed = extend(0x57617665, content[12:20])
        assert head[60:64] == link
        assert head[64:68] == extend(seed, payload).to_bytes(4, "little")
        link = extend(seed, head[:68]).to_bytes(4, "little")
        assert head[68:72] == link


def test_the_documents_have_the_keys_that_the_page_names() -> None:
    site = simulated()
    with site.open() as store:
        store.save_state(PersistentState(1, 'a"\\\b\f\n\r\t\x7f\0é\U0001f30a'))
        store.append_log_entries(entries(1, 2))
        store.save_snapshot(SnapshotMetadata(1, 1), b"data")
    rows = re.findall(
        r"^\| (`[\w.]+\.json`.*?) \| `(wavetank\.\w+)` \| (.+) \|$", PAGE, re.MULTILINE
    )
    assert len(rows) == 3
    for names, kind, keys in rows:
        for name in re.findall(r"`([^`]+)`", names):
            content = site.read(name)
            assert content.startswith(b'{"format":"%b","version":1,"checksum":"' % kind.encode())
            payload = content.partition(b'"payload":')[2]
            told_keys = re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", keys))
            assert re.findall(rb'"(\w+)":', payload) == [key.encode() for key in told_keys]
    escaped = rb'"voted_for":"a\"\\\b\f\n\r\t\u007f\u0000\u00e9\ud83c\udf0a"}}'
    assert site.read("state.json").endswith(escaped + b"\n")


def test_every_name_is_one_of_those_that_the_page_lists() -> None:
    site = simulated()
    made: set[str] = set()
    with site.open() as store:
        store.save_state(PersistentState(1, "a"))
        store.append_log_entries(entries(1, 3))
        store.save_snapshot(SnapshotMetadata(2, 1), b"data")
        made |= {call.name for call in site.calls(frozenset({"create"}))}
    listed = PAGE.partition("| name | what |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in listed.splitlines() if line.startswith("| `")]
    names = {name for cell in cells for name in re.findall(r"`(\w[\w.]+)`", cell)}
    replaced = {name for name in names if name.endswith((".json", ".dat"))}
    assert len(replaced) == 6
    assert made == names - replaced | {f"{name}.tmp" for name in replaced}


def test_the_example_is_what_is_written() -> None:
    site = simulated()
    with site.open() as store:
        store.append_log_entries([LogEntry(1, 1, b"set x 1")])
    section = PAGE.partition("### Example")[2].partition("\n#")[0]
    rows = re.findall(r"^ *(\d+)  ((?:[0-9a-f]{2} )*[0-9a-f]{2}) ", section, re.MULTILINE)
    pieces = [bytes.fromhex(row) for _, row in rows]
    assert [int(offset) for offset, _ in rows] == [0, *list(accumulate(map(len, pieces)))[:-1]]
    assert b"".join(pieces) == site.read("log.dat")


def test_the_checksum_is_the_one_that_the_page_shows() -> None:
    plain, seeded = re.findall(r"of `123456789` is `0x(\w+)`; .* is `0x(\w+)`", PAGE)[0]
    (seed,) = re.findall(r"`0x(\w+)`, below: SEED", PAGE)
    assert f"{extend(0, b'123456789'):08x}" == plain
    assert f"{extend(int(seed, 16), b'123456789'):08x}" == seeded


def test_recovery_leaves_as_many_zeros_as_the_page_says() -> None:
    (most,) = re.findall(r"at most (\d+) zero bytes", PAGE)
    site = simulated()
    site.open().append_log_entries(entries(1, 2))
    end = len(site.read("log.dat"))
    site.reopen()
    assert site.read("log.dat")[end:] == bytes(int(most))


@pytest.mark.parametrize("excess", [0, 1])
def test_a_document_may_be_as_long_as_the_page_says(excess: int) -> None:
    assert "more than 1 MiB is damage" in PAGE
    site = simulated()
    site.open().close()
    payload = b'{"sequence":1,"current_term":7,"voted_for":"%b"}'
    frame = b'{"format":"wavetank.state","version":1,"checksum":"%08x","payload":%b}\n'
    length = (1 << 20) - len(frame % (0, payload % b"")) + excess
    body = payload % (b"n" * length)
    site.write("state.json", frame % (extend(0x57617665, body), body))
    assert len(site.read("state.json")) == (1 << 20) + excess
    assert readers_answer(site) == engines_answer(site)
    assert site.reopen().load_state().current_term == (0 if excess else 7)
