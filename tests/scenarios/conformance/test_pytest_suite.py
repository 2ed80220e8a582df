"""`RaftStoreSuite` under a real pytest."""

import subprocess
import sys
from pathlib import Path

from wavetank.scenarios.conformance import CHECKS, RaftStoreSuite

SUPPORT = Path(__file__).parents[2] / "support"
TESTS = """
import sys
sys.path.insert(0, {support!r})
from suite_stores import SIMPLE, SimpleStore, WithoutDirectorySync
from wavetank.scenarios.conformance import RaftStoreSuite
from wavetank.sim import SEQUENTIAL


class TestRight(RaftStoreSuite):
    capabilities = SIMPLE
    profiles = (SEQUENTIAL,)
    max_images = 60

    def open_store(self, site):
        return SimpleStore(site)


class TestWrong(TestRight):
    def open_store(self, site):
        return WithoutDirectorySync(site)


class TestNothing(RaftStoreSuite):
    pass
"""


CHOSEN = (
    "TestRight and (vote or snapshot_roundtrip)"
    " or TestWrong and (durable_before or term_vote or lying_fsync)"
    " or TestNothing and append_read_each"
)


def test_there_is_a_test_for_each_check() -> None:
    names = {name for name in dir(RaftStoreSuite) if name.startswith("test_")}
    assert names == {f"test_{check.group}_{check.name}" for check in CHECKS}


def test_stores_pass_fail_and_skip_as_tests_and_a_failure_says_what_was_asked(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_stores.py").write_text(TESTS.format(support=str(SUPPORT)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", "-k", CHOSEN],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout
    assert "3 failed, 7 passed, 3 skipped" in said
    assert "not declared: snapshots" in said
    assert "FAILED test_stores.py::TestWrong::test_vote_durable_before_return" in said
    assert "FAILED test_stores.py::TestWrong::test_crash_term_vote_never_regress" in said
    assert "cure: a sync of the directory /store" in said
    assert "PASSED test_stores.py::TestWrong::test_crash_lying_fsync_is_noticed" in said
    assert "expected a method open_store(self, site)" in said
