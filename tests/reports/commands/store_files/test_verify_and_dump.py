"""`wavetank verify` and `wavetank dump`: what they print, and what they exit with."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    PersistentState,
    SnapshotMetadata,
    StorageConfig,
    StorageFeatureFlags,
)
from wavetank.reports.cli import cli
from wavetank.reports.documents import schema

Json = dict[str, Any]

FIRST_FRAME = 48


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    options = FileStorageOptions(features=StorageFeatureFlags(async_truncation=False))
    with FileStorage(StorageConfig(directory=path), options) as store:
        store.save_state(PersistentState(3, "node\x1b[1m"))
        store.append_log_entries([LogEntry(1, 1, b"one"), LogEntry(2, 1, b"\x1btwo")])
        store.append_log_entries([LogEntry(3, 3, b"three")])
        store.save_snapshot(SnapshotMetadata(1, 1), b"snapshot")
    return path


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def documented(command: str, directory: Path, *options: str) -> tuple[int, Json]:
    """Run a command with JSON; return its exit code and the document, held to its schema."""
    done = invoke(command, str(directory), *options, "--format", "json")
    document: Json = json.loads(done.stdout)
    jsonschema.validate(document, schema(command))
    return done.exit_code, document


def test_a_sound_store_verifies_with_zero(directory: Path) -> None:
    done = invoke("verify", str(directory))
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{directory}: sound; entries 1 to 3 in 2 frames, ")
    code, document = documented("verify", directory)
    assert (code, document["verdict"], document["places"]) == (0, "pass", [])
    assert (document["first_index"], document["last_index"], document["frames"]) == (1, 3, 2)


def test_every_flipped_byte_of_the_log_is_named_with_exit_one(directory: Path) -> None:
    log = directory / "log.dat"
    for offset in range(0, len(log.read_bytes()), 5):
        flip(log, offset)
        code, document = documented("verify", directory)
        (place,) = document["places"]
        assert (code, document["verdict"], place["path"]) == (1, "fail", str(log))
        assert place["offset"] <= offset
        assert place["index"] in (1, 3)
        line = invoke("verify", str(directory)).stdout.splitlines()[0]
        named = f"{log}, offset {place['offset']}, index {place['index']}: "
        assert line.startswith(f"bad   {named}")
        flip(log, offset)


def test_a_killed_store_is_noted_and_not_wrong(directory: Path) -> None:
    (directory / "recovery.marker").touch()
    done = invoke("verify", str(directory))
    assert done.exit_code == 0
    assert done.stdout.startswith(f"note  {directory}/recovery.marker: ")


def test_snapshots_kept_elsewhere_are_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "store"
    options = FileStorageOptions(retained_log_size=0, compaction_requires_snapshot=False)
    with FileStorage(StorageConfig(directory=path), options) as store:
        store.append_log_entries([LogEntry(1, 1, b"one"), LogEntry(2, 1, b"two")])
        store.truncate_log_prefix(2)
    assert invoke("verify", str(path)).exit_code == 1
    assert invoke("verify", str(path), "--snapshots-elsewhere").exit_code == 0


@pytest.mark.parametrize("command", ["verify", "dump"])
@pytest.mark.parametrize("what", ["missing", "empty", "file"])
def test_what_is_no_store_exits_with_two(tmp_path: Path, command: str, what: str) -> None:
    path = tmp_path / "store"
    if what == "empty":
        path.mkdir()
    elif what == "file":
        path.touch()
    done = invoke(command, str(path))
    assert done.exit_code == 2
    assert str(path) in done.stderr
    assert done.stdout == ""
    assert invoke(command, "").exit_code == 2


def test_a_dump_shows_each_part_and_speaks_to_no_terminal(directory: Path) -> None:
    done = invoke("dump", str(directory), "--entries")
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "state.json: sequence 1, current_term 3, voted_for 'node\\x1b[1m'" in lines
    assert "snapshot.dat: intact" in lines
    assert "2 term 1: \\x1btwo" in lines
    assert any(
        line.startswith(f"offset {FIRST_FRAME}: entries 1 to 2, batch 1, ") for line in lines
    )
    assert "term 3: three" not in invoke("dump", str(directory)).stdout


def test_a_dump_as_json_holds_the_same(directory: Path) -> None:
    code, document = documented("dump", directory, "--entries")
    assert (code, document["verdict"]) == (0, "pass")
    assert document["state"][0]["fields"]["voted_for"] == "node\x1b[1m"
    first, second = document["frames"]
    assert [entry["command"] for entry in first["entries"]] == ["b25l", "G3R3bw=="]
    assert (second["first_index"], second["count"], second["kind"]) == (3, 1, "entries")
    assert documented("dump", directory)[1]["frames"] == [
        {name: value for name, value in frame.items() if name != "entries"}
        for frame in (first, second)
    ]


@pytest.mark.parametrize("name", ["log.dat", "state.json", "snapshot.dat", "metadata.json"])
def test_a_dump_of_a_damaged_store_shows_the_damage_and_exits_with_zero(
    directory: Path, name: str
) -> None:
    flip(directory / name, len((directory / name).read_bytes()) // 2)
    code, document = documented("dump", directory)
    assert (code, document["verdict"]) == (0, "fail")
    done = invoke("dump", str(directory))
    assert done.exit_code == 0
    assert "DAMAGED" in done.stdout


def test_a_dump_of_an_empty_log_is_a_document(tmp_path: Path) -> None:
    FileStorage(StorageConfig(directory=tmp_path / "store")).close()
    assert documented("dump", tmp_path / "store")[1]["frames"] == []
