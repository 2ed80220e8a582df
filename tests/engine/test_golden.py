"""What earlier releases left is read by this one, and what later ones leave is left alone."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from struct import pack

import golden_stores
import pytest
from engine_site import EngineSite
from format_reader import read_store
from golden_stores import CASES, EXPECTED, GOLDEN, STORE, contents_of, make_golden
from google_crc32c import extend
from packaging.version import Version

from wavetank.engine import (
    FileStorage,
    FileStorageOptions,
    LogEntry,
    OsFileSystem,
    RecoveryMode,
    StorageFeatureFlags,
    ThreadRuntime,
    UnsupportedFormatError,
    verify_directory,
)

ALL = sorted(path.parent for path in GOLDEN.glob(f"*/*/{EXPECTED}"))
NEWEST = max(GOLDEN.iterdir(), key=lambda path: Version(path.name))
ROOT = Path(__file__).parents[2]
READ_ONLY = FileStorageOptions(read_only=True)
golden = pytest.mark.parametrize("case", ALL, ids=lambda path: f"{path.parent.name}-{path.name}")


def copy_of(case: Path, tmp_path: Path) -> EngineSite:
    shutil.copytree(case / STORE, tmp_path / STORE)
    return EngineSite(OsFileSystem(), ThreadRuntime, f"{tmp_path}/{STORE}")


def expected(case: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((case / EXPECTED).read_bytes())
    return found


@golden
def test_it_is_looked_at_without_a_change(case: Path, tmp_path: Path) -> None:
    site = copy_of(case, tmp_path)
    before = site.content()
    with site.open(READ_ONLY) as store:
        assert contents_of(store) == expected(case)
    torn = expected(case)["cut"] is not None
    assert verify_directory(site.directory).sound == (not torn)
    assert site.content() == before


@golden
@pytest.mark.parametrize(
    "features",
    [StorageFeatureFlags(), StorageFeatureFlags(binary_format=False, index_map=False)],
    ids=["default", "json-without-index"],
)
def test_it_is_opened_and_goes_on(
    case: Path, features: StorageFeatureFlags, tmp_path: Path
) -> None:
    site = copy_of(case, tmp_path)
    options = FileStorageOptions(features=features)
    added = b"of a later release"
    with site.open(options) as store:
        assert contents_of(store) == expected(case)
        before, bounds = everything(store), store.log_bounds()
        new = LogEntry(bounds.last_index + 1, bounds.last_term, added)
        store.append_log_entries([new])
    with site.open(options) as store:
        assert everything(store) == [*before, new]
        assert store.recovery_report.clean


def everything(store: FileStorage) -> list[LogEntry]:
    bounds = store.log_bounds()
    if not bounds.entry_count:
        return []
    return store.get_log_entries(bounds.first_index, bounds.last_index + 1)


@golden
def test_the_page_describes_it(case: Path) -> None:
    """The page tells of this version's files, and of all before while no version has changed."""
    files = {path.name: path.read_bytes() for path in (case / STORE).iterdir()}
    found, told = read_store(files), expected(case)
    assert told["state"] == {"current_term": found.term, "voted_for": found.vote}
    assert [entry["index"] for entry in told["entries"]] == [e[0] for e in found.entries]  # type: ignore[attr-defined]
    assert (told["snapshot"] is None) == (found.snapshot is None)


def test_this_release_makes_the_cases_of_the_newest(tmp_path: Path) -> None:
    make_golden(tmp_path / "made")
    made = {path.name: expected(path) for path in (tmp_path / "made").iterdir()}
    assert set(made) == set(CASES)
    assert made | {path.name: expected(path) for path in NEWEST.iterdir()} == made


def test_a_golden_store_is_never_made_again() -> None:
    before = {path: path.read_bytes() for path in NEWEST.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, str(golden_stores.__file__), NEWEST.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("is there already; golden stores are never made again\n")
    assert before == {path: path.read_bytes() for path in NEWEST.rglob("*") if path.is_file()}


def newer_document(content: bytes) -> bytes:
    """Return a document of a version to come, which may look otherwise but for two keys."""
    kind = json.loads(content)["format"]
    return json.dumps({"version": 2, "format": kind, "anything": [1]}).encode("ascii")


def newer_log(content: bytes) -> bytes:
    head = content[:8] + pack("<H", 2) + content[10:44]
    return head + pack("<I", extend(0x57617665, head)) + content[48:]


def newer_frame(content: bytes) -> bytes:
    """Return a log whose first frame is of a kind to come."""
    seed = extend(0x57617665, content[12:20])
    head = content[48:52] + b"\7" + content[53:116]
    return content[:48] + head + pack("<I", extend(seed, head)) + content[120:]


@pytest.mark.parametrize(
    "options",
    [*(FileStorageOptions(recovery_mode=mode) for mode in RecoveryMode), READ_ONLY],
    ids=[*(mode.value for mode in RecoveryMode), "read-only"],
)
@pytest.mark.parametrize(
    ("case", "name", "make_newer"),
    [
        ("compacted", "state.json", newer_document),
        ("compacted", "state.copy.json", newer_document),
        ("compacted", "metadata.json", newer_document),
        ("compacted", "snapshot_meta.json", newer_document),
        ("snapshot-committed", "snapshot_meta.json.tmp", newer_document),
        ("compacted", "log.dat", newer_log),
        ("compacted", "log.dat", newer_frame),
    ],
    ids=["state", "state-copy", "metadata", "snapshot", "snapshot-tmp", "log", "frame"],
)
def test_a_file_of_a_newer_version_is_refused_by_name_and_nothing_changes(
    case: str,
    name: str,
    make_newer: Callable[[bytes], bytes],
    options: FileStorageOptions,
    tmp_path: Path,
) -> None:
    site = copy_of(NEWEST / case, tmp_path)
    site.write(name, make_newer(site.read(name)))
    before = site.content()
    with pytest.raises(UnsupportedFormatError) as caught:
        site.open(options)
    assert site.path(name) in str(caught.value)
    assert any(word in str(caught.value) for word in ("version 2", "kind 7"))
    assert site.content() == before
    assert not verify_directory(site.directory).sound


def test_the_release_at_hand_has_its_golden_stores() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert NEWEST.name == project["version"]
    assert len(ALL) >= len(CASES)
