"""The bytes on disk are those of docs/format.md, read here with nothing of the engine's own."""

import json
from hashlib import blake2b
from struct import unpack, unpack_from

from engine_site import EngineSite
from google_crc32c import extend

from wavetank.engine import LogEntry, PersistentState, SnapshotMetadata

SEED = 0x57617665


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def document(site: EngineSite, name: str, kind: str) -> dict[str, object]:
    """Check a document's layout and checksum and return its payload."""
    content = site.read(name)
    head, body = content[:-2].split(b',"payload":', 1)
    found = json.loads(content)
    assert list(found) == ["format", "version", "checksum", "payload"]
    assert (found["format"], found["version"]) == (kind, 1)
    assert found["checksum"] == f"{extend(SEED, body):08x}"
    assert head.startswith(b'{"format":"')
    assert content.endswith(b"}\n")
    payload: dict[str, object] = found["payload"]
    return payload


def test_the_documents(site: EngineSite) -> None:
    with site.open() as store:
        store.save_state(PersistentState(3, "nöde"))
        store.append_log_entries([LogEntry(1, 2, b"abc")])
        store.save_snapshot(SnapshotMetadata(1, 2), b"data")
    state = {"sequence": 1, "current_term": 3, "voted_for": "nöde"}
    assert document(site, "state.json", "wavetank.state") == state
    assert document(site, "state.copy.json", "wavetank.state") == state
    assert document(site, "snapshot_meta.json", "wavetank.snapshot") == {
        "last_included_index": 1,
        "last_included_term": 2,
        "data_length": 4,
        "data_checksum": extend(SEED, b"data"),
    }
    log = site.read("log.dat")
    incarnation = unpack_from("<Q", log, 12)[0]
    assert document(site, "metadata.json", "wavetank.metadata") == {
        "incarnation": incarnation,
        "generation": 2,
        "base_index": 1,
        "base_term": 2,
        "first_index": 2,
        "last_index": 1,
        "last_term": 2,
        "log_length": 48,
        "last_checksum": unpack_from("<I", log, 44)[0],
        "watermark": 0,
        "reserved_ahead": 0,
    }
    assert site.read("snapshot.dat") == b"data"
    assert site.read("LOCK") == b""


def test_the_log(site: EngineSite) -> None:
    with site.open() as store:
        store.append_log_entries(
            [LogEntry(1, 5, b"abc"), LogEntry(2, 6, b""), LogEntry(3, 6, b"d")]
        )
        store.truncate_log_suffix(2)
    log = site.read("log.dat")
    incarnation = blake2b(bytes(32), digest_size=8).digest()
    head = b"\xf7WVTLOG\n" + b"\1\0\1\0" + incarnation + u64(1) + u64(0) + u64(0)
    assert log[:44] == head
    (head_checksum,) = unpack("<I", log[44:48])
    assert head_checksum == extend(SEED, head)

    seed = extend(SEED, incarnation)
    numbers = (5, 6, 6, 3, 3, 4)
    payload = b"".join(u64(number) for number in numbers) + b"abcd"
    header = (
        b"\xf7WvF\1\1\0\0\3\0\0\0"
        + b"".join(u64(number) for number in (1, 1, len(payload), 0, 5, 6))
        + head_checksum.to_bytes(4, "little")
        + extend(seed, payload).to_bytes(4, "little")
    )
    frame_checksum = extend(seed, header)
    first = header + frame_checksum.to_bytes(4, "little") + payload
    assert log[48 : 48 + len(first)] == first

    header = (
        b"\xf7WvF\2\1\0\0\0\0\0\0"
        + b"".join(u64(number) for number in (2, 2, 8, 1, 5, 5))
        + frame_checksum.to_bytes(4, "little")
        + extend(seed, u64(3)).to_bytes(4, "little")
    )
    second = header + extend(seed, header).to_bytes(4, "little") + u64(3)
    assert log[48 + len(first) :] == second


def test_a_new_incarnation_follows_from_the_old_log_and_the_new_base(site: EngineSite) -> None:
    store = site.open()
    store.append_log_entries([LogEntry(1, 5, b"abc")])
    old = site.read("log.dat")
    old_incarnation, last_checksum = old[12:20], unpack_from("<I", old, 48 + 68)[0]
    store.save_snapshot(SnapshotMetadata(9, 7), b"")
    new = site.read("log.dat")
    parts = old_incarnation + u64(last_checksum) + u64(9) + u64(7)
    assert new[12:20] == blake2b(parts, digest_size=8).digest()
    assert unpack_from("<QQQ", new, 20) == (2, 9, 7)
    assert len(new) == 48
