"""A store inherited through fork: the child may only close it, and the parent notices nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import define
from engine_site import EngineSite, entries

from wavetank.engine import FileStorage, StorageForkedError
from wavetank.sim import SerialRuntime, SimDisk, SimFileSystem

FORKER = Path(__file__).with_name("_forker.py")
NOT_CALLS = {"close", "recovery_report"}


def run(directory: Path, how: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", FORKER, str(directory), how],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    seen: dict[str, object] = json.loads(done.stdout)
    return seen


@pytest.mark.parametrize(
    ("how", "special"),
    [
        ("idle", {}),
        ("read-only", {"opened again": "'opened'", "parent reads": "before"}),
        # The unfinished snapshot's descriptor is held by a thread that the child does not have.
        ("saving", {"left open": 1, "snapshot": "parent"}),
    ],
)
def test_a_child_can_only_close_what_it_inherited_and_the_parent_goes_on(
    tmp_path: Path, how: str, special: dict[str, object]
) -> None:
    calls = {name for name in vars(FileStorage) if not name.startswith("_")} - NOT_CALLS
    expected: dict[str, object] = {
        "refused": dict.fromkeys(calls, "StorageForkedError"),
        "untouched": True,
        "closed": ["None", "None"],
        "left open": 0,
        "untouched by close": True,
        "after close": "StorageForkedError",
        "opened again": "StorageLockedError",
        "parent reads": "parent",
        "left open by parent": 0,
        "clean": True,
        "snapshot": "before",
    }
    assert run(tmp_path / "store", how) == expected | special


@define
class ForkedRuntime(SerialRuntime):
    """A runtime whose process number the test sets, as a fork does."""

    number: int = 7

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def process_id(self) -> int:
        return self.number


def test_the_error_tells_who_opened_the_store_and_what_to_do() -> None:
    runtime = ForkedRuntime()
    site = EngineSite(SimFileSystem(SimDisk()), lambda: runtime, "/store")
    store = site.open()
    store.append_log_entries(entries(1, 3))
    site.forget()
    runtime.number = 8
    with pytest.raises(
        StorageForkedError,
        match=r"opened by process 7 but process 8 inherited it through fork; close\(\) it here",
    ):
        store.append_log_entries(entries(4, 4))
    assert site.watched.calls == []
    store.close()
    assert site.watched.calls == []
    with pytest.raises(StorageForkedError):
        store.load_state()
