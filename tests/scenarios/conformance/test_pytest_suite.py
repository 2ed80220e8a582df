"""`RaftStoreSuite` under a real pytest."""

import subprocess
import sys
from pathlib import Path

from wavetank.scenarios.conformance import CHECKS

SUPPORT = Path(__file__).parents[2] / "support"
TESTS = """
import sys
sys.path.insert(0, {support!r})
from suite_stores import SIMPLE, SimpleStore, WithoutDirectorySync
from wavetank.scenarios.conformance import RaftStoreSuite


class TestRight(RaftStoreSuite):
    capabilities = SIMPLE

    def open_store(self, site):
        return SimpleStore(site)


class TestWrong(TestRight):
    def open_store(self, site):
        return WithoutDirectorySync(site)


class TestNothing(RaftStoreSuite):
    pass
"""


def outcomes(tmp_path: Path, *arguments: str) -> str:
    (tmp_path / "test_stores.py").write_text(TESTS.format(support=str(SUPPORT)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_there_is_a_test_for_each_check(tmp_path: Path) -> None:
    listed = outcomes(tmp_path, "--collect-only", "-k", "TestRight")
    names = {line.rpartition("::")[2] for line in listed.splitlines() if "::test_" in line}
    assert names == {f"test_{check.group}_{check.name}" for check in CHECKS}


def test_a_right_store_passes_and_what_it_does_not_declare_is_skipped(tmp_path: Path) -> None:
    said = outcomes(tmp_path, "-k", "TestRight and (vote or snapshot_roundtrip)")
    assert "6 passed, 3 skipped" in said
    assert "not declared: snapshots" in said


def test_a_wrong_store_fails_with_what_a_right_one_does_and_what_it_did(tmp_path: Path) -> None:
    said = outcomes(tmp_path, "-k", "TestWrong and (durable_before or crash_)")
    assert "FAILED test_stores.py::TestWrong::test_vote_durable_before_return" in said
    assert "FAILED test_stores.py::TestWrong::test_crash_term_vote_never_regress" in said
    assert "cure: a sync of the directory /store" in said
    assert "PASSED test_stores.py::TestWrong::test_crash_lying_fsync_is_noticed" in said


def test_a_class_that_does_not_say_how_to_open_its_store_is_told_so(tmp_path: Path) -> None:
    said = outcomes(tmp_path, "-k", "TestNothing and append_read_each")
    assert "expected a method open_store(self, site)" in said
